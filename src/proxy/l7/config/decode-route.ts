import { routeRuleErrors } from '../routes/compile-routes.ts'
import type { HeaderRule, PathRule, WeightedBackend } from '../routes/route-rule.ts'
import type { ConfigNode } from './config-node.ts'
import { present } from './present.ts'
import type { RouteConfig } from './proxy-config.ts'

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const WEIGHT_MAX = 1_000_000

/** One item of `routes`. What it refers to is checked by the whole. */
export function decodeRoute(node: ConfigNode, index: number): RouteConfig | undefined {
  const fields = node.fields(['name', 'listeners', 'hosts', 'path', 'methods', 'headers', 'backends'])
  if (fields === undefined) return undefined
  const texts = (list: ConfigNode, what: string): readonly string[] | undefined =>
    list.isAbsent ? undefined : list.items(what)?.flatMap((item) => item.text(what) ?? [])
  const route: RouteConfig = {
    name: (fields.name.isAbsent ? undefined : fields.name.text('a name')) ?? `route-${index}`,
    backends: (fields.backends.items('backends') ?? []).flatMap((item) => decodeShare(item) ?? []),
    ...present({
      listeners: texts(fields.listeners, 'names of listeners'),
      hosts: texts(fields.hosts, 'host names such as shop.example.com or *.example.com'),
      path: fields.path.isAbsent ? undefined : decodePath(fields.path),
      methods: texts(fields.methods, 'methods such as GET'),
      headers: fields.headers.isAbsent ? undefined : decodeHeaders(fields.headers),
    }),
  }
  // What could not be read has been told; what it left empty is not told again.
  if (route.backends.length > 0) {
    for (const { field, reason } of routeRuleErrors(route)) node.child(field).fault(reason)
  }
  return route
}

function decodeShare(node: ConfigNode): WeightedBackend | undefined {
  if (typeof node.value === 'string') return { upstream: node.value }
  const fields = node.fields(['name', 'weight'])
  if (fields === undefined) return undefined
  const upstream = fields.name.text('the name of a backend')
  const weight = fields.weight.isAbsent ? undefined : fields.weight.number(0, WEIGHT_MAX)
  return upstream === undefined ? undefined : { upstream, ...present({ weight }) }
}

function decodePath(node: ConfigNode): PathRule | undefined {
  if (typeof node.value === 'string') return { prefix: node.value }
  const fields = node.fields(['exact', 'prefix'])
  if (fields === undefined) return undefined
  if (fields.exact.isAbsent === fields.prefix.isAbsent) return node.fault('must have either exact or prefix')
  if (fields.exact.isAbsent) {
    const prefix = fields.prefix.text('a path that starts with /')
    return prefix === undefined ? undefined : { prefix }
  }
  const exact = fields.exact.text('a path that starts with /')
  return exact === undefined ? undefined : { exact }
}

function decodeHeaders(node: ConfigNode): readonly HeaderRule[] | undefined {
  return node.entries('header names to values')?.flatMap(([name, item]) => {
    if (!TOKEN.test(name)) return item.fault('is no header name') ?? []
    const value = item.text('the whole value of the header, in quotes if it looks like a number')
    return value === undefined ? [] : { name, value }
  })
}
