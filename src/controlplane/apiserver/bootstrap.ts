import type { KubeObject } from '../../api/object.ts'
import { PROXY_ADMIN_PORT, PROXY_ADMIN_PORT_NAME, PROXY_SERVICE } from '../../api/proxy-endpoints.ts'
import type { ResourceType } from '../../api/resource-type.ts'
import { ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICE_ACCOUNTS, SERVICES } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Client } from '../../client/client.ts'

export interface BootstrapOptions {
  readonly client: Client
  /** Where the API server listens. */
  readonly address: string
  readonly port: number
  /** ClusterIP of the `kubernetes` Service. */
  readonly serviceIp: string
  /** The Service's own port: 443 as everywhere, or another one where the machine does not let wherry listen there. */
  readonly servicePort: number
  /** Other API servers may be there: where the Service leads is then kept by all of them (`membership/publish-api-server.ts`). */
  readonly isOneOfSeveral: boolean
}

const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** Brings the object that is there to what it must be, or creates it: its addresses may be its own already. */
async function ensure<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  wanted: T,
  agrees: (found: T) => boolean,
): Promise<void> {
  const { namespace, name = '' } = wanted.metadata ?? {}
  try {
    const found = await client.get(type, { namespace, name })
    if (agrees(found)) return
    await client.update(type, {
      ...found,
      ...wanted,
      metadata: { ...found.metadata, labels: { ...found.metadata?.labels, ...wanted.metadata?.labels } },
    })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
    await client.create(type, wanted)
  }
}

/** What every cluster has: the system namespaces, the `kubernetes` Service that leads to this API server, and how proxies are found. */
export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const { client, address, port, serviceIp, servicePort, isOneOfSeveral } = options
  await Promise.all(SYSTEM_NAMESPACES.map((name) => ensure(client, NAMESPACES, { metadata: { name } }, () => true)))
  const metadata = { namespace: 'default', name: 'kubernetes' }
  const service = ensure(
    client,
    SERVICES,
    {
      metadata: { ...metadata, labels: { component: 'apiserver', provider: 'kubernetes' } },
      spec: {
        type: 'ClusterIP',
        clusterIP: serviceIp,
        clusterIPs: [serviceIp],
        ports: [{ name: 'https', protocol: 'TCP', port: servicePort, targetPort: port }],
      },
    },
    // What another server has put there is as good: endpoints name each server's own port.
    ({ spec }) => isOneOfSeveral || (spec?.ports?.[0]?.port === servicePort && spec.ports[0].targetPort === port),
  )
  if (isOneOfSeveral) {
    await service
    return
  }
  const ports = [{ name: 'https', port, protocol: 'TCP' }]
  const endpoints = ensure(
    client,
    ENDPOINTS,
    {
      metadata: { ...metadata, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
      subsets: [{ addresses: [{ ip: address }], ports }],
    },
    ({ subsets }) => subsets?.[0]?.addresses?.[0]?.ip === address && subsets[0].ports?.[0]?.port === port,
  )
  const slice = ensure(
    client,
    ENDPOINT_SLICES,
    {
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports,
    },
    ({ endpoints, ports: found }) => endpoints?.[0]?.addresses[0] === address && found?.[0]?.port === port,
  )
  const proxies = ensure(
    client,
    SERVICES,
    {
      metadata: { ...PROXY_SERVICE, labels: { 'k8s-app': 'wherry-proxy' } },
      spec: {
        clusterIP: 'None',
        ports: [{ name: PROXY_ADMIN_PORT_NAME, protocol: 'TCP', port: PROXY_ADMIN_PORT, appProtocol: 'https' }],
      },
    },
    () => true,
  )
  // The rights are the authorizer's; see docs/monitoring.md.
  const monitoring = ensure(
    client,
    SERVICE_ACCOUNTS,
    { metadata: { namespace: 'kube-system', name: 'prometheus' } },
    () => true,
  )
  await Promise.all([service, endpoints, slice, proxies, monitoring])
}
