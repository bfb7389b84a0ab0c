import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PodDisruptionBudget } from '../../../../src/api/types/policy-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { NodeInfo } from '../../../../src/controlplane/scheduler/cluster/node-info.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { decide } from '../../../../src/controlplane/scheduler/decide.ts'
import { bestCandidate } from '../../../../src/controlplane/scheduler/preemption/best-candidate.ts'
import {
  type PreemptionPlan,
  planPreemption,
} from '../../../../src/controlplane/scheduler/preemption/plan-preemption.ts'
import { type Candidate, selectVictims } from '../../../../src/controlplane/scheduler/preemption/select-victims.ts'
import { splitByBudget } from '../../../../src/controlplane/scheduler/preemption/split-by-budget.ts'
import { HOSTNAME, node, type PodSettings, place, podInfo, ZONE } from '../objects.ts'

interface Standing {
  readonly cpu?: string
  readonly priority?: number
  readonly startTime?: string
  readonly app?: string
  readonly settings?: PodSettings
}

function standing(name: string, { cpu = '1', priority = 0, startTime, app = name, settings }: Standing = {}): PodInfo {
  return podInfo(name, {
    labels: { app },
    requests: { cpu },
    spec: { priority },
    status: startTime === undefined ? {} : { startTime },
    ...settings,
  })
}

function budget(app: string, disruptionsAllowed: number, status: Partial<PodDisruptionBudget['status']> = {}) {
  return {
    metadata: { namespace: 'default', name: `budget-${app}` },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...status },
  } satisfies PodDisruptionBudget
}

const names = (pods: readonly PodInfo[]): string => pods.map(({ pod }) => pod.metadata?.name).join(' ')

describe('victims on one node', () => {
  const select = (
    pods: readonly PodInfo[],
    comes: PodInfo,
    budgets: readonly PodDisruptionBudget[] = [],
  ): string | readonly string[] => {
    const state = new ClusterState()
    state.setNode(node('a'))
    place(state, { a: pods })
    const before = names([...state.node('a')!.pods.values()].sort((x, y) => (x.key < y.key ? -1 : 1)))
    const found = selectVictims(comes, state.node('a')!, state, budgets)
    assert.equal(names([...state.node('a')!.pods.values()].sort((x, y) => (x.key < y.key ? -1 : 1))), before)
    assert.equal(state.node('a')!.podCount, pods.length)
    return found.kind === 'none' ? found.reasons : `${names(found.victims)}, ${found.violations} violated`
  }
  const comes = (cpu: string, priority = 10): PodInfo => standing('new', { cpu, priority })

  test('nobody of lower priority', () => {
    assert.deepEqual(select([standing('x', { cpu: '4', priority: 10 })], comes('1')), [
      'No preemption victims found for incoming pod',
    ])
  })

  test('all of lower priority are not enough', () => {
    assert.deepEqual(select([standing('x', { cpu: '3', priority: 10 }), standing('y')], comes('2')), [
      'Insufficient cpu',
    ])
  })

  test('no more than needed, and the least important', () => {
    const pods = [
      standing('high', { priority: 3 }),
      standing('low', { priority: 1 }),
      standing('mid', { priority: 2 }),
      standing('peer', { priority: 10 }),
    ]
    assert.equal(select(pods, comes('1')), 'low, 0 violated')
    assert.equal(select(pods, comes('2')), 'mid low, 0 violated')
    assert.equal(select(pods, comes('3')), 'high mid low, 0 violated')
  })

  test('among equals those that began last', () => {
    const pods = [
      standing('old', { startTime: '2026-01-01T00:00:00Z' }),
      standing('young', { startTime: '2026-01-02T00:00:00Z' }),
      standing('unborn'),
      standing('peer', { priority: 10 }),
    ]
    assert.equal(select(pods, comes('2')), 'young unborn, 0 violated')
  })

  test('a large pod is spared when small ones are enough', () => {
    assert.equal(
      select([standing('large', { cpu: '3', priority: 2 }), standing('small', { priority: 1 })], comes('1')),
      'small, 0 violated',
    )
  })

  test('pods that a budget protects are spared first, though they are less important', () => {
    const pods = [
      standing('guarded', { priority: 1 }),
      standing('free', { priority: 5 }),
      standing('peer', { cpu: '2', priority: 10 }),
    ]
    assert.equal(select(pods, comes('1'), [budget('guarded', 0)]), 'free, 0 violated')
    assert.equal(select(pods, comes('2'), [budget('guarded', 0)]), 'free guarded, 1 violated')
    assert.equal(select(pods, comes('1'), [budget('guarded', 1)]), 'guarded, 0 violated')
  })

  test('pods are taken away that keep the pod off by anti-affinity', () => {
    const term = { topologyKey: HOSTNAME, labelSelector: { matchLabels: { app: 'new' } } }
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } }
    const guard = podInfo('guard', { spec: { affinity, priority: 0 } })
    assert.equal(select([guard, standing('other')], comes('1')), 'guard, 0 violated')
  })

  test('pods are taken away that hold a port', () => {
    const containers = [{ name: 'main', ports: [{ containerPort: 80, hostPort: 80 }] }]
    const holder = podInfo('holder', { spec: { containers } })
    const wants = podInfo('new', { spec: { containers, priority: 1 } })
    assert.equal(select([holder, standing('other')], wants), 'holder, 0 violated')
  })

  test('room that was promised to another pod is not to be had', () => {
    const state = new ClusterState()
    state.setNode(node('a'))
    place(state, { a: [standing('x', { cpu: '4' })] })
    state.nominations.set(standing('first', { cpu: '3', priority: 20 }), 'a')
    const none = selectVictims(comes('2'), state.node('a')!, state, [])
    assert.deepEqual(none, { kind: 'none', reasons: ['Insufficient cpu'] })
    assert.equal(selectVictims(comes('1'), state.node('a')!, state, []).kind, 'candidate')
    assert.equal(state.placeOf('default/x')?.node.name, 'a')
    assert.equal(state.placeOf('default/first'), undefined)
  })
})

