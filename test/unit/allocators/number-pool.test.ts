import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bandSize, NumberPool } from '../../../src/controlplane/allocators/number-pool.ts'

/** Draws uniformly distributed numbers in [0, 1) from fast-check's own randomness. */
const dice = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }))

const random = (stream: Iterator<number>) => (): number => stream.next().value as number

// KEP-3070: min(max(16, size / 16), 256); KEP-3668: min(max(16, size / 32), 128); none in a range of 16 or fewer.
for (const { name, given, want } of [
  { name: 'a /20 of addresses', given: [4_096, 16, 256], want: 256 },
  { name: 'a /16 of addresses', given: [65_536, 16, 256], want: 256 },
  { name: 'a /24 of addresses', given: [256, 16, 256], want: 16 },
  { name: 'a /22 of addresses', given: [1_024, 16, 256], want: 64 },
  { name: 'a /28 of addresses', given: [16, 16, 256], want: 0 },
  { name: 'the usual node ports', given: [2_768, 32, 128], want: 86 },
  { name: 'very many node ports', given: [20_000, 32, 128], want: 128 },
  { name: 'a few node ports', given: [17, 32, 128], want: 16 },
] as const) {
  test(`the lower band of ${name} has ${want}`, () => {
    assert.equal(bandSize(given[0], given[1], given[2]), want)
  })
}

test('numbers nobody asked for come from the upper band until it is used up, then from the lower one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 70 }), dice, (size, band, stream) => {
      const pool = new NumberPool(100, size, band, random(stream))
      const lower = Math.min(band, size - 1)
      const drawn = Array.from({ length: size }, (_, i) => pool.takeAny(`owner-${i}`)!)
      assert.ok(drawn.slice(0, size - lower).every((value) => value >= 100 + lower))
      assert.ok(drawn.slice(size - lower).every((value) => value >= 100 && value < 100 + lower))
      assert.equal(new Set(drawn).size, size)
      assert.equal(pool.takeAny('late'), undefined)
    }),
  )
})

test('a number has one owner, and only the owner gives it back', () => {
  const pool = new NumberPool(1, 10, 0, () => 0)
  assert.equal(pool.take(5, 'a'), true)
  assert.equal(pool.take(5, 'b'), false)
  assert.equal(pool.release(5, 'b'), false)
  assert.equal(pool.ownerOf(5), 'a')
  assert.equal(pool.release(5, 'a'), true)
  assert.equal(pool.take(5, 'b'), true)
})

test('what was taken twice is free only when it was given back twice', () => {
  const pool = new NumberPool(1, 10, 0, () => 0)
  pool.take(5, 'a')
  pool.take(5, 'a')
  assert.equal(pool.release(5, 'a'), false)
  assert.equal(pool.take(5, 'b'), false)
  assert.equal(pool.release(5, 'a'), true)
  assert.equal(pool.release(5, 'a'), false)
})

test('a number that is forgotten is free whoever had it', () => {
  const pool = new NumberPool(1, 2, 0, () => 0)
  pool.take(1, 'a')
  pool.take(1, 'a')
  pool.forget(1)
  assert.equal(pool.takeAny('b'), 1)
  assert.deepEqual([...pool.held()], [[1, { owner: 'b', times: 1 }]])
})

test('the pool agrees with a plain count whatever is taken and given back', () => {
  const owner = fc.constantFrom('a', 'b', 'c')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), value: fc.integer({ min: 1, max: 6 }), owner }),
    fc.record({ kind: fc.constant('takeAny' as const), value: fc.constant(0), owner }),
    fc.record({ kind: fc.constant('release' as const), value: fc.integer({ min: 1, max: 6 }), owner }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), dice, (steps, stream) => {
      const pool = new NumberPool(1, 6, 2, random(stream))
      const counts = new Map<number, { owner: string; times: number }>()
      for (const { kind, value, owner } of steps) {
        const holder = counts.get(value)
        if (kind === 'take') {
          const may = holder === undefined || holder.owner === owner
          assert.equal(pool.take(value, owner), may)
          if (may) counts.set(value, { owner, times: (holder?.times ?? 0) + 1 })
        } else if (kind === 'takeAny') {
          const drawn = pool.takeAny(owner)
          assert.equal(drawn === undefined, counts.size === 6)
          if (drawn === undefined) continue
          assert.equal(counts.has(drawn), false)
          counts.set(drawn, { owner, times: 1 })
        } else if (holder?.owner === owner) {
          assert.equal(pool.release(value, owner), holder.times === 1)
          if (holder.times === 1) counts.delete(value)
          else counts.set(value, { owner, times: holder.times - 1 })
        } else assert.equal(pool.release(value, owner), false)
      }
      assert.deepEqual(new Map(pool.held()), counts)
    }),
  )
})
