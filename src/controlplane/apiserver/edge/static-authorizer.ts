import type { Attributes, Authorizer } from '../authorizer.ts'
import { type NodeLookup, nodeMay } from './node-authorizer.ts'

type Decision = ReturnType<Authorizer['authorize']>

const ALLOWED: Decision = { allowed: true, reason: '' }
const DENIED: Decision = { allowed: false, reason: '' }
const NODE_PREFIX = 'system:node:'

/** Paths that anybody may read, known or not. */
const PUBLIC = /^\/(healthz|livez|readyz|version)(\/|$)/
/** Paths that every authenticated user may read: what there is, not what is in it. */
const DISCOVERY = /^\/(api|apis|openapi)(\/|$)/

const SELF_REVIEWS = new Set(['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews'])

function isReview({ resource, verb }: Attributes): boolean {
  return resource !== undefined && verb === 'create' && SELF_REVIEWS.has(resource.resource)
}

/** What the proxies may do: read what they balance, tell of it in events, conditions and their own leases. */
function proxyMay({ verb, resource }: Attributes): boolean {
  if (resource === undefined) return false
  const { group, resource: name, subresource, namespace, name: object } = resource
  const reads = verb === 'get' || verb === 'list' || verb === 'watch'
  switch (`${group}/${name}`) {
    case '/services':
      return (reads && subresource === '') || (subresource === 'status' && (verb === 'patch' || verb === 'update'))
    case '/nodes':
    case 'discovery.k8s.io/endpointslices':
      return reads && subresource === ''
    case '/events':
    case 'events.k8s.io/events':
      return verb === 'create' || verb === 'patch' || verb === 'update'
    case 'coordination.k8s.io/leases':
      return (
        namespace === 'kube-system' &&
        (verb === 'create' ||
          (object.startsWith('wherry-proxy-') && (verb === 'get' || verb === 'update' || verb === 'patch')))
      )
    default:
      return false
  }
}

/**
 * Who may do what, until roles come as objects: administrators all; nodes what concerns them and their pods; proxies
 * what they balance; everybody known discovery and questions about themselves; anonymous only health and version.
 */
export function createStaticAuthorizer(nodes: NodeLookup): Authorizer {
  return {
    authorize(attributes) {
      const { user, verb, path } = attributes
      const { groups, name } = user
      if (groups.includes('system:masters') || groups.includes('wherry:admins')) return ALLOWED
      const reads = verb === 'get' || verb === 'head'
      if (path !== undefined && reads && PUBLIC.test(path)) return ALLOWED
      if (!groups.includes('system:authenticated')) return DENIED
      if (path !== undefined) return reads && (DISCOVERY.test(path) || path === '/') ? ALLOWED : DENIED
      if (isReview(attributes)) return ALLOWED
      if (name === 'system:kube-proxy') return proxyMay(attributes) ? ALLOWED : DENIED
      if (groups.includes('system:nodes') && name.startsWith(NODE_PREFIX))
        return nodeMay(name.slice(NODE_PREFIX.length), attributes, nodes)
      return DENIED
    },
  }
}
