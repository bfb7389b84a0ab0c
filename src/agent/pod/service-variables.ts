import type { Service } from '../../api/types/core-v1.gen.ts'

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}

/** Services that have an address to tell of. */
function hasAddress(service: Service): boolean {
  const ip = service.spec?.clusterIP
  return ip !== undefined && ip !== '' && ip !== 'None' && service.spec?.type !== 'ExternalName'
}

/**
 * The variables by which pods of `namespace` find Services without DNS: `CART_SERVICE_HOST`, `CART_SERVICE_PORT`,
 * `CART_SERVICE_PORT_HTTP` and the older `CART_PORT_80_TCP_ADDR` family. `default/kubernetes` is always among them;
 * without `links` it is the only one.
 */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  links: boolean,
): ReadonlyMap<string, string> {
  const isApi = (s: Service): boolean => s.metadata?.name === 'kubernetes' && s.metadata.namespace === 'default'
  const visible = services
    .filter((s) => hasAddress(s) && (isApi(s) || (links && s.metadata?.namespace === namespace)))
    // One of the namespace's own hides the API's where they share the name.
    .sort((a, b) => Number(isApi(b)) - Number(isApi(a)))
  const variables = new Map<string, string>()
  for (const service of visible) addService(variables, service)
  return variables
}

function addService(variables: Map<string, string>, service: Service): void {
  const prefix = variableName(service.metadata?.name ?? '')
  const ip = service.spec?.clusterIP ?? ''
  const host = ip.includes(':') ? `[${ip}]` : ip
  const ports = service.spec?.ports ?? []
  const [first] = ports
  if (first === undefined) return
  variables.set(`${prefix}_SERVICE_HOST`, ip)
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port))
  for (const { name, port } of ports)
    if (name !== undefined && name !== '') variables.set(`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port))
  const url = (protocol: string, port: number): string => `${protocol.toLowerCase()}://${host}:${port}`
  variables.set(`${prefix}_PORT`, url(first.protocol ?? 'TCP', first.port))
  for (const { port, protocol = 'TCP' } of ports) {
    const portPrefix = `${prefix}_PORT_${port}_${protocol}`
    variables.set(portPrefix, url(protocol, port))
    variables.set(`${portPrefix}_PROTO`, protocol.toLowerCase())
    variables.set(`${portPrefix}_PORT`, String(port))
    variables.set(`${portPrefix}_ADDR`, ip)
  }
}
