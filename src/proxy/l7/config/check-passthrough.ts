import type { ConfigNode } from './config-node.ts'
import type { ProxyConfig, RouteConfig } from './proxy-config.ts'

type Sections = Readonly<Record<'listeners' | 'routes' | 'backends', ConfigNode>>

/** Notes what does not go together where listeners pass TLS on: of what is in it nothing can be seen or changed. */
export function checkPassthrough(sections: Sections, config: Omit<ProxyConfig, 'accessLog'>): void {
  const passing = new Set(config.listeners.filter(({ tls }) => tls === 'passthrough').map(({ name }) => name))
  if (passing.size === 0) return
  const listenerOf = ({ listeners }: RouteConfig): string | undefined => listeners?.find((name) => passing.has(name))
  const routed = new Set<string>()
  for (const [i, route] of config.routes.entries()) {
    const listener = listenerOf(route)
    if (listener === undefined) continue
    for (const name of route.listeners ?? []) routed.add(name)
    const at = `[${i}]`
    for (const field of ['path', 'methods', 'headers'] as const) {
      if (route[field] === undefined) continue
      sections.routes.place(`${at}.${field}`).fault(`cannot be seen on listener ${listener}, which passes TLS on`)
    }
    for (const [j, { upstream }] of route.backends.entries()) {
      checkBackend(sections.routes.place(`${at}.backends[${j}]`), upstream, listener, config)
    }
  }
  for (const [i, { name }] of config.listeners.entries()) {
    if (!passing.has(name) || routed.has(name)) continue
    sections.listeners.place(`[${i}].tls`).fault(`a listener that passes TLS on needs a route that names it (${name})`)
  }
}

function checkBackend(
  node: ConfigNode,
  name: string,
  listener: string,
  { backends }: Pick<ProxyConfig, 'backends'>,
): void {
  const backend = backends.find((other) => other.name === name)
  if (backend === undefined) return
  const { tls, sticky, key } = backend
  if (tls !== undefined) node.fault(`backend ${name} has tls, but listener ${listener} passes that of its clients on`)
  if (sticky !== undefined) node.fault(`backend ${name} is sticky, which nobody can see on listener ${listener}`)
  if (key !== undefined && key.from !== 'address') {
    node.fault(`backend ${name} hashes a ${key.from}, which nobody can see on listener ${listener}`)
  }
}
