import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Node, Taint, Toleration } from '../../../src/api/types/core-v1.gen.ts'
import { EvictionTurns } from '../../../src/controlplane/controllers/node-lifecycle/eviction-turns.ts'
import { NodeCensus } from '../../../src/controlplane/controllers/node-lifecycle/node-census.ts'
import { type Eviction, wantedTaints } from '../../../src/controlplane/controllers/node-lifecycle/node-taints.ts'
import {
  type NodeHealth,
  noteSigns,
  planNodeHealth,
} from '../../../src/controlplane/controllers/node-lifecycle/plan-node-health.ts'
import {
  planTaintEviction,
  stayLimitSeconds,
} from '../../../src/controlplane/controllers/node-lifecycle/plan-taint-eviction.ts'
import { evictionRate, zoneOf, zoneState } from '../../../src/controlplane/controllers/node-lifecycle/zone-state.ts'
import { ago, frozen, NOW, node, pod, shuffled } from './objects.ts'

const CONFIG = { graceMs: 40_000, startupGraceMs: 60_000 }

function lease(renewTime: string) {
  return { metadata: { namespace: 'kube-node-lease', name: 'n', uid: 'l' }, spec: { renewTime } }
}

describe('the health of a node', () => {
  const alive = node('n', 'True')
  const look = (at: number, one: Node, renewed: string | undefined, before: NodeHealth | undefined) =>
    planNodeHealth(frozen(one), renewed === undefined ? undefined : lease(renewed), before, CONFIG, {
      now: NOW + at,
      monotonic: at,
    })

  test('a node is given its grace period from the first look on', () => {
    const first = look(0, alive, ago(999), undefined)
    assert.equal(first.conditions, undefined)
    assert.equal(first.recheckAt, 40_000)
    assert.equal(look(39_999, alive, ago(999), first.health).conditions, undefined)
    assert.notEqual(look(40_000, alive, ago(999), first.health).conditions, undefined)
  })
  test('a renewed lease is a sign of life, whatever its clock says', () => {
    const first = look(0, alive, ago(5), undefined)
    const second = look(30_000, alive, ago(500), first.health)
    assert.equal(second.recheckAt, 70_000)
  })
  test('so is a heartbeat', () => {
    const first = look(0, alive, ago(5), undefined)
    const beat = { ...alive, status: { conditions: [{ ...alive.status!.conditions![0]!, lastHeartbeatTime: ago(0) }] } }
    assert.equal(look(30_000, beat, ago(5), first.health).recheckAt, 70_000)
  })
  test('signs are timed when they are noted, not when the node is looked at', () => {
    const noted = noteSigns(alive, lease(ago(1)), undefined, 7_000)
    assert.equal(noted.aliveAt, 7_000)
    assert.equal(noteSigns(alive, lease(ago(1)), noted, 9_000), noted)
    assert.equal(look(20_000, alive, ago(1), noted).recheckAt, 47_000)
  })
  test('a silent node is Unknown in all that it used to tell', () => {
    const told = node('n', 'True', {
      status: {
        conditions: [
          { type: 'Ready', status: 'True', lastHeartbeatTime: ago(50) },
          { type: 'MemoryPressure', status: 'False', lastHeartbeatTime: ago(50) },
          { type: 'Custom', status: 'True' },
        ],
      },
    })
    const health = noteSigns(told, undefined, undefined, 0)
    const { conditions } = look(40_000, told, undefined, health)
    const row = (type: string) => {
      const found = conditions?.find((one) => one.type === type)
      return [found?.status, found?.reason, found?.message, found?.lastHeartbeatTime]
    }
    const stopped = ['Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting node status.', ago(50)]
    assert.deepEqual(row('Ready'), stopped)
    assert.deepEqual(row('MemoryPressure'), stopped)
    assert.deepEqual(row('DiskPressure').slice(0, 3), [
      'Unknown',
      'NodeStatusNeverUpdated',
      'Kubelet never posted node status.',
    ])
    assert.deepEqual(row('Custom'), ['True', undefined, undefined, undefined])
    const unknown = { ...told, status: { conditions: conditions! } }
    assert.equal(look(80_000, unknown, undefined, noteSigns(unknown, undefined, undefined, 0)).conditions, undefined)
  })
  test('a node that has never told anything has a minute', () => {
    const fresh = node('n', undefined)
    const { health } = look(0, fresh, undefined, undefined)
    assert.equal(look(59_999, fresh, undefined, health).conditions, undefined)
    const { conditions } = look(60_000, fresh, undefined, health)
    assert.deepEqual(
      conditions?.map(({ type, reason }) => `${type} ${reason}`),
      ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => `${type} NodeStatusNeverUpdated`),
    )
  })
})

