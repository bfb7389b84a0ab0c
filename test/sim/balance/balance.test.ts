import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SlowStart } from '../../../src/proxy/balance/slow-start.ts'
import { FailureAccrual } from '../../../src/proxy/resilience/failure-accrual.ts'
import { OutlierDetection } from '../../../src/proxy/resilience/outlier-detection.ts'
import { compare } from './compare.ts'
import { byName, CONTENDERS, DEFAULT_CONTENDER, PROBING_PREQUAL } from './contenders.ts'
import {
  EQUALS,
  FAIL_FAST,
  ILL_AT_90,
  ILL_SHEDDING,
  JOIN,
  MIXED,
  NEIGHBOURS,
  OVERLOAD,
  RECOVERY,
  SHEDDING,
  SPORADIC,
  STALL,
} from './scenarios.ts'
import { type Contender, percentile, type Result, type Scenario, simulate } from './simulate.ts'

/** Runs are deterministic: a figure here changes only with the code. `compare.ts` prints them all. */
const SEED = 1

function successPercent({ succeeded, requests }: Result): number {
  return (100 * succeeded) / requests
}

function successOf(scenario: Scenario, contender: Contender, seed = SEED): number {
  return successPercent(simulate(scenario, contender, seed))
}

function p99Of(scenario: Scenario, contender: Contender): number {
  return percentile(simulate({ ...scenario, durationMs: 8_000 }, contender, SEED), 0.99)
}

const EWMA = byName('p2c-peak-ewma')
const RIF = byName('rif-p2c')

describe('the simulator', () => {
  it('repeats itself with the same seed and not with another', () => {
    const short = { ...STALL, durationMs: 3_000 }
    const runs = [1, 1, 2].map((seed) => simulate(short, EWMA, seed))
    assert.deepEqual(runs[0], runs[1])
    assert.notDeepEqual(runs[0]!.latenciesMs, runs[2]!.latenciesMs)
    assert.ok(Math.abs(runs[0]!.requests - 3_000) < 300)
  })

  it('has a row for every contender', () => {
    const rows = compare({ ...STALL, durationMs: 500 }, CONTENDERS, SEED)
    assert.deepEqual(
      rows.map(({ algorithm }) => algorithm),
      CONTENDERS.map(({ name }) => name),
    )
  })
})

describe('one of 11 backends stalls', () => {
  it('costs round robin five percent of the requests, and RIF-P2C less than one', () => {
    const roundRobin = successOf(STALL, byName('round-robin'))
    assert.ok(roundRobin > 94.5 && roundRobin < 96, `${roundRobin}`)
    const rif = successOf(STALL, RIF)
    assert.ok(rif > 99 && rif < 99.9, `${rif}`)
  })

  for (const seed of [1, 2, 3]) {
    it(`costs peak EWMA less than one in a thousand (seed ${seed})`, () => {
      const success = successOf(STALL, EWMA, seed)
      assert.ok(success >= 99.9, `${success}`)
    })
  }

  it('costs Prequal as little, with and without probes', () => {
    for (const contender of [PROBING_PREQUAL, byName('prequal')]) {
      const success = successOf(STALL, contender)
      assert.ok(success >= 99.9, `${contender.name} ${success}`)
    }
  })
})

describe('one of 11 backends fails fast', () => {
  it('attracts traffic where only requests in flight count, and none where failures do', () => {
    const roundRobin = successOf(FAIL_FAST, byName('round-robin'))
    const rif = successOf(FAIL_FAST, RIF)
    assert.ok(rif < roundRobin - 1, `${rif} and ${roundRobin}`)
    for (const contender of [EWMA, PROBING_PREQUAL, byName('prequal')]) {
      const success = successOf(FAIL_FAST, contender)
      assert.ok(success >= 99.9, `${contender.name} ${success}`)
    }
  })

  it('costs round robin little with outlier detection', () => {
    const success = successOf(FAIL_FAST, {
      ...byName('round-robin'),
      group: () => ({ health: new OutlierDetection() }),
    })
    assert.ok(success >= 99.9, `${success}`)
  })

  it('gets its share again once it is well', () => {
    const result = simulate(
      RECOVERY,
      { ...EWMA, group: (random) => ({ health: new FailureAccrual({ random }) }) },
      SEED,
    )
    assert.ok(successPercent(result) >= 99.9, `${successPercent(result)}`)
    const [healed, ...others] = result.received.map((bySecond) =>
      bySecond.slice(50, 60).reduce((sum, count) => sum + count, 0),
    )
    const mean = others.reduce((sum, count) => sum + count, 0) / others.length
    assert.ok(healed! > mean / 2, `${healed} where the others have ${mean}`)
  })

  it('while errors that strike everyone crowd nobody', () => {
    const rif = p99Of(SPORADIC, RIF)
    const ewma = p99Of(SPORADIC, EWMA)
    assert.ok(ewma < rif * 1.05, `${ewma} and ${rif}`)
  })
})

