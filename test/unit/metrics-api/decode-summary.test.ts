import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSummary } from '../../../src/controlplane/metrics-api/decode-summary.ts'
import { summary } from './summary-fixture.ts'

test('a summary is read', () => {
  const { node, pods } = decodeSummary(summary(1_000, { uid: { main: [5, 100] } }, [7, 200]))
  assert.deepEqual(node, { atMs: 1_000, cpuNanoseconds: 7, workingSetBytes: 200 })
  assert.deepEqual(pods.get('uid')?.get('main'), { atMs: 1_000, cpuNanoseconds: 5, workingSetBytes: 100 })
})

for (const [name, cpu] of Object.entries({
  'no time': { usageCoreNanoSeconds: 1 },
  'a time that is none': { time: 'soon', usageCoreNanoSeconds: 1 },
  'no counter': { time: '2026-01-01T00:00:00Z' },
  'a counter below zero': { time: '2026-01-01T00:00:00Z', usageCoreNanoSeconds: -1 },
  'a counter as text': { time: '2026-01-01T00:00:00Z', usageCoreNanoSeconds: '1' },
  'a counter beyond all measure': { time: '2026-01-01T00:00:00Z', usageCoreNanoSeconds: 1e300 },
}))
  test(`${name} is no point`, () => {
    const container = { name: 'main', cpu, memory: { workingSetBytes: 1 } }
    const text = JSON.stringify({ pods: [{ podRef: { uid: 'u' }, containers: [container] }] })
    assert.equal(decodeSummary(text).pods.get('u')?.size, 0)
  })

test('what is no summary is an error', () => {
  for (const text of ['', 'x', '1', 'null', '"a"']) assert.throws(() => decodeSummary(text), text)
})

test('whatever a node says, only numbers that can be right come out', () => {
  const word = fc.constantFrom('node', 'pods', 'podRef', 'uid', 'containers', 'name', 'cpu', 'memory', 'time')
  const number = fc.constantFrom('usageCoreNanoSeconds', 'workingSetBytes')
  const { tree } = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.double(), fc.string(), fc.constant(null), fc.boolean(), fc.constant('2026-01-01T00:00:00Z')),
    object: fc.dictionary(fc.oneof(word, number), tie('tree'), { maxKeys: 6 }),
    tree: fc.oneof({ depthSize: 'medium' }, tie('leaf'), tie('object'), fc.array(tie('tree'), { maxLength: 4 })),
  }))
  const shaped = fc.record({
    node: tree,
    pods: fc.array(fc.record({ podRef: tree, containers: tree }), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(fc.oneof(shaped, fc.dictionary(word, tree)), (value) => {
      const { node, pods } = decodeSummary(JSON.stringify(value))
      for (const point of [
        ...(node === undefined ? [] : [node]),
        ...[...pods.values()].flatMap((pod) => [...pod.values()]),
      ])
        for (const count of [point.atMs, point.cpuNanoseconds, point.workingSetBytes]) assert.ok(Number.isFinite(count))
    }),
  )
})
