import fc from 'fast-check'
import type { Node, Pod } from '../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podInfoOf } from '../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { arbitraryNode, arbitraryPod, NAMESPACES, namespaceLabels, nodeName } from './arbitrary-cluster.ts'
import type { NaiveCluster } from './naive-fit.ts'
import type { Labels } from './objects.ts'

export type Step =
  | { readonly kind: 'setNode'; readonly node: Node }
  | { readonly kind: 'removeNode'; readonly name: string }
  | { readonly kind: 'setPod'; readonly pod: Pod; readonly on: string }
  | { readonly kind: 'removePod'; readonly pod: Pod }
  | { readonly kind: 'setNamespace'; readonly name: string; readonly labels: Labels | undefined }
  /** Questions are asked, whose answers have to be kept up to date from then on. */
  | { readonly kind: 'ask' }

export const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: arbitraryNode.map((node) => ({ kind: 'setNode' as const, node })) },
  { weight: 1, arbitrary: nodeName.map((name) => ({ kind: 'removeNode' as const, name })) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('setPod' as const), pod: arbitraryPod, on: nodeName }) },
  { weight: 2, arbitrary: arbitraryPod.map((pod) => ({ kind: 'removePod' as const, pod })) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('setNamespace' as const),
      name: fc.constantFrom(...NAMESPACES),
      labels: fc.option(namespaceLabels, { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'ask' as const }) },
)

const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`

/** Lets a state live through all steps; gives it with what should be in it. */
export function live(
  steps: readonly Step[],
  ask: (state: ClusterState) => void,
): { readonly state: ClusterState; readonly cluster: NaiveCluster } {
  const state = new ClusterState()
  const nodes = new Map<string, Node>()
  const pods = new Map<string, { readonly pod: Pod; readonly nodeName: string }>()
  const namespaces = new Map<string, Labels>()
  for (const step of steps) {
    switch (step.kind) {
      case 'setNode':
        state.setNode(step.node)
        nodes.set(step.node.metadata?.name ?? '', step.node)
        break
      case 'removeNode':
        state.removeNode(step.name)
        nodes.delete(step.name)
        break
      case 'setPod':
        state.setPod(podInfoOf(step.pod), step.on)
        pods.set(keyOf(step.pod), { pod: step.pod, nodeName: step.on })
        break
      case 'removePod':
        state.removePod(keyOf(step.pod))
        pods.delete(keyOf(step.pod))
        break
      case 'setNamespace':
        state.setNamespace(step.name, step.labels)
        if (step.labels === undefined) namespaces.delete(step.name)
        else namespaces.set(step.name, step.labels)
        break
      case 'ask':
        ask(state)
    }
  }
  const cluster = { nodes: [...nodes.values()], pods: [...pods.values()], namespaces: Object.fromEntries(namespaces) }
  return { state, cluster }
}
