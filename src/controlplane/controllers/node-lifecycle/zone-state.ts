import type { Node } from '../../../api/types/core-v1.gen.ts'
import type { ZoneCount } from './node-census.ts'

export type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption'

const UNHEALTHY_SHARE = 0.55
const LARGE_ZONE = 50

export interface EvictionRates {
  /** Nodes a second whose pods may start to be evicted while the zone is healthy. */
  readonly normal: number
  /** The same in a large zone that is partly disrupted. */
  readonly reduced: number
}

/** Region and zone of a node; nodes without labels share one zone. */
export function zoneOf({ metadata }: Node): string {
  const labels = metadata?.labels ?? {}
  return `${labels['topology.kubernetes.io/region'] ?? ''}/${labels['topology.kubernetes.io/zone'] ?? ''}`
}

/** Whether a zone's nodes are lost one by one, in numbers, or all together, which is more likely our own blindness. */
export function zoneState({ nodes, ready }: ZoneCount): ZoneState {
  const lost = nodes - ready
  if (ready === 0 && lost > 0) return 'FullDisruption'
  return lost > 2 && lost / nodes >= UNHEALTHY_SHARE ? 'PartialDisruption' : 'Normal'
}

/**
 * How many nodes of a zone may lose their pods per second: none when every zone is lost entirely, for then it is the
 * control plane that is cut off; few or none in a zone that is partly lost.
 */
export function evictionRate(zone: ZoneCount, allLost: boolean, rates: EvictionRates): number {
  if (allLost) return 0
  if (zoneState(zone) !== 'PartialDisruption') return rates.normal
  return zone.nodes > LARGE_ZONE ? rates.reduced : 0
}
