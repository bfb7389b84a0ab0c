import { PROXY_ADMIN_PORT_NAME, PROXY_SERVICE } from '../../../api/proxy-endpoints.ts'
import { ENDPOINT_SLICES } from '../../../api/resource-type.ts'
import type { ClusterObjects } from '../cluster-objects.ts'
import type { MeshProxy } from './mesh-source.ts'

/** The proxies that have listed themselves, each in an EndpointSlice of its own. */
export function findProxies(objects: ClusterObjects): readonly MeshProxy[] {
  const slices = objects.list(ENDPOINT_SLICES, PROXY_SERVICE.namespace)
  return slices.flatMap(({ metadata, endpoints, ports }) => {
    if (metadata?.labels?.['kubernetes.io/service-name'] !== PROXY_SERVICE.name) return []
    const port = ports?.find(({ name }) => name === PROXY_ADMIN_PORT_NAME)?.port
    const address = endpoints?.[0]?.addresses[0]
    return address === undefined || port === undefined ? [] : [{ name: metadata?.name ?? '', address, port }]
  })
}
