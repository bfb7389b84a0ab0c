import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeSummary } from '../../../src/controlplane/metrics-api/decode-summary.ts'
import { goDuration } from '../../../src/controlplane/metrics-api/go-duration.ts'
import { NodeHistory } from '../../../src/controlplane/metrics-api/node-history.ts'
import { type Point, summary } from './summary-fixture.ts'

type Pods = Parameters<typeof summary>[1]

function history(...samples: readonly (readonly [atMs: number, pods: Pods, node?: Point])[]): NodeHistory {
  const made = new NodeHistory()
  for (const [atMs, pods, node] of samples) made.take(decodeSummary(summary(atMs, pods, node)), atMs)
  return made
}

test('usage is the rate between the last two samples and the memory of the last', () => {
  const made = history(
    [0, { u: { a: [0, 1], b: [0, 1] } }, [0, 1]],
    [15_000, { u: { a: [99e9, 2], b: [0, 1] } }, [1e9, 2]],
    [30_000, { u: { a: [99e9 + 7.5e9, 3], b: [1, 5] } }, [31e9, 4]],
  )
  const at = { atMs: 30_000, windowMs: 15_000 }
  assert.deepEqual(made.pod('u')?.get('a'), { ...at, cpuNanoCores: 500_000_000, workingSetBytes: 3 })
  assert.deepEqual(made.pod('u')?.get('b'), { ...at, cpuNanoCores: 0, workingSetBytes: 5 })
  assert.deepEqual(made.node(), { ...at, cpuNanoCores: 2_000_000_000, workingSetBytes: 4 })
})

test('one sample tells nothing', () => {
  const made = history([0, { u: { a: [5, 5] } }, [5, 5]])
  assert.equal(made.pod('u'), undefined)
  assert.equal(made.node(), undefined)
})

test('the same sample twice is one', () => {
  const made = history([0, { u: { a: [0, 1] } }], [10_000, { u: { a: [1e9, 1] } }], [10_000, { u: { a: [1e9, 1] } }])
  assert.equal(made.pod('u')?.get('a')?.cpuNanoCores, 100_000_000)
})

test('a pod is told of as a whole: not before each of its containers has two samples', () => {
  const first = [0, { u: { a: [0, 1] } }] as const
  const second = [1_000, { u: { a: [1, 1], b: [1, 1] } }] as const
  assert.equal(history(first, second).pod('u'), undefined)
  assert.equal(history(first, second, [2_000, { u: { a: [1, 1], b: [1, 1] } }]).pod('u')?.size, 2)
})

test('a container that does not run any more does not hold its pod back', () => {
  const made = history([0, { u: { a: [0, 1], b: [0, 1] } }], [1_000, { u: { a: [1, 1] } }])
  assert.deepEqual([...made.pod('u')!.keys()], ['a'])
})

test('a counter that began anew tells nothing until the next sample', () => {
  const reset = [
    [0, { u: { a: [9, 1] } }, [9, 1]],
    [1_000, { u: { a: [3, 1] } }, [3, 1]],
  ] as const
  assert.equal(history(...reset).pod('u'), undefined)
  assert.equal(history(...reset).node(), undefined)
  assert.equal(
    history(...reset, [2_000, { u: { a: [4, 1] } }, [4, 1]])
      .pod('u')
      ?.get('a')?.cpuNanoCores,
    1,
  )
})

test('a clock of the node that goes back tells nothing', () => {
  assert.equal(history([5_000, { u: { a: [0, 1] } }], [1_000, { u: { a: [1, 1] } }]).pod('u'), undefined)
})

for (const [ms, want] of [
  [15_000, '15s'],
  [1_502, '1.502s'],
  [60_000, '1m0s'],
  [90_250, '1m30.25s'],
  [3_661_000, '1h1m1s'],
] as const)
  test(`${ms} ms are ${want}`, () => assert.equal(goDuration(ms), want))
