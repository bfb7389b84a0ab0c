import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Balancer } from '../../../../src/proxy/balance/balancer.ts'
import { clientSideWrr, reportLoad } from '../../../../src/proxy/balance/client-side-wrr.ts'
import { leastRequest } from '../../../../src/proxy/balance/least-request.ts'
import { randomChoice } from '../../../../src/proxy/balance/random-choice.ts'
import { rifP2c } from '../../../../src/proxy/balance/rif-p2c.ts'
import { roundRobin } from '../../../../src/proxy/balance/round-robin.ts'
import { smoothWeightedRoundRobin } from '../../../../src/proxy/balance/smooth-weighted-round-robin.ts'
import { weightedRandom } from '../../../../src/proxy/balance/weighted-random.ts'
import { endpoints, scripted } from './endpoints.ts'

const zero = (): number => 0

function picks(balancer: Balancer, from: ReturnType<typeof endpoints>, count: number, nowMs = 0): number[] {
  return Array.from({ length: count }, () => balancer.pick(from, 0, nowMs))
}

describe('round robin', () => {
  it('takes each in turn from a random start', () => {
    assert.deepEqual(picks(roundRobin(zero), endpoints(3), 5), [1, 2, 0, 1, 2])
    assert.deepEqual(picks(roundRobin(scripted(1 / 0x1_0000)), endpoints(3), 3), [2, 0, 1])
    assert.deepEqual(picks(roundRobin(zero), [], 1), [-1])
  })
})

describe('smooth weighted round robin', () => {
  it('spreads the turns of the heavy one: 5, 1, 1', () => {
    const all = endpoints(3, (i) => ({ weight: [5, 1, 1][i] }))
    assert.deepEqual(picks(smoothWeightedRoundRobin(zero), all, 7), [0, 0, 1, 0, 2, 0, 0])
  })

  it('is exact in any run as long as the sum of the weights, wherever it begins', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat({ max: 50 }),
        (weights, start, skip) => {
          const all = endpoints(weights.length, (i) => ({ weight: weights[i] }))
          const balancer = smoothWeightedRoundRobin(() => start)
          picks(balancer, all, skip)
          const counts = new Array<number>(weights.length).fill(0)
          for (const i of picks(
            balancer,
            all,
            weights.reduce((sum, weight) => sum + weight, 0),
          ))
            counts[i]! += 1
          assert.deepEqual(counts, weights)
        },
      ),
    )
  })

  it('goes on with its round when an endpoint comes', () => {
    const three = endpoints(3)
    const balancer = smoothWeightedRoundRobin(zero)
    assert.deepEqual(picks(balancer, three.slice(0, 2), 1), [0])
    // The second is next; the newcomer has no credit that would let it go first.
    assert.deepEqual(picks(balancer, three, 1), [1])
  })

  it('has nothing to choose from nothing', () =>
    assert.deepEqual(picks(smoothWeightedRoundRobin(zero), [], 2), [-1, -1]))
})

describe('random', () => {
  it('takes each in proportion to its weight', () => {
    const all = endpoints(3, (i) => ({ weight: [1, 2, 5][i] }))
    assert.deepEqual(
      [0, 0.124, 0.125, 0.374, 0.375, 0.999].map((draw) => weightedRandom(() => draw).pick(all, 0, 0)),
      [0, 0, 1, 1, 2, 2],
    )
    assert.equal(weightedRandom(zero).pick([], 0, 0), -1)
  })

  it('takes any where weights do not matter', () => {
    assert.deepEqual(
      [0, 0.5, 0.999].map((draw) => randomChoice(() => draw).pick(endpoints(3), 0, 0)),
      [0, 1, 2],
    )
    assert.equal(randomChoice(zero).pick([], 0, 0), -1)
  })
})

