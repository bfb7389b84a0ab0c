import { ENDPOINT_SLICES } from '../api/resource-type.ts'
import type { EndpointSlice } from '../api/types/discovery-v1.gen.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { ApiServers } from './api-servers.ts'
import type { Client } from './client.ts'
import { createInformer } from './create-informer.ts'

/** Every ready endpoint of `default/kubernetes` as a URL, in an order that does not depend on the slices'. */
export function apiServerUrls(slices: readonly EndpointSlice[]): readonly string[] {
  const urls = slices.flatMap(({ endpoints, ports }) =>
    (endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) =>
        (ports ?? []).flatMap(({ port }) => addresses.map((address) => `https://${address}:${port}`)),
      ),
  )
  return [...new Set(urls)].sort()
}

export interface FollowOptions {
  readonly client: Client
  readonly servers: ApiServers
  readonly clock: Clock
  readonly logger: Logger
  /** Called with every new set, as for a note that outlives this process. */
  readonly onChange?: (urls: readonly string[]) => void
}

/** Keeps the list of API servers what the Service `default/kubernetes` says of them. */
export function followApiServers({ client, servers, clock, logger, onChange }: FollowOptions): { close(): void } {
  const informer = createInformer<EndpointSlice>({
    client,
    type: ENDPOINT_SLICES,
    namespace: 'default',
    labelSelector: 'kubernetes.io/service-name=kubernetes',
    clock,
    logger,
  })
  // Slices change one after another: the set is taken over once they are all there.
  let isQueued = false
  const take = (): void => {
    isQueued = false
    const urls = apiServerUrls(informer.list())
    if (urls.length === 0 || urls.join() === [...servers.all].sort().join()) return
    servers.replace(urls)
    logger.info({ servers: urls }, 'the API servers are others now')
    onChange?.(urls)
  }
  informer.onChange(() => {
    if (isQueued) return
    isQueued = true
    queueMicrotask(take)
  })
  return { close: () => informer.close() }
}