describe('budgets', () => {
  test('allow so many pods to be taken, in order', () => {
    const pods = ['1', '2', '3'].map((i) => standing(`web-${i}`, { app: 'web' }))
    const { violating, allowed } = splitByBudget([...pods, standing('other')], [budget('web', 2)])
    assert.deepEqual([names(violating), names(allowed)], ['web-3', 'web-1 web-2 other'])
  })

  test('every budget that selects a pod has to allow it', () => {
    const { violating } = splitByBudget([standing('web')], [budget('web', 1), { ...budget('web', 0) }])
    assert.equal(names(violating), 'web')
  })

  test('concern their own namespace', () => {
    const elsewhere = podInfo('web', { namespace: 'other', labels: { app: 'web' } })
    assert.equal(names(splitByBudget([elsewhere], [budget('web', 0)]).violating), '')
  })

  test('pods that are being evicted already are counted already', () => {
    const evicted = budget('web', 0, { disruptedPods: { web: '2026-01-01T00:00:00Z' } })
    assert.equal(names(splitByBudget([standing('web')], [evicted]).violating), '')
  })

  test('an empty selector protects the whole namespace, a missing one nobody', () => {
    const all = { ...budget('x', 0), spec: { selector: {} } }
    assert.equal(names(splitByBudget([standing('web')], [all]).violating), 'web')
    assert.equal(names(splitByBudget([standing('web')], [{ ...all, spec: {} }]).violating), '')
  })
})

describe('the best candidate', () => {
  const candidate = (name: string, violations: number, ...victims: readonly Standing[]): Candidate => ({
    kind: 'candidate',
    node: { name } as NodeInfo,
    violations,
    victims: victims.map((each, i) => standing(`${name}-${i}`, each)),
  })
  const rows: readonly { readonly name: string; readonly candidates: readonly Candidate[]; readonly best: string }[] = [
    {
      name: 'breaks the fewest budgets',
      candidates: [candidate('a', 1, { priority: 0 }), candidate('b', 0, { priority: 9 })],
      best: 'b',
    },
    {
      name: 'has the least important most important victim',
      candidates: [candidate('a', 0, { priority: 5 }), candidate('b', 0, { priority: 4 }, { priority: 4 })],
      best: 'b',
    },
    {
      name: 'has the lowest sum of priorities',
      candidates: [
        candidate('a', 0, { priority: 5 }, { priority: 5 }),
        candidate('b', 0, { priority: 5 }, { priority: 4 }),
      ],
      best: 'b',
    },
    {
      name: 'prefers few victims also when priorities are negative',
      candidates: [candidate('a', 0, { priority: -5 }, { priority: -5 }), candidate('b', 0, { priority: -5 })],
      best: 'b',
    },
    {
      name: 'has victims that began last',
      candidates: [
        candidate('a', 0, { priority: 5, startTime: '2026-01-01T00:00:00Z' }),
        candidate('b', 0, { priority: 5, startTime: '2026-01-02T00:00:00Z' }),
      ],
      best: 'b',
    },
    {
      name: 'compares only the most important victims by their beginning',
      candidates: [
        candidate(
          'a',
          0,
          { priority: 5, startTime: '2026-01-03T00:00:00Z' },
          { priority: 1, startTime: '2026-01-01T00:00:00Z' },
        ),
        candidate(
          'b',
          0,
          { priority: 5, startTime: '2026-01-02T00:00:00Z' },
          { priority: 1, startTime: '2026-01-02T00:00:00Z' },
        ),
      ],
      best: 'a',
    },
    {
      name: 'is the first of equals',
      candidates: [candidate('a', 0, { priority: 5 }), candidate('b', 0, { priority: 5 })],
      best: 'a',
    },
  ]
  for (const { name, candidates, best } of rows) {
    test(name, () => assert.equal(bestCandidate(candidates)?.node.name, best))
  }

  test('of none', () => assert.equal(bestCandidate([]), undefined))
})

