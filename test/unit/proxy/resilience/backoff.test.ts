import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addedJitterMs, fullJitterMs } from '../../../../src/proxy/resilience/backoff.ts'

const BACKOFF = { baseMs: 100, maxMs: 1_000 }

describe('back-off', () => {
  for (const [attempt, most] of [
    [0, 100],
    [1, 200],
    [3, 800],
    [4, 1_000],
    [5_000, 1_000],
  ] as const) {
    it(`attempt ${attempt} waits up to ${most} ms, or that and half of it more`, () => {
      assert.equal(
        fullJitterMs(attempt, BACKOFF, () => 0),
        0,
      )
      assert.equal(
        fullJitterMs(attempt, BACKOFF, () => 0.5),
        most / 2,
      )
      assert.equal(
        addedJitterMs(attempt, BACKOFF, 0.5, () => 0),
        most,
      )
      assert.equal(
        addedJitterMs(attempt, BACKOFF, 0.5, () => 0.5),
        most * 1.25,
      )
    })
  }
})
