import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { PodTally } from '../cluster/pod-tally.ts'
import { NO_DOMAIN, type TopologyColumn } from '../cluster/topology-column.ts'
import { type Filter, isRelabeled, type NodeCheck, refusal } from './filter.ts'

const NO_AFFINITY = refusal("node(s) didn't match pod affinity rules", false)
const ANTI_AFFINITY = refusal("node(s) didn't match pod anti-affinity rules", true)
const THEIR_ANTI_AFFINITY = refusal("node(s) didn't satisfy existing pods anti-affinity rules", true)

/** A topology, and how many of the pods in question each of its domains holds. */
interface Occupied {
  readonly topology: TopologyColumn
  readonly pods: ReadonlyMap<number, number>
}

function occupied(tally: PodTally, topologyKey: string, state: ClusterState): Occupied {
  const topology = state.topology(topologyKey)
  return { topology, pods: tally.byDomain(topology) }
}

function isIn(node: NodeInfo, { topology, pods }: Occupied): boolean {
  const domain = topology.domainOf(node)
  return domain !== NO_DOMAIN && pods.has(domain)
}

/** Where the pods are that the pod must be near to. A pod that all its terms speak of may be the first of its kind. */
function affinityCheck(pod: PodInfo, state: ClusterState): NodeCheck {
  const { requiredTerms } = pod
  const near = state.tallyMatching(requiredTerms)
  const wanted = requiredTerms.map(({ topologyKey }) => occupied(near, topologyKey, state))
  const isFirst = wanted.every(({ pods }) => pods.size === 0) && speaksOf(pod, pod, state)
  return (node) => {
    for (const want of wanted) {
      if (isFirst ? want.topology.domainOf(node) === NO_DOMAIN : !isIn(node, want)) return NO_AFFINITY
    }
    return undefined
  }
}

/** Whether required affinity of a pod, all of it, speaks of another. */
function speaksOf(pod: PodInfo, other: PodInfo, state: ClusterState): boolean {
  return pod.requiredTerms.length > 0 && pod.requiredTerms.every((term) => state.matches(term, other))
}

function isInTheWay(pod: PodInfo, other: PodInfo, state: ClusterState): boolean {
  return (
    pod.requiredAntiTerms.some((term) => state.matches(term, other)) ||
    other.requiredAntiTerms.some((term) => state.matches(term, pod))
  )
}

/** Required pod affinity and anti-affinity, the pod's own and that of the pods which stand already. */
export const interPodAffinity: Filter = {
  name: 'InterPodAffinity',
  prepare(pod, state) {
    const near = pod.requiredTerms.length === 0 ? undefined : affinityCheck(pod, state)
    const avoided = pod.requiredAntiTerms
      .map((term) => occupied(state.tallyMatching([term]), term.topologyKey, state))
      .filter(({ pods }) => pods.size > 0)
    const guarded: Occupied[] = []
    state.standing.requiredAnti.visit(pod.buckets, ({ term, tally }) => {
      if (state.matches(term, pod)) guarded.push(occupied(tally, term.topologyKey, state))
    })
    if (near === undefined && avoided.length === 0 && guarded.length === 0) return undefined
    return (node) => {
      const refused = near?.(node)
      if (refused !== undefined) return refused
      for (const avoid of avoided) if (isIn(node, avoid)) return ANTI_AFFINITY
      for (const guard of guarded) if (isIn(node, guard)) return THEIR_ANTI_AFFINITY
      return undefined
    }
  },
  minds: (pod, other, state) => isInTheWay(pod, other, state) || speaksOf(pod, other, state),
  hints: {
    podAdded: (event, pod, state) => speaksOf(pod, event.pod, state),
    // Without the pods it was to be near to, a pod may be the first of its kind.
    podRemoved: (event, pod, state) => isInTheWay(pod, event.pod, state) || speaksOf(pod, event.pod, state),
    podChanged: (event, pod, state) =>
      speaksOf(pod, event.pod, state) || speaksOf(pod, event.previous, state) || isInTheWay(pod, event.previous, state),
    nodeChanged: ({ node, previous }) => isRelabeled(node, previous),
    nodeRemoved: () => true,
    namespaceChanged: () => true,
  },
}
