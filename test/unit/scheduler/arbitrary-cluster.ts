import fc from 'fast-check'
import type { Node, NodeSelectorTerm, Pod, PodAffinityTerm } from '../../../src/api/types/core-v1.gen.ts'
import type { LabelSelector } from '../../../src/api/types/meta-v1.gen.ts'
import { ClusterState } from '../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podInfoOf } from '../../../src/controlplane/scheduler/cluster/pod-info.ts'
import type { NaiveCluster } from './naive-fit.ts'
import { HOSTNAME, type Labels, ZONE } from './objects.ts'

/** Few values of everything, so that things meet. */
const NAMES = ['n0', 'n1', 'n2', 'n3', 'n4'] as const
export const NAMESPACES = ['red', 'blue'] as const
const APPS = ['web', 'db'] as const
export const KEYS = [ZONE, HOSTNAME, 'rack'] as const

const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 })
const mostly = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 6 })
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 1, arbitrary }, { weight: 6, arbitrary: fc.constant(undefined) })
/** An object without the fields that are undefined. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never
}

export const nodeName = fc.constantFrom(...NAMES)

export const arbitraryNode: fc.Arbitrary<Node> = fc
  .record({
    name: nodeName,
    zone: mostly(fc.constantFrom('z1', 'z2')),
    rack: mostly(fc.constantFrom('r1', 'r2')),
    cpu: fc.integer({ min: 2, max: 12 }),
    pods: fc.integer({ min: 2, max: 8 }),
    gpu: some(fc.integer({ min: 0, max: 2 })),
    taint: seldom(fc.constantFrom('NoSchedule', 'NoExecute', 'PreferNoSchedule')),
    unschedulable: seldom(fc.constant(true)),
  })
  .map(({ name, zone, rack, cpu, pods, gpu, taint, unschedulable }) => ({
    metadata: { name, labels: defined({ [HOSTNAME]: name, [ZONE]: zone, rack }) as Record<string, string> },
    spec: defined({
      unschedulable,
      taints: taint === undefined ? undefined : [{ key: 'taint', value: 'x', effect: taint }],
    }),
    status: {
      allocatable: defined({
        cpu: `${cpu}`,
        memory: '4Gi',
        pods: `${pods}`,
        'example.com/gpu': gpu === undefined ? undefined : `${gpu}`,
      }) as Record<string, string>,
    },
  }))

const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constantFrom(...APPS).map((app) => ({ matchLabels: { app } })),
  fc.constantFrom(...APPS).map((app) => ({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: [app] }] })),
  fc.constant({ matchExpressions: [{ key: 'app', operator: 'Exists' }] }),
  fc.constant({}),
)

const podTerm: fc.Arbitrary<PodAffinityTerm> = fc
  .record({
    topologyKey: fc.constantFrom(...KEYS),
    labelSelector: mostly(selector),
    namespaces: some(fc.subarray([...NAMESPACES])),
    namespaceSelector: some(fc.constantFrom<LabelSelector>({}, { matchLabels: { team: 'one' } })),
    matchLabelKeys: some(fc.constant(['version'])),
  })
  .map((term) => defined(term))

const nodeTerm: fc.Arbitrary<NodeSelectorTerm> = fc.oneof(
  fc.record({
    matchExpressions: fc.array(
      fc.record({
        key: fc.constantFrom(ZONE, 'rack'),
        operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
        values: fc.subarray(['z1', 'r2'], { minLength: 1 }),
      }),
      { maxLength: 2 },
    ),
  }),
  fc.record({
    matchFields: fc.array(
      fc.record({
        key: fc.constant('metadata.name'),
        operator: fc.constantFrom('In', 'NotIn'),
        values: nodeName.map((name) => [name]),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  }),
)

const spreadConstraint = fc
  .record({
    topologyKey: fc.constantFrom(...KEYS),
    maxSkew: fc.integer({ min: 1, max: 2 }),
    whenUnsatisfiable: fc.constantFrom('DoNotSchedule', 'DoNotSchedule', 'ScheduleAnyway'),
    labelSelector: selector,
    minDomains: some(fc.integer({ min: 1, max: 3 })),
    nodeAffinityPolicy: some(fc.constantFrom('Honor', 'Ignore')),
    nodeTaintsPolicy: some(fc.constantFrom('Honor', 'Ignore')),
    matchLabelKeys: some(fc.constant(['version'])),
  })
  .map((constraint) => defined(constraint))

export const arbitraryPod: fc.Arbitrary<Pod> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.integer({ min: 0, max: 9 }).map((i) => `p${i}`),
    app: mostly(fc.constantFrom(...APPS)),
    version: some(fc.constantFrom('1', '2')),
    cpu: fc.integer({ min: 0, max: 3 }),
    gpu: seldom(fc.integer({ min: 0, max: 2 })),
    hostPort: seldom(fc.constantFrom(80, 81)),
    priority: fc.integer({ min: 0, max: 3 }),
    tolerates: seldom(fc.constantFrom('taint', 'node.kubernetes.io/unschedulable', undefined)),
    nodeSelector: seldom(fc.constantFrom({ [ZONE]: 'z1' }, { rack: 'r1' })),
    nodeTerms: seldom(fc.array(nodeTerm, { minLength: 1, maxLength: 2 })),
    near: seldom(fc.array(podTerm, { minLength: 1, maxLength: 2 })),
    apart: some(fc.array(podTerm, { maxLength: 2 })),
    spread: some(fc.array(spreadConstraint, { minLength: 1, maxLength: 2 })),
    isEnding: seldom(fc.constant('2026-01-01T00:00:00Z')),
  })
  .map((parts) => {
    const { namespace, name, app, version, cpu, gpu, hostPort, priority, tolerates, isEnding } = parts
    const requests = defined({ cpu: `${cpu}`, 'example.com/gpu': gpu === undefined ? undefined : `${gpu}` })
    const ports = hostPort === undefined ? undefined : [{ containerPort: hostPort, hostPort }]
    const required = <T>(value: T) => ({ requiredDuringSchedulingIgnoredDuringExecution: value })
    return {
      metadata: defined({
        namespace,
        name,
        uid: `${namespace}/${name}`,
        labels: defined({ app, version }) as Record<string, string>,
        deletionTimestamp: isEnding,
      }),
      spec: defined({
        priority,
        containers: [defined({ name: 'main', resources: { requests: requests as Record<string, string> }, ports })],
        tolerations: tolerates === undefined ? undefined : [{ key: tolerates, operator: 'Exists' }],
        nodeSelector: parts.nodeSelector as Record<string, string> | undefined,
        topologySpreadConstraints: parts.spread,
        affinity: defined({
          nodeAffinity: parts.nodeTerms === undefined ? undefined : required({ nodeSelectorTerms: parts.nodeTerms }),
          podAffinity: parts.near === undefined ? undefined : required(parts.near),
          podAntiAffinity: parts.apart === undefined ? undefined : required(parts.apart),
        }),
      }),
    }
  })

export const namespaceLabels: fc.Arbitrary<Labels> = fc.constantFrom<Labels>({}, { team: 'one' }, { team: 'two' })

export const arbitraryCluster: fc.Arbitrary<NaiveCluster> = fc
  .record({
    nodes: fc.uniqueArray(arbitraryNode, { minLength: 1, maxLength: 5, selector: ({ metadata }) => metadata?.name }),
    pods: fc.uniqueArray(fc.record({ pod: arbitraryPod, nodeName }), {
      maxLength: 12,
      size: 'max',
      selector: ({ pod }) => `${pod.metadata?.namespace}/${pod.metadata?.name}`,
    }),
    red: namespaceLabels,
    blue: namespaceLabels,
  })
  .map(({ nodes, pods, red, blue }) => ({ nodes, pods, namespaces: { red, blue } }))

export function stateOf({ nodes, pods, namespaces }: NaiveCluster): ClusterState {
  const state = new ClusterState()
  for (const [name, labels] of Object.entries(namespaces)) state.setNamespace(name, labels)
  for (const node of nodes) state.setNode(node)
  for (const { pod, nodeName: name } of pods) state.setPod(podInfoOf(pod), name)
  return state
}

/** Numbers in [0, 1) that follow from a seed. */
export function randomOf(seed: number): () => number {
  let last = (seed % 2_147_483_646) + 1
  return () => {
    last = (last * 48_271) % 2_147_483_647
    return last / 2_147_483_647
  }
}
