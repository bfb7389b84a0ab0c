import type { KubeObject } from '../../../api/object.ts'
import { jsonEqual } from '../../../api/patch/plain-object.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { TokenRequest } from '../../../api/types/authentication-v1.gen.ts'
import type { Node, Pod } from '../../../api/types/core-v1.gen.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'

const NODE_PREFIX = 'system:node:'
const RESTRICTED = 'node-restriction.kubernetes.io/'
const MIRROR = 'kubernetes.io/config.mirror'
/** Labels in Kubernetes' own domains that a node may set on itself. */
const OWN_LABELS = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
])

function forbidden(what: string, why: string): StatusError {
  return new StatusError('Forbidden', `${what} is forbidden: ${why}`)
}

function admitPod({ operation, subresource, object, previous, name }: AdmissionRequest, node: string): void {
  const what = `pods "${name}"`
  const bound = ((operation === 'CREATE' ? object : previous) as Pod | undefined)?.spec?.nodeName
  if (bound !== node)
    throw forbidden(what, `node "${node}" can only ${operation.toLowerCase()} pods with spec.nodeName set to itself`)
  if (operation === 'UPDATE') {
    if (subresource !== 'status') throw forbidden(what, `node "${node}" may update only the status of its pods`)
    if (!jsonEqual((object as KubeObject).metadata?.labels ?? {}, previous?.metadata?.labels ?? {}))
      throw forbidden(what, `node "${node}" cannot update labels through pod status`)
    return
  }
  if (operation === 'DELETE') return
  const { metadata, spec } = object as Pod
  if (metadata?.annotations?.[MIRROR] === undefined)
    throw forbidden(what, `pod does not have "${MIRROR}" annotation, node "${node}" can only create mirror pods`)
  const owners = metadata.ownerReferences ?? []
  const ownedByNode =
    owners.length === 1 && owners[0]!.kind === 'Node' && owners[0]!.name === node && owners[0]!.controller === true
  if (!ownedByNode) throw forbidden(what, `node "${node}" can only create pods with an owner reference set to itself`)
  if (spec?.serviceAccountName !== undefined && spec.serviceAccountName !== '')
    throw forbidden(what, `node "${node}" can not create pods that reference a service account`)
  if ((spec?.resourceClaims ?? []).length > 0)
    throw forbidden(what, `node "${node}" can not create pods that reference resource claims`)
  const usesObjects = (spec?.volumes ?? []).some(
    (v) =>
      v.secret !== undefined ||
      v.configMap !== undefined ||
      v.persistentVolumeClaim !== undefined ||
      v.projected !== undefined,
  )
  const containers = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ]
  const usesEnvironment = containers.some(
    (c) =>
      (c.envFrom ?? []).length > 0 ||
      (c.env ?? []).some((e) => e.valueFrom?.secretKeyRef !== undefined || e.valueFrom?.configMapKeyRef !== undefined),
  )
  if (usesObjects || usesEnvironment)
    throw forbidden(
      what,
      `node "${node}" can not create pods that reference secrets, configmaps or persistentvolumeclaims`,
    )
}

function changedLabels(
  next: Readonly<Record<string, string>> = {},
  previous: Readonly<Record<string, string>> = {},
): readonly string[] {
  return [...new Set([...Object.keys(next), ...Object.keys(previous)])].filter((key) => next[key] !== previous[key])
}

function admitNode({ operation, object, previous, name }: AdmissionRequest, node: string): void {
  const what = `nodes "${name}"`
  if (name !== node) throw forbidden(what, `node "${node}" is not allowed to modify node "${name}"`)
  if (operation === 'DELETE') throw forbidden(what, `node "${node}" is not allowed to delete itself`)
  const [next, old] = [object as Node, previous as Node | undefined]
  const labels = changedLabels(next.metadata?.labels, old?.metadata?.labels)
  const refused = labels.filter((key) => {
    const domain = key.split('/')[0]!
    const inKubernetes = domain.endsWith('kubernetes.io') || domain.endsWith('k8s.io')
    return (
      key.startsWith(RESTRICTED) ||
      (inKubernetes &&
        !OWN_LABELS.has(key) &&
        !domain.endsWith('kubelet.kubernetes.io') &&
        !domain.endsWith('node.kubernetes.io'))
    )
  })
  if (refused.length > 0) throw forbidden(what, `is not allowed to modify labels: ${refused.sort().join(', ')}`)
  if (!jsonEqual(next.metadata?.ownerReferences ?? [], old?.metadata?.ownerReferences ?? []))
    throw forbidden(what, `node "${node}" is not allowed to modify ownerReferences`)
  if (old !== undefined && !jsonEqual(next.spec?.taints ?? [], old.spec?.taints ?? []))
    throw forbidden(what, `node "${node}" is not allowed to modify taints`)
}

/** A node gets a token only for a pod that is bound to it, under that pod's account, and bound to that very pod. */
function admitToken(
  { namespace, name, object }: AdmissionRequest,
  node: string,
  podsOnNode: (node: string) => Iterable<Pod>,
): void {
  const what = `serviceaccounts "${name}"`
  const bound = (object as TokenRequest | undefined)?.spec?.boundObjectRef
  if (bound?.kind !== 'Pod' || !bound.name) throw forbidden(what, `node "${node}" requested token not bound to a pod`)
  if (!bound.uid) throw forbidden(what, `node "${node}" requested token with a pod binding without a uid`)
  for (const { metadata, spec } of podsOnNode(node))
    if (metadata?.namespace === namespace && metadata?.name === bound.name && metadata.uid === bound.uid)
      if (spec?.serviceAccountName === name) return
  throw forbidden(
    what,
    `node "${node}" may request tokens only for service accounts of pods bound to it, and bound to those pods`,
  )
}

/** Holds each node to its own objects, also where the authorizer cannot see into them (Kubernetes' NodeRestriction). */
export function createNodeRestriction(podsOnNode: (node: string) => Iterable<Pod>): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    async admit(request) {
      const { user, definition, subresource } = request
      if (!user.groups.includes('system:nodes') || !user.name.startsWith(NODE_PREFIX)) return undefined
      const node = user.name.slice(NODE_PREFIX.length)
      switch (`${definition.group}/${definition.resource}`) {
        case '/pods':
          admitPod(request, node)
          return undefined
        case '/nodes':
          admitNode(request, node)
          return undefined
        case '/serviceaccounts':
          if (subresource === 'token') admitToken(request, node, podsOnNode)
          return undefined
        case 'coordination.k8s.io/leases':
          if (request.namespace !== 'kube-node-lease' || request.name !== node)
            throw forbidden(
              `leases "${request.name}"`,
              `can only access node lease with the same name as the requesting node`,
            )
          return undefined
        default:
          return undefined
      }
    },
  }
}