describe('one of 11 backends stalls and one fails fast', () => {
  it('costs the default less than one in a thousand at 90 % load, and RIF-P2C a tenth', () => {
    const success = successOf(ILL_AT_90, DEFAULT_CONTENDER)
    assert.ok(success >= 99.9, `${success}`)
    const rif = successOf(ILL_AT_90, RIF)
    assert.ok(rif < 90, `${rif}`)
  })

  it('costs it little more than what is too much at 110 % with a limit', () => {
    const result = simulate(ILL_SHEDDING, DEFAULT_CONTENDER, SEED)
    // Before they fall ill eleven can do it all; then at most nine of ten.
    assert.ok(successPercent(result) > 93, `${successPercent(result)}`)
    assert.ok(percentile(result, 0.99) < 400, `${percentile(result, 0.99)}`)
  })
})

describe('p99 at high load', () => {
  it('of equal backends: as RIF-P2C, below Prequal, round robin and random', () => {
    const [ewma, rif, prequal, roundRobin, random] = [
      EWMA,
      RIF,
      PROBING_PREQUAL,
      byName('round-robin'),
      byName('random'),
    ].map((contender) => p99Of(EQUALS, contender))
    assert.ok(ewma! < rif! * 1.05, `${ewma} and ${rif}`)
    assert.ok(ewma! < prequal! && prequal! < roundRobin! && roundRobin! < random!, `${prequal} ${roundRobin} ${random}`)
  })

  it('of backends of two speeds: below RIF-P2C, which is below weights and random', () => {
    const [ewma, rif, weights, random] = [EWMA, RIF, byName('client-side-wrr'), byName('random')].map((contender) =>
      p99Of(MIXED, contender),
    )
    assert.ok(ewma! < 0.9 * rif! && rif! < weights! && weights! < random!, `${ewma} ${rif} ${weights} ${random}`)
  })

  it('with noisy neighbours: no worse than RIF-P2C and Prequal', () => {
    const [ewma, rif, prequal] = [EWMA, RIF, PROBING_PREQUAL].map((contender) => p99Of(NEIGHBOURS, contender))
    assert.ok(ewma! < rif! && ewma! < prequal!, `${ewma} ${rif} ${prequal}`)
  })
})

describe('more load than there is capacity', () => {
  it('makes most requests wait in vain unless a limit refuses what is too much', () => {
    const durationMs = 8_000
    const queueing = successOf({ ...OVERLOAD, durationMs }, EWMA)
    assert.ok(queueing < 60, `${queueing}`)
    // At 110 % load no more than 90.9 % can succeed, and a little that is still under way at the end.
    const shedding = simulate({ ...SHEDDING, durationMs }, EWMA, SEED)
    assert.ok(successPercent(shedding) > 90.5, `${successPercent(shedding)}`)
    assert.ok(percentile(shedding, 0.99) < 350)
  })
})

describe('a cold backend joins', () => {
  it('is spared by slow start where turns are fixed', () => {
    const slowStart: SlowStart = { windowMs: 10_000 }
    const plain = successOf(JOIN, byName('weighted-round-robin'))
    const slow = successOf(JOIN, { ...byName('weighted-round-robin'), group: () => ({ slowStart }) })
    assert.ok(plain < 97 && slow > 99.5, `${plain} ${slow}`)
  })

  it('is not flooded by peak EWMA, which knows nothing of it, and gets its share when it is warm', () => {
    const result = simulate({ ...JOIN, durationMs: 45_000 }, EWMA, SEED)
    assert.ok(successPercent(result) >= 99.99, `${successPercent(result)}`)
    const newcomer = result.received[10]!
    const fair = JOIN.requestsPerSecond / 11
    assert.ok(newcomer[10]! > 0 && newcomer[10]! < fair / 2, `first second: ${newcomer[10]} of ${fair}`)
    // What it took while it was cold is forgotten with the decay of 10 s.
    assert.ok(newcomer[44]! > fair / 2, `last second: ${newcomer[44]} of ${fair}`)
  })
})
