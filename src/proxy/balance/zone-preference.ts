import type { BalancedEndpoint } from './balanced-endpoint.ts'

export interface ZoneSplit {
  readonly near: readonly BalancedEndpoint[]
  readonly far: readonly BalancedEndpoint[]
  /** Part of the requests, 0 to 1, that stay in the zone. */
  readonly nearShare: number
}

/** Envoy's overprovisioning factor: a zone that has lost less than two sevenths of its endpoints keeps all traffic. */
const OVERPROVISIONING = 1.4

/**
 * Splits the eligible endpoints into those in the proxy's zone and the others. While the zone has enough healthy ones
 * of those it has in all (`all`), everything stays in it, which saves the way and the price of it; as they are lost, the
 * traffic they can no longer carry spills over in proportion, as between Envoy's priorities: share = 1.4 × healthy part.
 * A proxy that knows no zone is near to all.
 */
export function splitByZone(
  all: readonly BalancedEndpoint[],
  eligible: readonly BalancedEndpoint[],
  zone: string | undefined,
): ZoneSplit {
  if (zone === undefined) return { near: eligible, far: [], nearShare: 1 }
  const near = eligible.filter((endpoint) => endpoint.zone === zone)
  if (near.length === 0) return { near, far: eligible, nearShare: 0 }
  if (near.length === eligible.length) return { near: eligible, far: [], nearShare: 1 }
  const nearTotal = all.filter((endpoint) => endpoint.zone === zone && !endpoint.terminating).length
  const far = eligible.filter((endpoint) => endpoint.zone !== zone)
  return { near, far, nearShare: Math.min(1, (OVERPROVISIONING * near.length) / Math.max(nearTotal, near.length)) }
}