describe('taints of a node', () => {
  const AT = ago(0)
  const keys = (taints: readonly Taint[]): readonly string[] =>
    taints.map(({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`)
  const taint = (key: string, effect = 'NoSchedule'): Taint => ({
    key: `node.kubernetes.io/${key}`,
    effect,
    timeAdded: AT,
  })
  const condition = (type: string, status: string) => ({ type, status })
  const rows: readonly {
    readonly name: string
    readonly given: Node
    readonly eviction: Eviction
    readonly want: readonly string[]
  }[] = [
    { name: 'a ready node has none', given: node('n', 'True'), eviction: 'put', want: [] },
    { name: 'not ready', given: node('n', 'False'), eviction: 'keep', want: ['not-ready:NoSchedule'] },
    {
      name: 'not ready and its turn',
      given: node('n', 'False'),
      eviction: 'put',
      want: ['not-ready:NoSchedule', 'not-ready:NoExecute'],
    },
    {
      name: 'unknown and its turn',
      given: node('n', 'Unknown'),
      eviction: 'put',
      want: ['unreachable:NoSchedule', 'unreachable:NoExecute'],
    },
    {
      name: 'a node that told nothing is not ready',
      given: node('n', undefined),
      eviction: 'keep',
      want: ['not-ready:NoSchedule'],
    },
    {
      name: 'pressures and cordons',
      given: node('n', 'True', {
        spec: { unschedulable: true },
        status: {
          conditions: [
            condition('Ready', 'True'),
            condition('MemoryPressure', 'True'),
            condition('DiskPressure', 'True'),
            condition('PIDPressure', 'True'),
            condition('NetworkUnavailable', 'True'),
          ],
        },
      }),
      eviction: 'keep',
      want: ['memory-pressure', 'disk-pressure', 'pid-pressure', 'network-unavailable', 'unschedulable'].map(
        (key) => `${key}:NoSchedule`,
      ),
    },
    {
      name: 'what is right again is lifted, of others nothing',
      given: node('n', 'True', {
        spec: { taints: [taint('not-ready'), taint('not-ready', 'NoExecute'), { key: 'mine', effect: 'NoExecute' }] },
      }),
      eviction: 'keep',
      want: ['mine:NoExecute'],
    },
    {
      name: 'one that evicts is exchanged without a turn of its own',
      given: node('n', 'Unknown', { spec: { taints: [taint('not-ready'), taint('not-ready', 'NoExecute')] } }),
      eviction: 'keep',
      want: ['unreachable:NoSchedule', 'unreachable:NoExecute'],
    },
    {
      name: 'when all nodes are lost none evicts any more',
      given: node('n', 'Unknown', { spec: { taints: [taint('unreachable'), taint('unreachable', 'NoExecute')] } }),
      eviction: 'lift',
      want: ['unreachable:NoSchedule'],
    },
  ]
  for (const { name, given, eviction, want } of rows) {
    test(name, () => assert.deepEqual(keys(wantedTaints(frozen(given), eviction, NOW)), want))
  }
  test('each says since when, and keeps saying so', () => {
    const [first] = wantedTaints(node('n', 'False'), 'keep', NOW)
    assert.equal(first?.timeAdded, AT)
    const tainted = node('n', 'False', { spec: { taints: [first!] } })
    assert.deepEqual(wantedTaints(tainted, 'keep', NOW + 60_000), [first])
  })
  test('planning again changes nothing', () => {
    const any = fc.record({
      ready: fc.constantFrom('True' as const, 'False' as const, 'Unknown' as const, undefined),
      taints: fc.uniqueArray(
        fc.constantFrom(taint('not-ready'), taint('unreachable', 'NoExecute'), taint('unschedulable'), {
          key: 'mine',
          effect: 'NoSchedule',
        }),
      ),
      unschedulable: fc.boolean(),
      eviction: fc.constantFrom<Eviction[]>('put', 'keep', 'lift'),
    })
    fc.assert(
      fc.property(any, ({ ready, taints, unschedulable, eviction }) => {
        const once = wantedTaints(node('n', ready, { spec: { taints, unschedulable } }), eviction, NOW)
        const again = wantedTaints(node('n', ready, { spec: { taints: once, unschedulable } }), eviction, NOW + 5_000)
        assert.deepEqual(again, once)
      }),
    )
  })
})

describe('a zone', () => {
  const rates = { normal: 0.1, reduced: 0.01 }
  for (const { name, nodes, ready, state, rate } of [
    { name: 'all ready', nodes: 10, ready: 10, state: 'Normal', rate: 0.1 },
    { name: 'a few lost', nodes: 10, ready: 5, state: 'Normal', rate: 0.1 },
    { name: 'two of three lost are no disruption', nodes: 3, ready: 1, state: 'Normal', rate: 0.1 },
    { name: 'more than 55 % lost', nodes: 10, ready: 4, state: 'PartialDisruption', rate: 0 },
    { name: 'more than 55 % of a large one lost', nodes: 100, ready: 45, state: 'PartialDisruption', rate: 0.01 },
    { name: 'all lost, but not in other zones', nodes: 10, ready: 0, state: 'FullDisruption', rate: 0.1 },
    { name: 'empty', nodes: 0, ready: 0, state: 'Normal', rate: 0.1 },
  ]) {
    test(`${name}: ${state}, ${rate} nodes a second`, () => {
      assert.equal(zoneState({ nodes, ready }), state)
      assert.equal(evictionRate({ nodes, ready }, false, rates), rate)
      assert.equal(evictionRate({ nodes, ready }, true, rates), 0)
    })
  }
  test('is region and zone', () => {
    const labels = { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': 'z' }
    assert.equal(zoneOf({ metadata: { labels } }), 'r/z')
    assert.equal(zoneOf({}), '/')
  })
  test('is counted as its nodes come, change and go, in whatever order', () => {
    const entry = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      zone: fc.constantFrom('x', 'y'),
      ready: fc.boolean(),
      gone: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
        const census = new NodeCensus()
        const plain = new Map<string, { zone: string; ready: boolean }>()
        for (const { name, zone, ready, gone } of entries) {
          if (gone) {
            census.delete(name)
            plain.delete(name)
          } else {
            census.set(name, zone, ready)
            plain.set(name, { zone, ready })
          }
        }
        const all = [...plain.values()]
        for (const zone of ['x', 'y']) {
          const own = all.filter((one) => one.zone === zone)
          assert.deepEqual(
            { ...census.zone(zone) },
            { nodes: own.length, ready: own.filter(({ ready }) => ready).length },
          )
        }
        assert.equal(census.allLost, all.length > 0 && all.every(({ ready }) => !ready))
      }),
    )
  })
})

describe('turns of eviction', () => {
  test('one at once, then at the rate, and none is saved up beyond one', () => {
    const turns = new EvictionTurns()
    assert.equal(turns.ask('a', 'z', 0.1, 0), true)
    assert.equal(turns.ask('b', 'z', 0.1, 0), false)
    assert.equal(turns.ask('b', 'z', 0.1, 9_999), false)
    assert.equal(turns.ask('b', 'z', 0.1, 10_001), true)
    assert.equal(turns.ask('c', 'z', 0.1, 1_000_000), true)
    assert.equal(turns.ask('d', 'z', 0.1, 1_000_000), false)
    assert.equal(turns.ask('e', 'other', 0.1, 1_000_000), true)
  })
  test('who has one keeps it until it is withdrawn', () => {
    const turns = new EvictionTurns()
    turns.ask('a', 'z', 0.1, 0)
    assert.equal(turns.ask('a', 'z', 0, 0), true)
    turns.withdraw('a')
    assert.equal(turns.has('a'), false)
    assert.equal(turns.ask('b', 'z', 0, 1_000_000), false)
    turns.withdrawAll()
    assert.equal(turns.has('b'), false)
  })
})

describe('eviction by taints', () => {
  const noExecute = (key: string, value = ''): Taint => ({ key, value, effect: 'NoExecute' })
  const tolerating = (...tolerations: Toleration[]) => pod('p', { spec: { tolerations } })
  const exists = (key: string, tolerationSeconds?: number): Toleration => ({
    ...(key === '' ? {} : { key }),
    operator: 'Exists',
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds, effect: 'NoExecute' }),
  })
  for (const { name, tolerations, taints, want } of [
    { name: 'no taint', tolerations: [], taints: [], want: undefined },
    {
      name: 'a taint that does not evict',
      tolerations: [],
      taints: [{ key: 'a', effect: 'NoSchedule' }],
      want: undefined,
    },
    { name: 'not tolerated', tolerations: [exists('b')], taints: [noExecute('a')], want: 0 },
    { name: 'tolerated for ever', tolerations: [exists('a')], taints: [noExecute('a')], want: undefined },
    { name: 'tolerated for a time', tolerations: [exists('a', 30)], taints: [noExecute('a')], want: 30 },
    { name: 'a negative time is none', tolerations: [exists('a', -1)], taints: [noExecute('a')], want: 0 },
    {
      name: 'of two taints the shorter time counts',
      tolerations: [exists('a', 30), exists('b', 20)],
      taints: [noExecute('a'), noExecute('b')],
      want: 20,
    },
    {
      name: 'of two tolerations the first counts',
      tolerations: [exists(''), exists('a', 30)],
      taints: [noExecute('a')],
      want: undefined,
    },
    {
      name: 'one taint is not tolerated',
      tolerations: [exists('a', 30)],
      taints: [noExecute('a'), noExecute('b')],
      want: 0,
    },
    {
      name: 'the value counts',
      tolerations: [{ key: 'a', operator: 'Equal', value: 'x' }],
      taints: [noExecute('a', 'x')],
      want: undefined,
    },
    { name: 'another value does not', tolerations: [{ key: 'a', value: 'y' }], taints: [noExecute('a', 'x')], want: 0 },
    {
      name: 'another effect does not',
      tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }],
      taints: [noExecute('a')],
      want: 0,
    },
  ]) {
    test(`${name}: ${want === undefined ? 'for ever' : `${want} s`}`, () => {
      assert.equal(stayLimitSeconds(tolerating(...tolerations), taints), want)
    })
  }
  test('the time counts from the first look, and is over exactly then', () => {
    const one = tolerating(exists('a', 30))
    const first = planTaintEviction(one, [noExecute('a')], undefined, 5_000)
    assert.deepEqual(first, { actions: [], since: 5_000, recheckAt: 35_000 })
    assert.deepEqual(planTaintEviction(one, [noExecute('a')], 5_000, 34_999).actions, [])
    const last = planTaintEviction(one, [noExecute('a')], 5_000, 35_000)
    assert.deepEqual(last.actions, [{ kind: 'evict', why: 'Taint manager: deleting due to NoExecute taint' }])
  })
  test('a taint that goes stops the clock', () => {
    assert.deepEqual(planTaintEviction(tolerating(exists('a', 30)), [], 5_000, 10_000), {
      actions: [],
      since: undefined,
    })
  })
  test('a pod that is being deleted already is left alone', () => {
    const leaving = pod('p', { metadata: { deletionTimestamp: ago(1) } })
    assert.deepEqual(planTaintEviction(leaving, [noExecute('a')], undefined, 0).actions, [])
  })
  test('the order of taints does not matter', () => {
    const taints = [noExecute('a'), noExecute('b'), noExecute('c'), { key: 'd', effect: 'NoSchedule' }]
    fc.assert(
      fc.property(
        shuffled(taints),
        fc.subarray([exists('a', 9), exists('b', 4), exists('c'), exists('', 7)]),
        (given, tolerations) => {
          assert.equal(
            stayLimitSeconds(tolerating(...tolerations), given),
            stayLimitSeconds(tolerating(...tolerations), taints),
          )
        },
      ),
    )
  })
})
