import { labelMatcherOf } from '../../../src/api/label-selector.ts'
import { quantityToMilli, quantityToNumber } from '../../../src/api/quantity.ts'
import type {
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Pod,
  PodAffinityTerm,
  Taint,
  TopologySpreadConstraint,
} from '../../../src/api/types/core-v1.gen.ts'
import type { LabelSelector } from '../../../src/api/types/meta-v1.gen.ts'
import type { Labels } from './objects.ts'

export interface NaiveCluster {
  readonly nodes: readonly Node[]
  /** Also pods on nodes that do not exist. */
  readonly pods: readonly { readonly pod: Pod; readonly nodeName: string }[]
  readonly namespaces: Readonly<Record<string, Labels>>
}

const labelsOf = (object: Node | Pod): Labels => object.metadata?.labels ?? {}
const nameOf = (node: Node): string => node.metadata?.name ?? ''

/**
 * Whether a pod fits on a node, worked out from the API's objects alone, one loop after the other: what every index and
 * running sum is held against. Shares nothing with the scheduler but quantities and label selectors.
 */
export function naiveFit(pod: Pod, node: Node, cluster: NaiveCluster): boolean {
  return (
    isOpen(pod, node) &&
    toleratesAll(pod, node) &&
    isWanted(pod, node) &&
    hasPorts(pod, node, cluster) &&
    hasRoom(pod, node, cluster) &&
    isSpread(pod, node, cluster) &&
    isNear(pod, node, cluster) &&
    isApart(pod, node, cluster)
  )
}

function podsOn(node: Node, { pods }: NaiveCluster): readonly Pod[] {
  return pods.filter(({ nodeName }) => nodeName === nameOf(node)).map(({ pod }) => pod)
}

function tolerates(pod: Pod, taint: Taint): boolean {
  return (pod.spec?.tolerations ?? []).some(
    ({ key, operator, value = '', effect }) =>
      (effect === undefined || effect === taint.effect) &&
      (key === undefined || key === taint.key) &&
      (operator === 'Exists' || value === (taint.value ?? '')),
  )
}

