import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { semanticEqual } from '../../../../src/api/definitions/semantic-equal.ts'

describe('semantic equality', () => {
  for (const { name, given, want } of [
    {
      name: 'order of fields does not count',
      given: [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      want: true,
    },
    {
      name: 'order of items does',
      given: [
        [1, 2],
        [2, 1],
      ],
      want: false,
    },
    { name: 'an empty list is no list', given: [{ a: [] }, {}], want: true },
    { name: 'null and undefined are absent', given: [{ a: null, b: undefined }, {}], want: true },
    { name: 'an empty object is there', given: [{ emptyDir: {} }, {}], want: false },
    { name: 'zero is there', given: [{ a: 0 }, {}], want: false },
    { name: 'a list is no object', given: [{ a: [1] }, { a: { 0: 1 } }], want: false },
    { name: 'what one inherits does not count', given: [{ toString: 'x' }, {}], want: false },
    { name: 'nor the other way round', given: [{}, { constructor: 'x' }], want: false },
  ] as const)
    test(name, () => {
      assert.equal(semanticEqual(given[0], given[1]), want)
      assert.equal(semanticEqual(given[1], given[0]), want)
    })
})
