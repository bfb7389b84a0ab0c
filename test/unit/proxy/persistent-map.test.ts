import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashText } from '../../../src/proxy/balance/hash-key.ts'
import { PersistentMap } from '../../../src/proxy/table/persistent-map.ts'

const key = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.nat(500).map(String),
  fc.constantFrom('__proto__', 'constructor', ''),
)
const steps = fc.array(fc.tuple(key, fc.option(fc.nat(5), { nil: undefined })), { maxLength: 200 })

function applied(
  map: PersistentMap<number>,
  changes: readonly (readonly [string, number | undefined])[],
): PersistentMap<number> {
  let result = map
  for (const [name, value] of changes) result = value === undefined ? result.delete(name) : result.set(name, value)
  return result
}

test('it holds what a Map holds, and older versions keep what they held', () => {
  fc.assert(
    fc.property(steps, steps, (first, second) => {
      const model = new Map<string, number>()
      for (const [name, value] of first) {
        if (value === undefined) model.delete(name)
        else model.set(name, value)
      }
      const before = applied(PersistentMap.empty(), first)
      applied(before, second)
      assert.equal(before.size, model.size)
      assert.deepEqual(new Map(before), model)
      for (const [name, value] of model) assert.ok(before.get(name) === value && before.has(name))
      for (const [name] of second) assert.equal(before.get(name), model.get(name))
    }),
  )
})

test('equal maps are iterated in the same order, however they came to be', () => {
  fc.assert(
    fc.property(steps, (changes) => {
      const map = applied(PersistentMap.empty(), changes)
      const again = PersistentMap.from([...map].reverse())
      assert.deepEqual([...again], [...map])
      assert.deepEqual(PersistentMap.differences(map, again), [])
    }),
  )
})

test('differences are exactly the keys whose values differ', () => {
  fc.assert(
    fc.property(steps, steps, (first, second) => {
      const before = applied(PersistentMap.empty(), first)
      const after = applied(before, second)
      const found = PersistentMap.differences(before, after)
      const names = new Set([...before.keys(), ...after.keys()])
      const want = [...names].filter((name) => before.get(name) !== after.get(name))
      assert.deepEqual(found.map((difference) => difference.key).sort(), want.sort())
      for (const difference of found) {
        assert.equal(difference.before, before.get(difference.key))
        assert.equal(difference.after, after.get(difference.key))
      }
    }),
  )
})

test('keys whose hashes collide live side by side', () => {
  // FNV-1a of these is the same (http://www.isthe.com/chongo/tech/comp/fnv/).
  const [a, b] = ['costarring', 'liquid']
  assert.equal(hashText(a), hashText(b))
  const map = PersistentMap.from([
    [a, 1],
    [b, 2],
    ['other', 3],
  ])
  assert.deepEqual([map.get(a), map.get(b), map.size], [1, 2, 3])
  const less = map.delete(a)
  assert.deepEqual([less.get(a), less.get(b), less.size], [undefined, 2, 2])
  assert.deepEqual([...less.set(a, 1)], [...map])
  assert.deepEqual(PersistentMap.differences(less, map), [{ key: a, before: undefined, after: 1 }])
})

test('setting what is there changes nothing', () => {
  const map = PersistentMap.from([['a', 1]])
  assert.equal(map.set('a', 1), map)
  assert.equal(map.delete('b'), map)
})
