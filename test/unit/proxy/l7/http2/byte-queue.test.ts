import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteQueue } from '../../../../../src/proxy/l7/http2/byte-queue.ts'

test('bytes come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 9_000 }), fc.nat({ max: 9_000 }))), (steps) => {
      const queue = new ByteQueue()
      const given: Uint8Array[] = []
      const got: Uint8Array[] = []
      const take = (max: number): void => {
        for (let left = max; left > 0 && queue.bytes > 0; ) {
          const first = queue.first()
          const count = Math.min(left, first.length)
          got.push(first.slice(0, count))
          queue.take(count)
          left -= count
        }
      }
      for (const [bytes, taken] of steps) {
        queue.push(bytes, 0, bytes.length)
        given.push(bytes)
        take(taken)
      }
      take(Number.POSITIVE_INFINITY)
      assert.equal(queue.bytes, 0)
      assert.ok(Buffer.concat(got).equals(Buffer.concat(given)))
    }),
  )
})

test('a hundred thousand single bytes take little more memory than they are', () => {
  const queue = new ByteQueue()
  const one = Uint8Array.of(7)
  let parts = 0
  for (let i = 0; i < 100_000; i++) queue.push(one, 0, 1)
  while (queue.bytes > 0) {
    queue.take(queue.first().length)
    parts++
  }
  assert.ok(parts <= 25, `${parts} parts`)
})