describe('least request', () => {
  const rows = [
    { name: 'fewer in flight', inFlight: [3, 2], weight: [1, 1], want: 1 },
    { name: 'fewer in flight for its weight', inFlight: [3, 2], weight: [2, 1], want: 0 },
    { name: 'the heavier of two idle ones', inFlight: [0, 0], weight: [1, 2], want: 1 },
  ] as const
  for (const { name, inFlight, weight, want } of rows) {
    it(`of two the one with ${name}`, () => {
      const pair = endpoints(2, (i) => ({ weight: weight[i] }))
      for (const [i, endpoint] of pair.entries()) endpoint.inFlight = inFlight[i]!
      for (const draw of [0, 0.99]) assert.equal(rifP2c(() => draw).pick(pair, 0, 0), want)
      assert.equal(leastRequest({ random: zero }).pick(pair, 0, 0), want)
    })
  }

  it('shares by weight / (in flight + 1) where weights differ', () => {
    const all = endpoints(3, (i) => ({ weight: [6, 6, 2][i] }))
    all[0]!.inFlight = 2
    const counts = [0, 0, 0]
    for (const i of picks(leastRequest({ random: zero }), all, 100)) counts[i]! += 1
    assert.deepEqual(counts, [20, 60, 20])
    const unbiased = [0, 0, 0]
    for (const i of picks(leastRequest({ random: zero, bias: 0 }), all, 70)) unbiased[i]! += 1
    assert.deepEqual(unbiased, [30, 30, 10])
  })

  it('has no choice among none and one', () => {
    for (const balancer of [leastRequest({ random: zero }), rifP2c(zero)]) {
      assert.equal(balancer.pick([], 0, 0), -1)
      assert.equal(balancer.pick(endpoints(1), 0, 0), 0)
    }
  })
})

describe('client-side weighted round robin', () => {
  const share = (all: ReturnType<typeof endpoints>, nowMs: number, balancer = clientSideWrr()): number[] => {
    const counts = all.map(() => 0)
    for (const i of picks(balancer, all, 600, nowMs)) counts[i]! += 1
    return counts
  }

  it('gives each what makes all equally busy; one without a report weighs as the mean', () => {
    const all = endpoints(3)
    for (const nowMs of [0, 10_000]) {
      reportLoad(all[0]!, nowMs, 0.5, 100, 0)
      reportLoad(all[1]!, nowMs, 0.25, 100, 0)
    }
    assert.deepEqual(share(all, 10_000), [133, 267, 200])
  })

  it('counts errors against an endpoint', () => {
    const all = endpoints(2)
    for (const nowMs of [0, 10_000]) {
      reportLoad(all[0]!, nowMs, 0.5, 100, 0)
      reportLoad(all[1]!, nowMs, 0.5, 100, 50)
    }
    assert.deepEqual(share(all, 10_000), [400, 200])
  })

  it('waits for ten seconds of reports and forgets them after three minutes', () => {
    const all = endpoints(2)
    const report = (nowMs: number): void => {
      reportLoad(all[0]!, nowMs, 0.9, 100, 0)
      reportLoad(all[1]!, nowMs, 0.3, 100, 0)
    }
    report(0)
    assert.deepEqual(share(all, 9_999), [300, 300])
    assert.deepEqual(share(all, 10_000), [150, 450])
    assert.deepEqual(share(all, 180_000), [300, 300])
    report(180_000)
    assert.deepEqual(share(all, 189_999), [300, 300])
    assert.deepEqual(share(all, 190_000), [150, 450])
  })

  it('works weights out once a second, not for each request', () => {
    const all = endpoints(2)
    for (const nowMs of [0, 10_000]) for (const endpoint of all) reportLoad(endpoint, nowMs, 0.5, 100, 0)
    const balancer = clientSideWrr()
    assert.deepEqual(share(all, 10_000, balancer), [300, 300])
    reportLoad(all[0]!, 10_001, 0.5, 200, 0)
    assert.deepEqual(share(all, 10_999, balancer), [300, 300])
    assert.deepEqual(share(all, 11_000, balancer), [400, 200])
  })
})
