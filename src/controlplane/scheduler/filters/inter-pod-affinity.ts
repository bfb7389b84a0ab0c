import type { ClusterState } from '../cluster/cluster-state.ts'
import { labelOf } from '../cluster/label-of.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { type Filter, type NodeCheck, refusal } from './filter.ts'

const NO_AFFINITY = refusal("node(s) didn't match pod affinity rules", false)
const ANTI_AFFINITY = refusal("node(s) didn't match pod anti-affinity rules", true)
const THEIR_ANTI_AFFINITY = refusal("node(s) didn't satisfy existing pods anti-affinity rules", true)

/** The values that a topology key has on these nodes. */
function domainsOf(nodes: Iterable<NodeInfo>, topologyKey: string): ReadonlySet<string> {
  const domains = new Set<string>()
  for (const node of nodes) {
    const domain = labelOf(node.labels, topologyKey)
    if (domain !== undefined) domains.add(domain)
  }
  return domains
}

type Domains = readonly (readonly [topologyKey: string, domains: ReadonlySet<string>])[]

function isIn(node: NodeInfo, [topologyKey, domains]: Domains[number]): boolean {
  const domain = labelOf(node.labels, topologyKey)
  return domain !== undefined && domains.has(domain)
}

/** Where the pods are that the pod must be near to. A pod that all its terms speak of may be the first of its kind. */
function affinityCheck(pod: PodInfo, state: ClusterState): NodeCheck {
  const { requiredTerms } = pod
  const near = state.countMatching(requiredTerms)
  const wanted: Domains = requiredTerms.map(({ topologyKey }) => [topologyKey, domainsOf(near.keys(), topologyKey)])
  const isFirst =
    wanted.every(([, domains]) => domains.size === 0) && requiredTerms.every((term) => state.matches(term, pod))
  return (node) => {
    for (const want of wanted) {
      if (isFirst ? !Object.hasOwn(node.labels, want[0]) : !isIn(node, want)) return NO_AFFINITY
    }
    return undefined
  }
}

/** Required pod affinity and anti-affinity, the pod's own and that of the pods which stand already. */
export const interPodAffinity: Filter = {
  name: 'InterPodAffinity',
  prepare(pod, state) {
    const near = pod.requiredTerms.length === 0 ? undefined : affinityCheck(pod, state)
    const avoided: Domains = pod.requiredAntiTerms
      .map((term) => [term.topologyKey, domainsOf(state.countMatching([term]).keys(), term.topologyKey)] as const)
      .filter(([, domains]) => domains.size > 0)
    const guarded: (readonly [string, ReadonlySet<string>])[] = []
    for (const { term, counts } of state.standing.requiredAnti.values()) {
      if (state.matches(term, pod)) guarded.push([term.topologyKey, domainsOf(counts.keys(), term.topologyKey)])
    }
    if (near === undefined && avoided.length === 0 && guarded.length === 0) return undefined
    return (node) => {
      const refused = near?.(node)
      if (refused !== undefined) return refused
      for (const avoid of avoided) if (isIn(node, avoid)) return ANTI_AFFINITY
      for (const guard of guarded) if (isIn(node, guard)) return THEIR_ANTI_AFFINITY
      return undefined
    }
  },
  helps(event, pod, state) {
    const isWanted = (other: PodInfo): boolean => pod.requiredTerms.some((term) => state.matches(term, other))
    const isInTheWay = (other: PodInfo): boolean =>
      pod.requiredAntiTerms.some((term) => state.matches(term, other)) ||
      other.requiredAntiTerms.some((term) => state.matches(term, pod))
    switch (event.kind) {
      case 'podAdded':
        return isWanted(event.pod)
      case 'podRemoved':
        return isInTheWay(event.pod)
      case 'podChanged':
        return isWanted(event.pod) || isInTheWay(event.previous)
      case 'nodeChanged':
      case 'namespaceChanged':
        return true
      default:
        return false
    }
  },
}