function isOpen(pod: Pod, node: Node): boolean {
  return (
    node.spec?.unschedulable !== true ||
    tolerates(pod, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
  )
}

function toleratesAll(pod: Pod, node: Node): boolean {
  return (node.spec?.taints ?? []).every((taint) => taint.effect === 'PreferNoSchedule' || tolerates(pod, taint))
}

function holds({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  if (operator === 'NotIn') return value === undefined || !values.includes(value)
  return value !== undefined && values.includes(value)
}

function meets(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term
  if (matchExpressions.length + matchFields.length === 0) return false
  return (
    matchExpressions.every((each) => holds(each, labelsOf(node)[each.key])) &&
    matchFields.every((each) => holds(each, nameOf(node)))
  )
}

function isWanted(pod: Pod, node: Node): boolean {
  const selector = Object.entries(pod.spec?.nodeSelector ?? {})
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return (
    selector.every(([key, value]) => labelsOf(node)[key] === value) &&
    (required === undefined || required.nodeSelectorTerms.some((term) => meets(term, node)))
  )
}

function portsOf(pod: Pod): readonly string[] {
  return (pod.spec?.containers ?? []).flatMap(({ ports = [] }) =>
    ports.filter(({ hostPort }) => hostPort).map(({ hostPort, protocol = 'TCP' }) => `${protocol}/${hostPort}`),
  )
}

function hasPorts(pod: Pod, node: Node, cluster: NaiveCluster): boolean {
  const taken = podsOn(node, cluster).flatMap(portsOf)
  return portsOf(pod).every((port) => !taken.includes(port))
}

function requestOf(pod: Pod, resource: string): number {
  const amount = resource === 'cpu' ? quantityToMilli : quantityToNumber
  return (pod.spec?.containers ?? []).reduce(
    (sum, { resources }) => sum + amount(resources?.requests?.[resource] ?? '0'),
    0,
  )
}

function hasRoom(pod: Pod, node: Node, cluster: NaiveCluster): boolean {
  const others = podsOn(node, cluster)
  const allocatable = node.status?.allocatable ?? {}
  if (others.length + 1 > quantityToNumber(allocatable.pods ?? '0')) return false
  return ['cpu', 'memory', 'example.com/gpu'].every((resource) => {
    const wanted = requestOf(pod, resource)
    const amount = resource === 'cpu' ? quantityToMilli : quantityToNumber
    const taken = others.reduce((sum, other) => sum + requestOf(other, resource), 0)
    return wanted === 0 || wanted + taken <= amount(allocatable[resource] ?? '0')
  })
}

function selects(selector: LabelSelector | undefined, labels: Labels, keys: readonly string[], own: Labels): boolean {
  if (selector === undefined || !labelMatcherOf(selector).matches(labels)) return false
  return keys.every((key) => own[key] === undefined || labels[key] === own[key])
}

function isSpread(pod: Pod, node: Node, cluster: NaiveCluster): boolean {
  const constraints = (pod.spec?.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule',
  )
  return constraints.every((constraint) => keepsSkew(constraint, constraints, pod, node, cluster))
}

function keepsSkew(
  constraint: TopologySpreadConstraint,
  all: readonly TopologySpreadConstraint[],
  pod: Pod,
  node: Node,
  cluster: NaiveCluster,
): boolean {
  const { topologyKey, labelSelector, matchLabelKeys = [], maxSkew, minDomains = 1 } = constraint
  const domain = labelsOf(node)[topologyKey]
  if (domain === undefined) return false
  const counted = (other: Pod): boolean =>
    other.metadata?.namespace === pod.metadata?.namespace &&
    other.metadata?.deletionTimestamp === undefined &&
    selects(labelSelector, labelsOf(other), matchLabelKeys, labelsOf(pod))
  const eligible = cluster.nodes.filter(
    (each) =>
      all.every((other) => labelsOf(each)[other.topologyKey] !== undefined) &&
      (constraint.nodeAffinityPolicy === 'Ignore' || isWanted(pod, each)) &&
      (constraint.nodeTaintsPolicy !== 'Honor' || toleratesAll(pod, each)),
  )
  const counts = new Map<string, number>()
  for (const each of eligible) {
    const at = labelsOf(each)[topologyKey]!
    counts.set(at, (counts.get(at) ?? 0) + podsOn(each, cluster).filter(counted).length)
  }
  const least = counts.size < minDomains ? 0 : Math.min(...counts.values())
  const itself = selects(labelSelector, labelsOf(pod), matchLabelKeys, labelsOf(pod)) ? 1 : 0
  return (counts.get(domain) ?? 0) + itself - least <= maxSkew
}

/** Whether a term of `owner` speaks of `other`. */
function speaksOf(term: PodAffinityTerm, owner: Pod, other: Pod, { namespaces }: NaiveCluster): boolean {
  const namespace = other.metadata?.namespace ?? ''
  const named = term.namespaces ?? []
  const own = named.length === 0 && term.namespaceSelector === undefined
  const inNamespace =
    (own ? namespace === owner.metadata?.namespace : named.includes(namespace)) ||
    (term.namespaceSelector !== undefined &&
      labelMatcherOf(term.namespaceSelector).matches(namespaces[namespace] ?? {}))
  return inNamespace && selects(term.labelSelector, labelsOf(other), term.matchLabelKeys ?? [], labelsOf(owner))
}

/** Pods that stand on nodes of the same domain. */
function neighbours(node: Node, topologyKey: string, cluster: NaiveCluster): readonly Pod[] {
  const domain = labelsOf(node)[topologyKey]
  if (domain === undefined) return []
  return cluster.nodes.filter((each) => labelsOf(each)[topologyKey] === domain).flatMap((each) => podsOn(each, cluster))
}

function isNear(pod: Pod, node: Node, cluster: NaiveCluster): boolean {
  const terms = pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  if (terms.some(({ topologyKey }) => labelsOf(node)[topologyKey] === undefined)) return false
  const isMeant = (other: Pod): boolean => terms.every((term) => speaksOf(term, pod, other, cluster))
  if (terms.every(({ topologyKey }) => neighbours(node, topologyKey, cluster).some(isMeant))) return true
  const isAnywhere = terms.some(({ topologyKey }) =>
    cluster.nodes.some((each) => neighbours(each, topologyKey, cluster).some(isMeant)),
  )
  return !isAnywhere && isMeant(pod)
}

function antiTerms(pod: Pod): readonly PodAffinityTerm[] {
  return pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
}

function isApart(pod: Pod, node: Node, cluster: NaiveCluster): boolean {
  const minds = (owner: Pod, term: PodAffinityTerm, other: Pod): boolean => speaksOf(term, owner, other, cluster)
  const isFree = antiTerms(pod).every(
    (term) => !neighbours(node, term.topologyKey, cluster).some((other) => minds(pod, term, other)),
  )
  const keys = new Set(cluster.pods.flatMap(({ pod: other }) => antiTerms(other).map(({ topologyKey }) => topologyKey)))
  return (
    isFree &&
    [...keys].every((key) =>
      neighbours(node, key, cluster).every((other) =>
        antiTerms(other).every((term) => term.topologyKey !== key || !minds(other, term, pod)),
      ),
    )
  )
}
