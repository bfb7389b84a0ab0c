import type { PodAffinityTerm } from '../../../../src/api/types/core-v1.gen.ts'
import type { LabelSelector } from '../../../../src/api/types/meta-v1.gen.ts'
import type { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podInfoOf } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { podSelectorOf } from '../../../../src/controlplane/scheduler/cluster/pod-selector.ts'
import type { PodTally } from '../../../../src/controlplane/scheduler/cluster/pod-tally.ts'
import type { PodTerm } from '../../../../src/controlplane/scheduler/cluster/pod-term.ts'
import type { StandingTermSet } from '../../../../src/controlplane/scheduler/cluster/standing-terms.ts'
import { KEYS, NAMESPACES } from '../arbitrary-cluster.ts'
import { pod } from '../objects.ts'

const SELECTORS: readonly (LabelSelector | undefined)[] = [
  undefined,
  {},
  { matchLabels: { app: 'web' } },
  { matchLabels: { app: 'db', version: '1' } },
  { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
]

function sorted<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Terms that ask about pods in every way there is. */
function terms(): readonly PodTerm[] {
  const scopes: readonly Partial<PodAffinityTerm>[] = [
    {},
    { namespaces: ['blue'] },
    { namespaceSelector: { matchLabels: { team: 'one' } } },
  ]
  const required = SELECTORS.flatMap((labelSelector) =>
    scopes.map(
      (scope): PodAffinityTerm => ({
        topologyKey: KEYS[0],
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...scope,
      }),
    ),
  )
  const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } }
  return podInfoOf(pod('asker', { namespace: 'red', spec: { affinity } })).requiredTerms
}
const TERMS = terms()

function tallySummary(tally: PodTally, state: ClusterState): unknown {
  const byDomain = KEYS.map((key) => {
    const topology = state.topology(key)
    const counts = tally.byDomain(topology)
    // By node, since domains are numbered as they come.
    return {
      size: counts.size,
      at: sorted(state.nodes.map((node) => [node.name, counts.get(topology.domainOf(node)) ?? 0])),
    }
  })
  return { byNode: sorted([...tally.byNode].map(([{ name }, count]) => [name, count])), byDomain }
}

function standingSummary(set: StandingTermSet, state: ClusterState): unknown {
  return sorted(
    [...set.values()].map(({ term, weight, tally }) => [`${weight} ${term.text}`, tallySummary(tally, state)]),
  )
}

/** All that decisions can read of a state, as plain data that does not depend on how the state came about. */
export function summaryOf(state: ClusterState): unknown {
  const nodes = state.nodes.map(
    (node) =>
      [
        node.name,
        {
          labels: node.labels,
          taints: node.taints,
          has: [node.cpuMilli, node.memoryBytes, node.podCountMax, sorted(node.others)],
          pods: [node.podCount, ...[...node.pods.keys()].sort()],
          requested: [node.requestedCpuMilli, node.requestedMemoryBytes, node.countedCpuMilli, node.countedMemoryBytes],
          others: sorted([...node.requestedOthers].filter(([, amount]) => amount !== 0)),
          ports: [80, 81].map((port) => node.isPortTaken({ ip: '0.0.0.0', protocol: 'TCP', port })),
        },
      ] as const,
  )
  const selected = NAMESPACES.flatMap((namespace) =>
    SELECTORS.map((selector) => tallySummary(state.tallySelected(namespace, podSelectorOf(selector)), state)),
  )
  return {
    nodes: sorted(nodes),
    domains: KEYS.map((key) => state.topology(key).size),
    selected,
    matching: TERMS.map((term) => tallySummary(state.tallyMatching([term]), state)),
    requiredAnti: standingSummary(state.standing.requiredAnti, state),
    scoring: standingSummary(state.standing.scoring, state),
  }
}
