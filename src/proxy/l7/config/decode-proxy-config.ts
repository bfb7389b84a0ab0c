import { checkPassthrough } from './check-passthrough.ts'
import { type ConfigFault, ConfigFaults } from './config-faults.ts'
import { ConfigNode } from './config-node.ts'
import { decodeBackend } from './decode-backend.ts'
import { decodeRoute } from './decode-route.ts'
import { decodeTransport } from './decode-transport.ts'
import type { AccessLogConfig, BackendConfig, ListenerConfig, ProxyConfig, RouteConfig } from './proxy-config.ts'

export type DecodedProxyConfig =
  | { readonly ok: true; readonly config: ProxyConfig }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

const NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

/** What a configuration file says, or everything that is wrong with it. Pure; `value` as a YAML or JSON parser gives it. */
export function decodeProxyConfig(value: unknown): DecodedProxyConfig {
  const faults = new ConfigFaults()
  const fields = new ConfigNode(value, '', faults).fields(['listeners', 'backends', 'routes', 'accessLog'])
  if (fields === undefined) return { ok: false, faults: faults.list }
  const listeners = decodeListeners(fields.listeners)
  const backends = decodeBackends(fields.backends)
  const routes = decodeRoutes(fields.routes, listeners, namesOf(fields.backends))
  if (faults.list.length === 0) checkPassthrough(fields, { listeners, backends, routes })
  const accessLog = fields.accessLog.isAbsent ? undefined : decodeAccessLog(fields.accessLog)
  if (faults.list.length > 0) return { ok: false, faults: faults.list }
  return { ok: true, config: { listeners, backends, routes, ...(accessLog === undefined ? {} : { accessLog }) } }
}

function decodeListeners(node: ConfigNode): readonly ListenerConfig[] {
  const listeners: ListenerConfig[] = []
  for (const item of node.items('addresses such as 127.0.0.1:8080') ?? []) {
    const isPlain = typeof item.value === 'string'
    const fields = isPlain ? undefined : item.fields(['name', 'address', 'tls', 'proxyProtocol', 'http2'])
    const address = isPlain ? item.address(0) : fields?.address.address(0)
    if (address === undefined) continue
    const nameNode = fields?.name
    const name =
      nameNode === undefined || nameNode.isAbsent ? `listener-${listeners.length}` : nameNode.text('a name', NAME)
    if (name === undefined) continue
    if (listeners.some((other) => other.name === name)) nameNode?.fault(`another listener is called ${name}`)
    const isTaken = listeners.some(({ host, port }) => port !== 0 && port === address.port && host === address.host)
    if (isTaken) item.fault('another listener has this address')
    listeners.push({
      name,
      ...address,
      ...(fields === undefined ? {} : decodeTransport(fields)),
    })
  }
  return listeners
}

function namesOf(node: ConfigNode): readonly string[] {
  return typeof node.value === 'object' && node.value !== null ? Object.keys(node.value) : []
}

function decodeBackends(node: ConfigNode): readonly BackendConfig[] {
  return (node.entries('names to backends') ?? []).flatMap(([name, item]) => {
    if (!NAME.test(name)) item.fault('is no name: letters, digits, - . and _ make one')
    return decodeBackend(name, item) ?? []
  })
}

function decodeRoutes(
  node: ConfigNode,
  listeners: readonly ListenerConfig[],
  backends: readonly string[],
): readonly RouteConfig[] {
  const names = new Map<string, string>()
  return (node.items('routes') ?? []).flatMap((item, i) => {
    const route = decodeRoute(item, i)
    if (route === undefined) return []
    const first = names.get(route.name)
    if (first !== undefined) item.child('name').fault(`${first} is called ${route.name} too`)
    names.set(route.name, first ?? item.path)
    for (const [at, { upstream }] of route.backends.entries()) {
      if (backends.includes(upstream)) continue
      item.child(`backends[${at}]`).fault(`there is no backend "${upstream}"; there are ${list(backends)}`)
    }
    for (const [at, name] of route.listeners?.entries() ?? []) {
      if (listeners.some((listener) => listener.name === name)) continue
      const known = list(listeners.map((listener) => listener.name))
      item.child(`listeners[${at}]`).fault(`there is no listener "${name}"; there are ${known}`)
    }
    return route
  })
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

function decodeAccessLog(node: ConfigNode): AccessLogConfig | undefined {
  const fields = node.fields(['file', 'sample'])
  if (fields === undefined) return undefined
  const file = fields.file.text('a file name, or - for standard output')
  const sample = fields.sample.isAbsent ? 1 : fields.sample.number(0, 1)
  return file === undefined || sample === undefined ? undefined : { file, sample }
}
