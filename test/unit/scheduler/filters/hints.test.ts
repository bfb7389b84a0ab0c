import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Affinity, Node } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import type { ClusterEvent } from '../../../../src/controlplane/scheduler/cluster-event.ts'
import { FILTERS } from '../../../../src/controlplane/scheduler/filters/all-filters.ts'
import { node, place, podInfo, ZONE } from '../objects.ts'

const labels = { app: 'web' }
const db: Affinity = {
  podAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { topologyKey: ZONE, labelSelector: { matchLabels: { app: 'db' } } },
    ],
  },
}
const noDb: Affinity = { podAntiAffinity: db.podAffinity! }
const spread = [
  {
    maxSkew: 1,
    topologyKey: ZONE,
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: labels },
  },
]

/** What happens, given a state in which it already has. */
type Happening = (state: ClusterState) => ClusterEvent

function nodeEvent(after: Node, before?: Node): Happening {
  return (state) => ({ kind: 'nodeChanged', node: state.setNode(after), previous: before })
}
function added(pod: PodInfo, on = 'one'): Happening {
  return (state) => {
    state.setPod(pod, on)
    return { kind: 'podAdded', pod, node: state.node(on)! }
  }
}
function removed(pod: PodInfo, on = 'one'): Happening {
  return (state) => ({ kind: 'podRemoved', pod, node: state.node(on)! })
}
function changed(pod: PodInfo, previous: PodInfo): Happening {
  return (state) => {
    state.setPod(pod, 'one')
    return { kind: 'podChanged', pod, previous, node: state.node('one')! }
  }
}

const zoned = (zone: string, parts: Parameters<typeof node>[1] = {}): Node =>
  node('one', { ...parts, labels: { [ZONE]: zone, ...parts.labels } })
const taint = { key: 'dedicated', effect: 'NoSchedule' }
const small = podInfo('small', { labels, requests: { cpu: '1' } })
const port = (hostPort: number): PodInfo =>
  podInfo(`port-${hostPort}`, { spec: { containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort }] }] } })
const withAffinity = (affinity: Affinity): PodInfo => podInfo('new', { labels, spec: { affinity } })
const spreading = podInfo('new', { labels, spec: { topologySpreadConstraints: spread } })

interface Row {
  readonly filter: string
  readonly name: string
  readonly waits: PodInfo
  /** Pods that stand on node `one`. */
  readonly standing?: readonly PodInfo[]
  readonly happens: Happening
  readonly wakes: boolean
}

