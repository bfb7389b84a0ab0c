import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BalancedEndpoint } from '../../../../src/proxy/balance/balanced-endpoint.ts'
import { decayed, observeLatency } from '../../../../src/proxy/balance/latency-estimate.ts'
import {
  CANCELLED,
  ERRED,
  type Outcome,
  OVERLOADED,
  SUCCEEDED,
  TIMED_OUT,
  UNREACHABLE,
} from '../../../../src/proxy/balance/outcome.ts'

const DECAY_MS = 10_000
const W1 = Math.exp(-0.1)

interface Sample {
  readonly atMs: number
  readonly ms: number
  readonly outcome: Outcome
}

const rows: readonly {
  readonly name: string
  readonly given: readonly Sample[]
  readonly want: { readonly latencyMs: number; readonly failureRate: number }
}[] = [
  {
    name: 'the first response is the estimate',
    given: [{ atMs: 0, ms: 7, outcome: SUCCEEDED }],
    want: { latencyMs: 7, failureRate: 0 },
  },
  {
    name: 'a slower response replaces it at once',
    given: [
      { atMs: 0, ms: 7, outcome: SUCCEEDED },
      { atMs: 1_000, ms: 70, outcome: SUCCEEDED },
    ],
    want: { latencyMs: 70, failureRate: 0 },
  },
  {
    name: 'a faster one moves it by what time has passed',
    given: [
      { atMs: 0, ms: 100, outcome: SUCCEEDED },
      { atMs: 1_000, ms: 10, outcome: SUCCEEDED },
    ],
    want: { latencyMs: 100 * W1 + 10 * (1 - W1), failureRate: 0 },
  },
  {
    name: 'a fast failure leaves the latency to sink and enters the failure rate',
    given: [
      { atMs: 0, ms: 100, outcome: SUCCEEDED },
      { atMs: 1_000, ms: 1, outcome: ERRED },
    ],
    want: { latencyMs: 100 * W1, failureRate: 0.1 },
  },
  {
    name: 'being asked to send less counts as a failure here',
    given: [{ atMs: 0, ms: 1, outcome: OVERLOADED }],
    want: { latencyMs: 30, failureRate: 0.1 },
  },
  {
    name: 'a first failure says nothing of the latency',
    given: [{ atMs: 0, ms: 0.1, outcome: UNREACHABLE }],
    want: { latencyMs: 30, failureRate: 0.1 },
  },
  {
    name: 'a timeout is a latency as well',
    given: [
      { atMs: 0, ms: 5, outcome: SUCCEEDED },
      { atMs: 0, ms: 1_000, outcome: TIMED_OUT },
    ],
    want: { latencyMs: 1_000, failureRate: 0.1 },
  },
  {
    name: 'one that was cancelled early says nothing',
    given: [
      { atMs: 0, ms: 5, outcome: SUCCEEDED },
      { atMs: 1_000, ms: 4, outcome: CANCELLED },
    ],
    want: { latencyMs: 5, failureRate: 0 },
  },
  {
    name: 'one that was cancelled late took at least that long',
    given: [
      { atMs: 0, ms: 5, outcome: SUCCEEDED },
      { atMs: 0, ms: 400, outcome: CANCELLED },
    ],
    want: { latencyMs: 400, failureRate: 0 },
  },
  {
    name: 'time in which nothing happened makes failures forgotten too',
    given: [
      { atMs: 0, ms: 5, outcome: ERRED },
      { atMs: 1_000, ms: 50, outcome: SUCCEEDED },
    ],
    want: { latencyMs: 50, failureRate: 0.1 * W1 * 0.9 },
  },
]

describe('latency estimate', () => {
  for (const { name, given, want } of rows) {
    it(name, () => {
      const endpoint = new BalancedEndpoint({ address: '10.0.0.1', port: 80 })
      for (const { atMs, ms, outcome } of given) observeLatency(endpoint, atMs, ms, outcome, DECAY_MS, 0.1)
      assert.ok(Math.abs(endpoint.latencyMs - want.latencyMs) < 1e-9, `latency ${endpoint.latencyMs}`)
      assert.ok(Math.abs(endpoint.failureRate - want.failureRate) < 1e-9, `failure rate ${endpoint.failureRate}`)
    })
  }

  it('stays within what was seen, and the failure rate between 0 and 1', () => {
    const sample = fc.record({
      gapMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
      ms: fc.double({ min: 0, max: 5_000, noNaN: true }),
      outcome: fc.constantFrom<Outcome>(SUCCEEDED, ERRED, OVERLOADED, UNREACHABLE, TIMED_OUT, CANCELLED),
    })
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1 }), (samples) => {
        const endpoint = new BalancedEndpoint({ address: '10.0.0.1', port: 80 })
        let nowMs = 0
        let slowest = 30
        for (const { gapMs, ms, outcome } of samples) {
          nowMs += gapMs
          slowest = Math.max(slowest, ms)
          observeLatency(endpoint, nowMs, ms, outcome, DECAY_MS, 0.1)
          if (Number.isNaN(endpoint.latencyMs)) continue
          assert.ok(endpoint.latencyMs >= 0 && endpoint.latencyMs <= slowest)
          assert.ok(endpoint.failureRate >= 0 && endpoint.failureRate <= 1)
        }
      }),
    )
  })

  it('shortens the exponential only where that makes no difference', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 50, noNaN: true }), (x) => {
        assert.ok(Math.abs(decayed(x) - Math.exp(-x)) < 3e-8)
      }),
    )
  })
})

describe('what an endpoint usually needs', () => {
  const usual = (samples: readonly number[], outcome: Outcome = SUCCEEDED): number => {
    const endpoint = new BalancedEndpoint({ address: '127.0.0.1', port: 80 })
    for (const [i, ms] of samples.entries()) observeLatency(endpoint, i, ms, outcome, DECAY_MS, 0.1)
    return endpoint.usualMs
  }

  it('is not what the first response or a single one took', () => {
    assert.equal(usual([500]), 30)
    assert.equal(usual([500, 4]), 4)
    assert.equal(usual([4, 500]), 7)
    assert.equal(usual([4, 500, 3]), 3)
  })

  it('is slow after several slow ones', () => {
    assert.equal(usual([4, ...Array.from({ length: 12 }, () => 120)]), 120)
  })

  it('says nothing of failures', () => {
    assert.ok(Number.isNaN(usual([1, 1, 1], UNREACHABLE)))
  })
})
