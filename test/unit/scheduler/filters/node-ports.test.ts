import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ContainerPort } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { nodeName } from '../../../../src/controlplane/scheduler/filters/node-name.ts'
import { nodePorts } from '../../../../src/controlplane/scheduler/filters/node-ports.ts'
import { node, type PodSettings, place, podInfo } from '../objects.ts'
import { refusals } from './refusals.ts'

type Port = Omit<ContainerPort, 'containerPort'>
const withPorts = (...ports: readonly Port[]): PodSettings => ({
  spec: { containers: [{ name: 'main', ports: ports.map((port) => ({ containerPort: 80, ...port })) }] },
})

const rows: readonly {
  readonly name: string
  readonly taken: Port
  readonly wanted: Port
  readonly passes: boolean
}[] = [
  { name: 'another port', taken: { hostPort: 80 }, wanted: { hostPort: 81 }, passes: true },
  { name: 'the same port', taken: { hostPort: 80 }, wanted: { hostPort: 80 }, passes: false },
  { name: 'another protocol', taken: { hostPort: 80 }, wanted: { hostPort: 80, protocol: 'UDP' }, passes: true },
  { name: 'TCP is what is meant', taken: { hostPort: 80 }, wanted: { hostPort: 80, protocol: 'TCP' }, passes: false },
  {
    name: 'another address',
    taken: { hostPort: 80, hostIP: '127.0.0.1' },
    wanted: { hostPort: 80, hostIP: '127.0.0.2' },
    passes: true,
  },
  {
    name: 'one address where all are taken',
    taken: { hostPort: 80, hostIP: '0.0.0.0' },
    wanted: { hostPort: 80, hostIP: '127.0.0.2' },
    passes: false,
  },
  {
    name: 'all addresses where one is taken',
    taken: { hostPort: 80, hostIP: '127.0.0.1' },
    wanted: { hostPort: 80 },
    passes: false,
  },
  { name: 'a port of the container alone', taken: { hostPort: 80 }, wanted: {}, passes: true },
]

describe('NodePorts', () => {
  for (const { name, taken, wanted, passes } of rows) {
    test(name, () => {
      const state = new ClusterState()
      state.setNode(node('one'))
      place(state, { one: [podInfo('old', withPorts(taken))] })
      assert.deepEqual(
        refusals(nodePorts, podInfo('new', withPorts(wanted)), state),
        passes ? {} : { one: ["node(s) didn't have free ports for the requested pod ports"] },
      )
    })
  }

  test('a port is free when the last that held it is gone', () => {
    const state = new ClusterState()
    state.setNode(node('one'))
    place(state, {
      one: [
        podInfo('a', withPorts({ hostPort: 80, hostIP: '127.0.0.1' }, { hostPort: 80, hostIP: '127.0.0.2' })),
        podInfo('b', withPorts({ hostPort: 80, hostIP: '127.0.0.1' })),
      ],
    })
    const passes = (): boolean => !('one' in refusals(nodePorts, podInfo('new', withPorts({ hostPort: 80 })), state))
    state.removePod('default/a')
    assert.equal(passes(), false)
    state.removePod('default/b')
    assert.equal(passes(), true)
  })

  test('ports of sidecars count, those of init containers that end do not', () => {
    const state = new ClusterState()
    state.setNode(node('one'))
    const ports = (hostPort: number) => [{ containerPort: hostPort, hostPort }]
    const initContainers = [
      { name: 'sidecar', restartPolicy: 'Always', ports: ports(80) },
      { name: 'init', ports: ports(81) },
    ]
    place(state, { one: [podInfo('old', { spec: { initContainers } })] })
    assert.ok('one' in refusals(nodePorts, podInfo('new', withPorts({ hostPort: 80 })), state))
    assert.ok(!('one' in refusals(nodePorts, podInfo('new', withPorts({ hostPort: 81 })), state)))
  })
})

describe('NodeName', () => {
  test('a pod that names a node goes nowhere else', () => {
    const state = new ClusterState()
    state.setNode(node('one'))
    state.setNode(node('two'))
    assert.deepEqual(refusals(nodeName, podInfo('new', { spec: { nodeName: 'two' } }), state), {
      one: ["node(s) didn't match the requested node name"],
    })
    assert.deepEqual(refusals(nodeName, podInfo('new'), state), {})
  })
})
