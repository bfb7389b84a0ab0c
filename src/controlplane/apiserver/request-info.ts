import type { ResourceDefinition } from '../../api/definition.ts'

/** What a request is about, read from its method and path alone. */
export type RequestInfo =
  | {
      readonly kind: 'resource'
      readonly verb: string
      readonly group: string
      readonly version: string
      readonly resource: string
      readonly subresource: string
      readonly namespace: string
      readonly name: string
      /** What stands behind a `proxy` subresource, decoded: `metrics/resource`. */
      readonly rest?: string
    }
  | { readonly kind: 'path'; readonly verb: string; readonly path: string }

export type ResourceInfo = Extract<RequestInfo, { kind: 'resource' }>

/** Verbs by method: on one object, on a collection. */
const VERBS: ReadonlyMap<string, readonly [one: string, many: string]> = new Map([
  ['GET', ['get', 'list']],
  ['HEAD', ['get', 'list']],
  ['POST', ['create', 'create']],
  ['PUT', ['update', 'update']],
  ['PATCH', ['patch', 'patch']],
  ['DELETE', ['delete', 'deletecollection']],
])

/**
 * Subresources that run or reach something in a pod. They are authorized as `create` by whatever method they come:
 * WebSocket clients use GET, and a right to read must not be a right to run.
 */
const CONNECTING = new Set(['exec', 'attach', 'portforward'])

/** True for a request that is answered by joining the client with a pod. */
export function isConnecting({ group, resource, subresource }: ResourceInfo): boolean {
  return group === '' && resource === 'pods' && CONNECTING.has(subresource)
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** The decoded segments of a path; undefined for anything that two readers could read in two ways. */
function segmentsOf(path: string): readonly string[] | undefined {
  if (!path.startsWith('/')) return undefined
  const segments: (string | undefined)[] = path.slice(1).split('/')
  if (segments.at(-1) === '') segments.pop()
  if (path.includes('%')) for (const [i, part] of segments.entries()) segments[i] = decoded(part!)
  for (const segment of segments)
    if (segment === undefined || segment === '' || segment === '.' || segment === '..' || /[/\\\0]/.test(segment))
      return undefined
  return segments as string[]
}

/** True when a namespaced path may name this resource; asked of the definitions, so that `/namespaces/x/pods` is told from `/namespaces/x/status`. */
export type IsNamespaced = (group: string, version: string, resource: string) => boolean

/**
 * Reads `/api/v1/…` and `/apis/<group>/<version>/…`. Everything else, and every path with empty, dotted or slash-hiding
 * segments, is a plain path. Only a collection can be watched: `isWatch` says nothing of one object, as in Kubernetes.
 */
export function requestInfo(method: string, path: string, isWatch: boolean, isNamespaced: IsNamespaced): RequestInfo {
  const plain: RequestInfo = { kind: 'path', verb: method.toLowerCase(), path }
  const segments = segmentsOf(path)
  if (segments === undefined) return plain
  const core = segments[0] === 'api'
  if (!core && segments[0] !== 'apis') return plain
  const [group, version] = core ? ['', segments[1]] : [segments[1], segments[2]]
  let rest = segments.slice(core ? 2 : 3)
  if (group === undefined || version === undefined || rest.length === 0) return plain
  let namespace = ''
  if (rest[0] === 'namespaces' && rest.length >= 3 && isNamespaced(group, version, rest[2]!)) {
    namespace = rest[1]!
    rest = rest.slice(2)
  }
  const [resource, name = '', subresource = '', ...more] = rest
  const isProxy = group === '' && resource === 'nodes' && subresource === 'proxy'
  if (more.length > 0 && !isProxy) return plain
  const verbs = VERBS.get(method)
  if (verbs === undefined) return plain
  const verb = name === '' ? verbs[1] : verbs[0]
  const info: ResourceInfo = {
    kind: 'resource',
    verb: isWatch && verb === 'list' ? 'watch' : verb,
    group,
    version,
    resource: resource!,
    subresource,
    namespace,
    name,
    ...(isProxy ? { rest: more.join('/') } : {}),
  }
  return isConnecting(info) && verb === 'get' ? { ...info, verb: 'create' } : info
}

/** `/registry/pods/ns/name`, or the prefix of a namespace or of all objects. */
export function storageKey(definition: ResourceDefinition, namespace: string, name: string): string {
  const base = definition.namespaced ? `${definition.storagePrefix}/${namespace}` : definition.storagePrefix
  return `${base}/${name}`
}
