import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { percentile } from '../../../bench/percentile.ts'

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  for (const [part, expected] of [
    [0, 1],
    [0.01, 1],
    [0.5, 50],
    [0.501, 51],
    [0.99, 99],
    [0.999, 100],
    [1, 100],
  ] as const) {
    it(`takes the nearest rank at ${part}`, () => assert.equal(percentile(hundred, part), expected))
  }

  it('is the only value at every part', () => {
    for (const part of [0, 0.5, 1]) assert.equal(percentile([7], part), 7)
  })

  it('is not a number where there are none', () => assert.ok(Number.isNaN(percentile([], 0.5))))
})
