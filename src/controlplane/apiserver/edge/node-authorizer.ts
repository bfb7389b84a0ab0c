import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { Attributes, Authorizer } from '../authorizer.ts'

/** What the node authorizer must know: which pods are bound to a node. */
export interface NodeLookup {
  podsOnNode(nodeName: string): Iterable<Pod>
}

type Decision = ReturnType<Authorizer['authorize']>

const ALLOWED: Decision = { allowed: true, reason: '' }

function denied(reason: string): Decision {
  return { allowed: false, reason }
}

function namesIn(pod: Pod, resource: 'secrets' | 'configmaps'): ReadonlySet<string> {
  const names = new Set<string>()
  const add = (name: string | undefined): void => {
    if (name !== undefined) names.add(name)
  }
  const spec = pod.spec
  for (const container of [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ]) {
    for (const source of container.envFrom ?? [])
      add(resource === 'secrets' ? source.secretRef?.name : source.configMapRef?.name)
    for (const { valueFrom } of container.env ?? [])
      add(resource === 'secrets' ? valueFrom?.secretKeyRef?.name : valueFrom?.configMapKeyRef?.name)
  }
  for (const volume of spec?.volumes ?? []) {
    add(resource === 'secrets' ? volume.secret?.secretName : volume.configMap?.name)
    for (const source of volume.projected?.sources ?? [])
      add(resource === 'secrets' ? source.secret?.name : source.configMap?.name)
  }
  if (resource === 'secrets') for (const { name } of spec?.imagePullSecrets ?? []) add(name)
  return names
}

function refersTo(
  nodes: NodeLookup,
  node: string,
  resource: 'secrets' | 'configmaps',
  namespace: string,
  name: string,
): boolean {
  for (const pod of nodes.podsOnNode(node))
    if (pod.metadata?.namespace === namespace && namesIn(pod, resource).has(name)) return true
  return false
}

/**
 * What a node may do, as Kubernetes' Node authorizer has it: its own Node and Lease, pods (which of them NodeRestriction
 * says), and single Secrets and ConfigMaps that a pod bound to it refers to. `configmaps` and `secrets` are read by
 * name only, also when watched.
 */
export function nodeMay(node: string, { verb, resource }: Attributes, nodes: NodeLookup): Decision {
  if (resource === undefined) return denied('')
  const { group, resource: name, subresource, namespace, name: object } = resource
  const reads = verb === 'get' || verb === 'list' || verb === 'watch'
  const writes = verb === 'update' || verb === 'patch'
  switch (`${group}/${name}`) {
    case '/nodes':
      if (subresource !== '' && subresource !== 'status') return denied('')
      if (reads && subresource === '') return ALLOWED
      if (verb === 'create') return ALLOWED
      return writes && object === node ? ALLOWED : denied(`node "${node}" is not allowed to modify node "${object}"`)
    case '/pods':
      if (subresource === '') return reads || verb === 'create' || verb === 'delete' ? ALLOWED : denied('')
      if (subresource === 'status') return writes || verb === 'get' ? ALLOWED : denied('')
      return subresource === 'eviction' && verb === 'create' ? ALLOWED : denied('')
    case '/services':
    case 'discovery.k8s.io/endpointslices':
      return reads && subresource === '' ? ALLOWED : denied('')
    case '/secrets':
    case '/configmaps': {
      if (!reads || subresource !== '') return denied('')
      if (object === '') return denied(`can only read ${name} by name`)
      const found = refersTo(nodes, node, name as 'secrets' | 'configmaps', namespace, object)
      return found ? ALLOWED : denied(`no relationship found between node "${node}" and this object`)
    }
    case '/serviceaccounts':
      if (subresource === 'token') return verb === 'create' ? ALLOWED : denied('')
      return verb === 'get' ? ALLOWED : denied('')
    case '/events':
    case 'events.k8s.io/events':
      return verb === 'create' || writes ? ALLOWED : denied('')
    case 'coordination.k8s.io/leases':
      if (namespace === 'kube-node-lease') {
        const own = object === node || verb === 'create'
        return own && (verb === 'get' || verb === 'create' || writes || verb === 'delete')
          ? ALLOWED
          : denied(`can only access node lease with the same name as the requesting node`)
      }
      // Before it ends a pod, an agent asks the proxies' leases whether they have let go of it.
      return namespace === 'kube-system' && (verb === 'list' || (reads && object.startsWith('wherry-proxy-')))
        ? ALLOWED
        : denied('')
    default:
      return denied('')
  }
}
