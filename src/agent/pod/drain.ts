import { DRAINING_ANNOTATION, PROXY_LEASE_NAMESPACE, PROXY_LEASE_PREFIX, parseDraining } from '../../api/drain-lease.ts'
import { ENDPOINT_SLICES, LEASES } from '../../api/resource-type.ts'
import type { Lease } from '../../api/types/coordination-v1.gen.ts'
import { type Clock, type Millis, sleep } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'

/** How long a proxy may take to say that it has heard of the ending address. */
const APPEAR_MS = 2_000
const POLL_MS = 50

/** Which proxies still have to be waited for, from their leases. */
export function drainState(
  leases: readonly Lease[],
  address: string,
  now: Millis,
): { readonly silent: number; readonly active: number } {
  let silent = 0
  let active = 0
  for (const lease of leases) {
    if (lease.metadata?.name?.startsWith(PROXY_LEASE_PREFIX) !== true) continue
    const { renewTime, leaseDurationSeconds = 0 } = lease.spec ?? {}
    const isAlive = renewTime !== undefined && Date.parse(renewTime) + leaseDurationSeconds * 1000 > now
    if (!isAlive) continue
    const connections = parseDraining(lease.metadata.annotations?.[DRAINING_ANNOTATION]).get(address)
    if (connections === undefined) silent += 1
    else active += connections
  }
  return { silent, active }
}

export interface DrainOptions {
  readonly client: Client
  readonly clock: Clock
  readonly namespace: string
  readonly address: string
  readonly limitMs: Millis
  readonly signal: AbortSignal
}

/**
 * Waits until no live proxy sends anything to an ending pod any more: at once when no EndpointSlice holds its address,
 * else until every proxy lists the address with no connection left. Proxies that say nothing in time are not waited
 * for, and `limitMs` ends it in any case. Failures of the API count as silence.
 */
export async function waitForDrain(options: DrainOptions): Promise<'no endpoint' | 'drained' | 'time is up'> {
  const { client, clock, namespace, address, signal } = options
  const began = clock.now()
  const isEndpoint = await listSafely(async () => {
    const { items } = await client.list(ENDPOINT_SLICES, { namespace, signal })
    return items.some(({ endpoints }) => endpoints?.some(({ addresses }) => addresses.includes(address)))
  })
  if (isEndpoint === false) return 'no endpoint'
  while (!signal.aborted) {
    const elapsed = clock.now() - began
    const leases = await listSafely(
      async () => (await client.list(LEASES, { namespace: PROXY_LEASE_NAMESPACE, signal })).items,
    )
    const { silent, active } =
      leases === undefined ? { silent: 1, active: 0 } : drainState(leases, address, clock.now())
    if (active === 0 && (silent === 0 || elapsed >= APPEAR_MS)) return 'drained'
    if (elapsed >= options.limitMs) break
    await sleep(clock, POLL_MS, signal)
  }
  return 'time is up'
}

async function listSafely<T>(list: () => Promise<T>): Promise<T | undefined> {
  try {
    return await list()
  } catch {
    return undefined
  }
}
