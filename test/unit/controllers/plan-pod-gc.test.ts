import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { type PodGcPlan, planPodGc } from '../../../src/controlplane/controllers/pod-gc/plan-pod-gc.ts'
import { ago, frozen, pod, shuffled } from './objects.ts'

const CONFIG = { quarantineMs: 40_000, terminatedMax: 2 }
const NODES = new Map([
  ['node-1', { outOfService: false }],
  ['dead', { outOfService: true }],
])
const leaving = { deletionTimestamp: ago(5) }

function summary({ actions }: PodGcPlan): readonly string[] {
  return actions.map(({ kind, pod: { metadata } }) => `${kind} ${metadata?.name}`)
}

test('pods of a node that is missing go after the quarantine', () => {
  const pods = frozen([pod('a'), pod('b', { spec: { nodeName: 'gone' } })])
  const first = planPodGc(pods, NODES, new Map(), CONFIG, 1_000)
  assert.deepEqual(first.actions, [])
  assert.deepEqual([...first.missingSince], [['gone', 1_000]])
  assert.deepEqual(planPodGc(pods, NODES, first.missingSince, CONFIG, 40_999).actions, [])
  const due = planPodGc(pods, NODES, first.missingSince, CONFIG, 41_000)
  assert.deepEqual(due.actions, [
    { kind: 'deleteOrphan', pod: pods[1], nodeName: 'gone', why: 'PodGC: node no longer exists' },
  ])
})

test('a node that comes back is missed anew', () => {
  const pods = [pod('b', { spec: { nodeName: 'gone' } })]
  const { missingSince } = planPodGc(pods, NODES, new Map(), CONFIG, 0)
  const back = planPodGc(pods, new Map([['gone', { outOfService: false }]]), missingSince, CONFIG, 30_000)
  assert.equal(back.missingSince.size, 0)
  assert.deepEqual(planPodGc(pods, NODES, back.missingSince, CONFIG, 50_000).actions, [])
})

test('a pod that is being deleted and never had a node goes at once', () => {
  const pods = [pod('a', { metadata: leaving, spec: { nodeName: '' } }), pod('b', { spec: { nodeName: '' } })]
  assert.deepEqual(summary(planPodGc(pods, NODES, new Map(), CONFIG, 0)), ['deleteUnscheduled a'])
})

test('on a node that is out of service only those being deleted go', () => {
  const of = (nodeName: string, more = {}) => ({ spec: { nodeName }, ...more })
  const pods = [
    pod('a', of('dead', { metadata: leaving })),
    pod('b', of('dead')),
    pod('c', of('node-1', { metadata: leaving })),
  ]
  assert.deepEqual(summary(planPodGc(pods, NODES, new Map(), CONFIG, 0)), ['deleteTerminating a'])
})

test('of too many ended pods the oldest go, each once', () => {
  const ended = (name: string, age: number, more = {}): Pod =>
    pod(name, { metadata: { creationTimestamp: ago(age) }, status: { phase: 'Succeeded' }, ...more })
  const pods = [
    ended('young', 1),
    ended('old', 90, { spec: { nodeName: 'gone' } }),
    ended('older', 95),
    ended('middle', 50),
    pod('running'),
  ]
  const plan = planPodGc(pods, NODES, new Map([['gone', 0]]), CONFIG, 40_000)
  assert.deepEqual(summary(plan), ['deleteTerminated older', 'deleteTerminated old'])
})

test('planning again after the removals does nothing, and the order of the pods does not matter', () => {
  const any = fc.record({
    node: fc.constantFrom('', 'node-1', 'dead', 'gone'),
    phase: fc.constantFrom('Running', 'Succeeded', 'Failed'),
    leaving: fc.boolean(),
    age: fc.integer({ min: 0, max: 100 }),
  })
  const pods = fc.array(any, { maxLength: 12 }).map((all) =>
    all.map((one, i) =>
      pod(`p${i}`, {
        metadata: { creationTimestamp: ago(one.age), ...(one.leaving ? leaving : {}) },
        spec: { nodeName: one.node },
        status: { phase: one.phase },
      }),
    ),
  )
  fc.assert(
    fc.property(
      pods.chain((all) => fc.tuple(fc.constant(all), shuffled(all))),
      fc.constantFrom(0, 50_000),
      ([all, others], now) => {
        const missing = new Map([['gone', 0]])
        const plan = planPodGc(all, NODES, missing, CONFIG, now)
        assert.deepEqual(planPodGc(others, NODES, missing, CONFIG, now).actions, plan.actions)
        const removed = new Set(plan.actions.map((action) => action.pod))
        assert.equal(removed.size, plan.actions.length)
        const left = all.filter((one) => !removed.has(one))
        assert.deepEqual(planPodGc(left, NODES, plan.missingSince, CONFIG, now).actions, [])
      },
    ),
  )
})
