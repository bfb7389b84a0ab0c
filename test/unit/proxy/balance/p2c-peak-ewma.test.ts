import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ERRED, SUCCEEDED } from '../../../../src/proxy/balance/outcome.ts'
import { p2cPeakEwma } from '../../../../src/proxy/balance/p2c-peak-ewma.ts'
import { endpoints, scripted } from './endpoints.ts'

interface Seen {
  readonly latencyMs?: number
  /** How many responses took so long. Default 1. */
  readonly responses?: number
  readonly inFlight?: number
  readonly weight?: number
  readonly failures?: number
}

const rows: readonly {
  readonly name: string
  readonly a: Seen
  readonly b: Seen
  readonly nowMs?: number
  readonly want: 0 | 1
}[] = [
  { name: 'the faster one', a: { latencyMs: 10, inFlight: 1 }, b: { latencyMs: 9, inFlight: 1 }, want: 1 },
  {
    name: 'of two idle ones the faster, if that is clearly so',
    a: { latencyMs: 40, responses: 3 },
    b: { latencyMs: 9 },
    want: 1,
  },
  { name: 'the idle one, be it slower by a little', a: { latencyMs: 1, inFlight: 9 }, b: { latencyMs: 9 }, want: 1 },
  {
    name: 'the slower one when the faster has too much to do',
    a: { latencyMs: 10, inFlight: 1 },
    b: { latencyMs: 9, inFlight: 2 },
    want: 0,
  },
  {
    name: 'the heavier of two as fast and as busy',
    a: { latencyMs: 10, inFlight: 3, weight: 1 },
    b: { latencyMs: 10, inFlight: 3, weight: 2 },
    want: 1,
  },
  { name: 'the heavier one wherever it stands', a: { latencyMs: 15, weight: 2 }, b: { latencyMs: 10 }, want: 0 },
  {
    name: 'with the same cost the one with less in flight',
    a: { latencyMs: 10, inFlight: 1 },
    b: { latencyMs: 20, inFlight: 0 },
    want: 1,
  },
  { name: 'an unknown idle one before a busy one', a: { latencyMs: 1, inFlight: 1 }, b: {}, want: 1 },
  {
    name: 'an unknown one gets one request and no more',
    a: { latencyMs: 1, inFlight: 9 },
    b: { inFlight: 1 },
    want: 0,
  },
  { name: 'a slow one that is known after an unknown one', a: { latencyMs: 500 }, b: { inFlight: 1 }, want: 1 },
  { name: 'of two unknown ones that with less in flight', a: { inFlight: 2 }, b: { inFlight: 1 }, want: 1 },
  {
    name: 'never the one that fails at once',
    a: { latencyMs: 200, inFlight: 9 },
    b: { latencyMs: 1, failures: 20 },
    want: 0,
  },
  {
    name: 'one failure costs something',
    a: { latencyMs: 10, inFlight: 1 },
    b: { latencyMs: 10, failures: 1 },
    want: 0,
  },
  {
    name: 'but not everything',
    a: { latencyMs: 10, inFlight: 9 },
    b: { latencyMs: 10, failures: 1 },
    want: 1,
  },
  {
    name: 'after a minute of rest a failed one is tried again',
    a: { latencyMs: 200, inFlight: 1 },
    b: { latencyMs: 1, failures: 20 },
    nowMs: 60_000,
    want: 1,
  },
]

describe('P2C with peak EWMA', () => {
  for (const { name, a, b, nowMs = 0, want } of rows) {
    it(`takes ${name}`, () => {
      for (const draws of [
        [0, 0],
        [0.99, 0],
      ]) {
        const pair = endpoints(2, (i) => ({ weight: (i === 0 ? a : b).weight ?? 1 }))
        const balancer = p2cPeakEwma({ random: scripted(...draws) })
        for (const [i, seen] of [a, b].entries()) {
          const endpoint = pair[i]!
          const responses = seen.latencyMs === undefined ? 0 : (seen.responses ?? 1)
          for (let n = 0; n < responses; n++) balancer.finished(endpoint, 0, seen.latencyMs!, SUCCEEDED)
          for (let failure = 0; failure < (seen.failures ?? 0); failure++) balancer.finished(endpoint, 0, 0.1, ERRED)
          endpoint.inFlight = seen.inFlight ?? 0
        }
        // What the other one is known by is as old as its rest, what is busy was heard of just now.
        if (nowMs > 0) balancer.finished(pair[0]!, nowMs, a.latencyMs!, SUCCEEDED)
        assert.equal(balancer.pick(pair, 0, nowMs), want)
      }
    })
  }

  it('has no choice among none and one', () => {
    const balancer = p2cPeakEwma({ random: Math.random })
    assert.equal(balancer.pick([], 0, 0), -1)
    assert.equal(balancer.pick(endpoints(1), 0, 0), 0)
  })

  it('takes any of two idle ones that are about as fast', () => {
    const balancer = p2cPeakEwma({ random: scripted(0, 0, 0.99, 0) })
    const pair = endpoints(2)
    // A slow answer at first, and another one later, do not tell one from the other.
    for (const latencyMs of [1, 2, 1]) balancer.finished(pair[0]!, 0, latencyMs, SUCCEEDED)
    for (const latencyMs of [400, 1, 900]) balancer.finished(pair[1]!, 0, latencyMs, SUCCEEDED)
    assert.deepEqual([balancer.pick(pair, 0, 0), balancer.pick(pair, 0, 0)], [0, 1])
  })

  it('draws two distinct ones, each pair as likely', () => {
    const all = endpoints(4, (i) => ({ weight: i + 1 }))
    const balancer = p2cPeakEwma({ random: scripted(0, 0, 0, 0.4, 0, 0.9, 0.3, 0.4, 0.3, 0.9, 0.6, 0.9) })
    // The heavier of each pair wins; the pairs are 01 02 03 12 13 23.
    assert.deepEqual(
      Array.from({ length: 6 }, () => balancer.pick(all, 0, 0)),
      [1, 2, 3, 2, 3, 3],
    )
  })
})