const rows: readonly Row[] = [
  { filter: 'NodeResourcesFit', name: 'a node with room', waits: small, happens: nodeEvent(node('one')), wakes: true },
  {
    filter: 'NodeResourcesFit',
    name: 'a node without room',
    waits: small,
    happens: nodeEvent(node('one', { allocatable: { cpu: '500m', memory: '1Gi', pods: '10' } })),
    wakes: false,
  },
  { filter: 'NodeResourcesFit', name: 'a pod leaves room', waits: small, happens: removed(podInfo('a')), wakes: true },
  {
    filter: 'NodeResourcesFit',
    name: 'a pod leaves too little room',
    waits: small,
    standing: [podInfo('b', { requests: { cpu: '3500m' } })],
    happens: removed(podInfo('a')),
    wakes: false,
  },
  {
    filter: 'NodeResourcesFit',
    name: 'a pod leaves too little room, but what is left there is less important',
    waits: podInfo('new', { requests: { cpu: '1' }, spec: { priority: 1 } }),
    standing: [podInfo('b', { requests: { cpu: '3500m' } })],
    happens: removed(podInfo('a')),
    wakes: true,
  },
  {
    filter: 'NodeResourcesFit',
    name: 'a pod leaves a node that is too small even when empty',
    waits: podInfo('new', { requests: { cpu: '5' }, spec: { priority: 1 } }),
    standing: [podInfo('b')],
    happens: removed(podInfo('a')),
    wakes: false,
  },
  { filter: 'NodeResourcesFit', name: 'a pod comes', waits: small, happens: added(podInfo('a')), wakes: false },
  {
    filter: 'NodeResourcesFit',
    name: 'a pod was resized',
    waits: small,
    happens: changed(podInfo('a'), podInfo('a', { requests: { cpu: '4' } })),
    wakes: true,
  },
  {
    filter: 'NodeResourcesFit',
    name: 'a pod begins to end',
    waits: podInfo('new', { requests: { cpu: '1' }, spec: { priority: 1 } }),
    happens: changed(podInfo('a', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), podInfo('a')),
    wakes: false,
  },
  { filter: 'NodePorts', name: 'the port is left', waits: port(80), happens: removed(port(80)), wakes: true },
  { filter: 'NodePorts', name: 'another port is left', waits: port(80), happens: removed(port(81)), wakes: false },
  { filter: 'NodePorts', name: 'a new node', waits: port(80), happens: nodeEvent(node('two')), wakes: true },
  {
    filter: 'NodeUnschedulable',
    name: 'a node is uncordoned',
    waits: small,
    happens: nodeEvent(node('one'), node('one', { spec: { unschedulable: true } })),
    wakes: true,
  },
  {
    filter: 'NodeUnschedulable',
    name: 'a node that was never cordoned changes',
    waits: small,
    happens: nodeEvent(node('one', { labels: { a: 'b' } }), node('one')),
    wakes: false,
  },
  {
    filter: 'TaintToleration',
    name: 'a taint is taken off',
    waits: small,
    happens: nodeEvent(node('one'), node('one', { spec: { taints: [taint] } })),
    wakes: true,
  },
  {
    filter: 'TaintToleration',
    name: 'a tainted node comes',
    waits: small,
    happens: nodeEvent(node('two', { spec: { taints: [taint] } })),
    wakes: false,
  },
  {
    filter: 'NodeAffinity',
    name: 'a node gets the label',
    waits: podInfo('new', { spec: { nodeSelector: { disk: 'ssd' } } }),
    happens: nodeEvent(node('one', { labels: { disk: 'ssd' } }), node('one')),
    wakes: true,
  },
  {
    filter: 'NodeAffinity',
    name: 'a node that had the label already changes',
    waits: podInfo('new', { spec: { nodeSelector: { disk: 'ssd' } } }),
    happens: nodeEvent(node('one', { labels: { disk: 'ssd', a: 'b' } }), node('one', { labels: { disk: 'ssd' } })),
    wakes: false,
  },
  {
    filter: 'InterPodAffinity',
    name: 'the pod to be near to comes',
    waits: withAffinity(db),
    happens: added(podInfo('db', { labels: { app: 'db' } })),
    wakes: true,
  },
  {
    filter: 'InterPodAffinity',
    name: 'another pod comes',
    waits: withAffinity(db),
    happens: added(podInfo('api', { labels: { app: 'api' } })),
    wakes: false,
  },
  {
    filter: 'InterPodAffinity',
    name: 'the pod to stay away from leaves',
    waits: withAffinity(noDb),
    happens: removed(podInfo('db', { labels: { app: 'db' } })),
    wakes: true,
  },
  {
    filter: 'InterPodAffinity',
    name: 'the only one of its kind leaves, which was where nobody can follow',
    waits: podInfo('db-2', { labels: { app: 'db' }, spec: { affinity: db } }),
    happens: removed(podInfo('db-1', { labels: { app: 'db' } })),
    wakes: true,
  },
  {
    filter: 'InterPodAffinity',
    name: 'a pod that keeps it away leaves',
    waits: podInfo('db', { labels: { app: 'db' } }),
    happens: removed(podInfo('other', { spec: { affinity: noDb } })),
    wakes: true,
  },
  {
    filter: 'InterPodAffinity',
    name: 'a pod is relabelled to be the one to be near to',
    waits: withAffinity(db),
    happens: changed(podInfo('db', { labels: { app: 'db' } }), podInfo('db')),
    wakes: true,
  },
  {
    filter: 'InterPodAffinity',
    name: 'a node moves to another zone',
    waits: withAffinity(db),
    happens: nodeEvent(zoned('zone-2'), zoned('zone-1')),
    wakes: true,
  },
  {
    filter: 'InterPodAffinity',
    name: 'a node gets more room',
    waits: withAffinity(db),
    happens: nodeEvent(zoned('zone-1', { allocatable: { cpu: '8' } }), zoned('zone-1')),
    wakes: false,
  },
  {
    filter: 'InterPodAffinity',
    name: 'a namespace gets other labels',
    waits: withAffinity(db),
    happens: () => ({ kind: 'namespaceChanged', name: 'default' }),
    wakes: true,
  },
  {
    filter: 'PodTopologySpread',
    name: 'a pod that counts comes elsewhere',
    waits: spreading,
    happens: added(podInfo('a', { labels })),
    wakes: true,
  },
  {
    filter: 'PodTopologySpread',
    name: 'a pod that does not count comes',
    waits: spreading,
    happens: added(podInfo('a')),
    wakes: false,
  },
  {
    filter: 'PodTopologySpread',
    name: 'a pod of another namespace leaves',
    waits: spreading,
    happens: removed(podInfo('a', { labels, namespace: 'other' })),
    wakes: false,
  },
  {
    filter: 'PodTopologySpread',
    name: 'an empty domain is gone',
    waits: spreading,
    happens: () => ({ kind: 'nodeRemoved', name: 'two' }),
    wakes: true,
  },
  {
    filter: 'PodTopologySpread',
    name: 'a node gets more room',
    waits: spreading,
    happens: nodeEvent(zoned('zone-1', { allocatable: { cpu: '8' } }), zoned('zone-1')),
    wakes: false,
  },
]

describe('queueing hints', () => {
  for (const { filter, name, waits, standing = [], happens, wakes } of rows) {
    test(`${filter}: ${name}`, () => {
      const state = new ClusterState()
      state.setNode(node('one'))
      place(state, { one: standing })
      const event = happens(state)
      const hint = FILTERS.find((each) => each.name === filter)!.hints[event.kind] as
        | ((event: ClusterEvent, pod: PodInfo, state: ClusterState) => boolean)
        | undefined
      assert.equal(hint?.(event, waits, state) ?? false, wakes)
    })
  }
})
