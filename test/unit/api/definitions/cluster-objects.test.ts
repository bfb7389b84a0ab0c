import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEASE } from '../../../../src/api/definitions/lease.ts'
import { NAMESPACE } from '../../../../src/api/definitions/namespace.ts'
import { NODE } from '../../../../src/api/definitions/node/definition.ts'
import type { Draft } from '../../../../src/api/object.ts'
import type { Node } from '../../../../src/api/types/core-v1.gen.ts'
import { create, created, row, update } from './strategies.ts'

describe('Namespace', () => {
  const active = created(NAMESPACE, { metadata: { name: 'shop' } })

  test('it is active, labelled with its name and kept until it is empty', () =>
    assert.deepEqual(active, {
      metadata: { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    }))

  test('own finalizers stay beside', () => {
    const { object, errors } = create(NAMESPACE, { metadata: { name: 'a' }, spec: { finalizers: ['a.b/c'] } })
    assert.deepEqual(object.spec!.finalizers, ['a.b/c', 'kubernetes'])
    assert.deepEqual(errors, [])
  })

  test('a finalizer that nobody owns is refused', () =>
    assert.deepEqual(create(NAMESPACE, { metadata: { name: 'a' }, spec: { finalizers: ['mine'] } }).errors, [
      'spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ]))

  test('neither spec nor status change by an update', () => {
    const { object } = update(NAMESPACE, active, (draft) => {
      draft.spec = {}
      draft.status = { phase: 'Terminating' }
    })
    assert.deepEqual([object.spec, object.status], [active.spec, active.status])
  })

  test('it does not go away by its status', () =>
    assert.deepEqual(
      update(
        NAMESPACE,
        active,
        (draft) => {
          draft.status = { phase: 'Terminating' }
        },
        'status',
      ).errors,
      ['status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty'],
    ))
})

describe('Node', () => {
  const node = (change: Partial<Draft<Node>> = {}): Draft<Node> => ({ metadata: { name: 'n1' }, ...change })

  for (const { name, given, want } of [
    { name: 'a good one', given: node({ spec: { podCIDR: '127.70.129.0/24' } }), want: [] },
    {
      name: 'one taint twice',
      given: node({
        spec: {
          taints: [
            { key: 'a', effect: 'NoSchedule' },
            { key: 'a', value: 'b', effect: 'NoSchedule' },
          ],
        },
      }),
      want: [
        'spec.taints[1]: Duplicate value: {"key":"a","value":"b","effect":"NoSchedule"}: taints must be unique by key and effect pair',
      ],
    },
    {
      name: 'an effect that is none',
      given: node({ spec: { taints: [{ key: 'a', effect: 'Never' }] } }),
      want: [
        'spec.taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"',
      ],
    },
    {
      name: 'a range that is none',
      given: node({ spec: { podCIDR: '127.70.129.0' } }),
      want: [
        'spec.podCIDRs[0]: Invalid value: "127.70.129.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    },
    {
      name: 'capacity below zero',
      given: node({ status: { capacity: { cpu: '-1' }, allocatable: {} } }),
      want: ['status.capacity[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    },
  ])
    test(name, () => assert.deepEqual(create(NODE, given).errors, want))

  const registered = created(
    NODE,
    node({ spec: { podCIDR: '127.70.129.0/24' }, status: { capacity: { cpu: '2' }, addresses: [] } }),
  )

  test('it registers with its status; what is not reserved can be given out', () =>
    assert.deepEqual(registered.status!.allocatable, { cpu: '2' }))

  test('its pod range may not change', () =>
    assert.deepEqual(
      update(NODE, registered, (draft) => {
        draft.spec!.podCIDR = '127.70.130.0/24'
        draft.spec!.podCIDRs = ['127.70.130.0/24']
      }).errors,
      ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ))

  // CVE-2022-3294: whoever dials nodes must not be led to itself.
  test('an address of somebody else is refused', () => {
    const addresses = ['127.0.0.1', '169.254.169.254'].map((address) => ({ type: 'InternalIP', address }))
    const { errors } = update(
      NODE,
      registered,
      (draft) => {
        draft.status!.addresses = addresses
      },
      'status',
    )
    assert.deepEqual(errors, [
      'status.addresses[0].address: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'status.addresses[1].address: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ])
  })

  test('through the status the spec does not change', () => {
    const { object, errors } = update(
      NODE,
      registered,
      (draft) => {
        draft.spec!.unschedulable = true
        draft.status!.addresses = [{ type: 'InternalIP', address: '127.70.0.1' }]
      },
      'status',
    )
    assert.deepEqual(errors, [])
    assert.equal(object.spec!.unschedulable, undefined)
  })

  test('columns', () => {
    const cells = row(NODE, {
      metadata: { name: 'n', labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'control-plane' } },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '127.70.0.1' }],
        nodeInfo: { kubeletVersion: 'v1.36.0', osImage: '' } as never,
      },
    })
    assert.deepEqual(
      [cells.Status, cells.Roles, cells.Version, cells['Internal-IP'], cells['External-IP'], cells['OS-Image']],
      ['Ready,SchedulingDisabled', 'control-plane,worker', 'v1.36.0', '127.70.0.1', '<none>', '<unknown>'],
    )
    assert.equal(row(NODE, node({ status: {} }) as Node).Status, 'Unknown')
    const lost: Node = { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }
    assert.equal(row(NODE, lost).Status, 'NotReady')
    assert.equal(NODE.selectableFields['spec.unschedulable']!({}), 'false')
  })
})

describe('Lease', () => {
  for (const { name, given, want } of [
    { name: 'a good one', given: { holderIdentity: 'a', leaseDurationSeconds: 40 }, want: [] },
    {
      name: 'no time at all',
      given: { leaseDurationSeconds: 0 },
      want: ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
    },
    {
      name: 'taken less than never',
      given: { leaseTransitions: -1 },
      want: ['spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0'],
    },
  ])
    test(name, () => assert.deepEqual(create(LEASE, { spec: given }).errors, want))
})
