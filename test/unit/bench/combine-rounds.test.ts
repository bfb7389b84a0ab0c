import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { combineRounds, type Round } from '../../../bench/combine-rounds.ts'

const round = (changes: Partial<Round> = {}): Round => ({
  requests: 1_000,
  seconds: 1,
  cpuSeconds: 0.02,
  errors: 0,
  p50Ms: 1,
  p99Ms: 10,
  p999Ms: 20,
  ...changes,
})

describe('rounds of a benchmark', () => {
  it('weigh by their requests in costs and rates', () => {
    const { cpuMicros, requestsPerSecond, errors } = combineRounds([
      round({ errors: 1 }),
      round({ requests: 3_000, seconds: 3, cpuSeconds: 0.02, errors: 2 }),
    ])
    assert.deepEqual([cpuMicros, requestsPerSecond, errors], [10, 1_000, 3])
  })

  it('count by the median in times to answer', () => {
    const { p50Ms, p99Ms, p999Ms } = combineRounds([
      round({ p99Ms: 900, p50Ms: 3 }),
      round({ p999Ms: 30, p50Ms: 2 }),
      round({ p99Ms: 12, p999Ms: 2_000 }),
    ])
    assert.deepEqual([p50Ms, p99Ms, p999Ms], [2, 12, 30])
  })

  it('have no cost without a proxy, or when nothing was answered', () => {
    assert.equal(combineRounds([round({ cpuSeconds: null }), round({ cpuSeconds: null })]).cpuMicros, null)
    assert.equal(combineRounds([round({ requests: 0 })]).cpuMicros, null)
  })
})
