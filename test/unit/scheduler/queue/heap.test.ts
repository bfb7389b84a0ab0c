import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Heap } from '../../../../src/controlplane/scheduler/queue/heap.ts'

const operation = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), key: fc.integer({ min: 0, max: 15 }), rank: fc.nat(100) }),
  fc.record({ kind: fc.constant('remove' as const), key: fc.integer({ min: 0, max: 15 }) }),
  fc.record({ kind: fc.constant('pop' as const) }),
)

test('a heap is a sorted map of few operations', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const before = (a: { rank: number; key: string }, b: { rank: number; key: string }): boolean =>
        a.rank === b.rank ? a.key < b.key : a.rank < b.rank
      const heap = new Heap(before)
      const model = new Map<string, { key: string; rank: number }>()
      for (const each of operations) {
        if (each.kind === 'push') {
          const item = { key: `${each.key}`, rank: each.rank }
          heap.push(item)
          model.set(item.key, item)
        } else if (each.kind === 'remove') {
          assert.deepEqual(heap.remove(`${each.key}`), model.get(`${each.key}`))
          model.delete(`${each.key}`)
        } else {
          const first = [...model.values()].sort((a, b) => (before(a, b) ? -1 : 1))[0]
          assert.deepEqual(heap.peek(), first)
          assert.deepEqual(heap.pop(), first)
          if (first !== undefined) model.delete(first.key)
        }
        assert.equal(heap.size, model.size)
        for (const [key, item] of model) assert.deepEqual(heap.get(key), item)
      }
    }),
  )
})