describe('preemption', () => {
  const plan = (state: ClusterState, pod: PodInfo, budgets: readonly PodDisruptionBudget[] = []): PreemptionPlan => {
    const decision = decide(pod, state, { start: 0, random: () => 0 })
    assert.equal(decision.kind, 'wait')
    return decision.kind === 'wait'
      ? planPreemption(pod, decision, state, budgets, () => 0)
      : assert.fail('the pod has a place')
  }
  const comes = (settings: Standing = {}): PodInfo => standing('new', { cpu: '3', priority: 10, ...settings })
  const messageOf = (made: PreemptionPlan): string | undefined => (made.kind === 'none' ? made.message : undefined)

  test('chooses the node on which least harm is done', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b', 'c']) state.setNode(node(name))
    place(state, {
      a: [standing('a1', { cpu: '2', priority: 5 })],
      b: [standing('b1', { cpu: '2', priority: 4 })],
      c: [standing('c1', { cpu: '2', priority: 10 })],
    })
    const made = plan(state, comes())
    assert.equal(made.kind === 'candidate' && `${made.node.name}: ${names(made.victims)}`, 'b: b1')
  })

  test('says of every node why it does not help', () => {
    const state = new ClusterState()
    state.setNode(node('tainted', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }))
    state.setNode(node('small', { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } }))
    for (const name of ['peers', 'tight']) state.setNode(node(name))
    place(state, {
      peers: [standing('p', { cpu: '4', priority: 10 })],
      tight: [standing('t1', { cpu: '3', priority: 10 }), standing('t2', { priority: 1 })],
    })
    assert.equal(
      messageOf(plan(state, comes())),
      '0/4 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, ' +
        '2 Preemption is not helpful for scheduling.',
    )
  })

  test('a pod that says so takes nothing away', () => {
    const state = new ClusterState()
    state.setNode(node('a'))
    place(state, { a: [standing('x', { cpu: '4' })] })
    const pod = podInfo('new', { requests: { cpu: '1' }, spec: { priority: 10, preemptionPolicy: 'Never' } })
    assert.equal(messageOf(plan(state, pod)), 'not eligible due to preemptionPolicy=Never.')
  })

  test('waits for pods that it has taken away already', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b']) state.setNode(node(name))
    const leaving = standing('x', {
      cpu: '4',
      settings: {
        metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' },
        status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
      },
    })
    place(state, { a: [leaving], b: [standing('y', { cpu: '4' })] })
    const pod = comes()
    state.nominations.set(pod, 'a')
    assert.deepEqual(plan(state, pod), {
      kind: 'none',
      message: 'not eligible due to a terminating pod on the nominated node.',
      keepsPromise: true,
    })
    // A node that can no longer take it at all is not waited for.
    state.setNode(node('a', { spec: { unschedulable: true } }))
    assert.equal(plan(state, pod).kind, 'candidate')
  })

  test('looks for a tenth of the nodes, but for a hundred candidates at least', () => {
    const state = new ClusterState()
    for (let i = 0; i < 300; i++) {
      state.setNode(node(`n${i}`))
      place(state, { [`n${i}`]: [standing(`p${i}`, { cpu: '4', priority: i < 299 ? 5 : 1 })] })
    }
    const best = (random: number): string => {
      const pod = comes()
      const decision = decide(pod, state, { start: 0, random: () => 0 })
      const made = decision.kind === 'wait' && planPreemption(pod, decision, state, [], () => random)
      return made !== false && made.kind === 'candidate' ? made.node.name : 'none'
    }
    // The least harm would be on the last node, which is found only when looking begins near enough.
    assert.equal(best(0), 'n0')
    assert.equal(best(0.9), 'n299')
  })

  test('goes on after a hundred candidates while every one breaks a budget', () => {
    const state = new ClusterState()
    for (let i = 0; i < 150; i++) {
      state.setNode(node(`n${i}`))
      place(state, { [`n${i}`]: [standing(`p${i}`, { cpu: '4', app: i < 149 ? 'guarded' : 'free', priority: 5 })] })
    }
    const made = plan(state, comes(), [budget('guarded', 0)])
    assert.equal(made.kind === 'candidate' && made.node.name, 'n149')
  })

  test('makes room in a spread', () => {
    const state = new ClusterState()
    state.setNode(node('a', { labels: { [ZONE]: 'one' } }))
    state.setNode(node('x', { labels: { [ZONE]: 'two' }, allocatable: { cpu: '0', memory: '0', pods: '0' } }))
    place(state, { a: [standing('s', { app: 'new' })] })
    const constraint = {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'new' } },
    }
    const spec = { priority: 10, topologySpreadConstraints: [constraint] }
    const made = plan(state, podInfo('new', { labels: { app: 'new' }, spec }))
    assert.equal(made.kind === 'candidate' && `${made.node.name}: ${names(made.victims)}`, 'a: s')
  })
})
