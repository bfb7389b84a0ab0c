import { MONITORING_GROUP, PROXY_USER } from '../../../api/component-users.ts'
import { PROXY_SERVICE, PROXY_SLICE_PREFIX } from '../../../api/proxy-endpoints.ts'
import type { Attributes, Authorizer } from '../authorizer.ts'
import { type NodeLookup, nodeMay } from './node-authorizer.ts'

type Decision = ReturnType<Authorizer['authorize']>

const ALLOWED: Decision = { allowed: true, reason: '' }
const DENIED: Decision = { allowed: false, reason: '' }
const NODE_PREFIX = 'system:node:'
/** The account a Prometheus within the cluster runs under, or takes its token from. */
const MONITORING_ACCOUNT = 'system:serviceaccount:kube-system:prometheus'

/** Paths that anybody may read, known or not. */
const PUBLIC = /^\/(healthz|livez|readyz|version)(\/|$)/
/** Paths that every authenticated user may read: what there is, not what is in it. */
const DISCOVERY = /^\/(api|apis|openapi)(\/|$)/

const SELF_REVIEWS = new Set(['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews'])

function isReview({ resource, verb }: Attributes): boolean {
  return resource !== undefined && verb === 'create' && SELF_REVIEWS.has(resource.resource)
}

/** To ask who somebody is and what they may, as Kubernetes' `system:auth-delegator`: agents and proxies serve more than the API. */
function isDelegation({ resource, verb }: Attributes): boolean {
  if (resource === undefined || verb !== 'create' || resource.subresource !== '') return false
  const { group, resource: name } = resource
  return (
    (group === 'authentication.k8s.io' && name === 'tokenreviews') ||
    (group === 'authorization.k8s.io' && name === 'subjectaccessreviews')
  )
}

/** What Prometheus finds its targets in. */
const DISCOVERED = new Set([
  '/nodes',
  '/services',
  '/endpoints',
  '/pods',
  'discovery.k8s.io/endpointslices',
  'networking.k8s.io/ingresses',
])
/** Series of any part of the cluster. */
const SERIES = /^\/metrics(\/|$)/

/** What monitoring may do: read series wherever they are served, and follow what their addresses are found in. Changes nothing, reads no Secret. */
function monitoringMay({ verb, resource, path }: Attributes): boolean {
  if (path !== undefined) return verb === 'get' && SERIES.test(path)
  if (resource === undefined) return false
  const { group, resource: name, subresource } = resource
  if (group === '' && name === 'nodes' && subresource === 'metrics') return verb === 'get'
  const reads = verb === 'get' || verb === 'list' || verb === 'watch'
  return reads && subresource === '' && DISCOVERED.has(`${group}/${name}`)
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
      return reads && subresource === ''
    case 'discovery.k8s.io/endpointslices':
      if (subresource !== '') return false
      if (reads) return true
      // The slice that says where the proxy's metrics are; admission looks at what stands in it.
      return (
        namespace === PROXY_SERVICE.namespace &&
        (verb === 'create' ||
          (object.startsWith(PROXY_SLICE_PREFIX) && (verb === 'update' || verb === 'patch' || verb === 'delete')))
      )
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
 * what they balance; monitoring what it scrapes; everybody known discovery and questions about themselves; anonymous only health and version.
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
      if (path !== undefined && reads && (DISCOVERY.test(path) || path === '/')) return ALLOWED
      if (isReview(attributes)) return ALLOWED
      if ((groups.includes(MONITORING_GROUP) || name === MONITORING_ACCOUNT) && monitoringMay(attributes))
        return ALLOWED
      if (path !== undefined) return DENIED
      const isNode = groups.includes('system:nodes') && name.startsWith(NODE_PREFIX)
      if (name === PROXY_USER) return isDelegation(attributes) || proxyMay(attributes) ? ALLOWED : DENIED
      if (isNode && isDelegation(attributes)) return ALLOWED
      if (isNode) return nodeMay(name.slice(NODE_PREFIX.length), attributes, nodes)
      return DENIED
    },
  }
}
