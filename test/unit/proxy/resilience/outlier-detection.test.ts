import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BalancedEndpoint } from '../../../../src/proxy/balance/balanced-endpoint.ts'
import { CANCELLED, ERRED, type Outcome, OVERLOADED, SUCCEEDED } from '../../../../src/proxy/balance/outcome.ts'
import { OutlierDetection } from '../../../../src/proxy/resilience/outlier-detection.ts'
import { endpoints } from '../balance/endpoints.ts'

function ended(
  detection: OutlierDetection,
  all: readonly BalancedEndpoint[],
  i: number,
  nowMs: number,
  outcome: Outcome,
  times = 1,
): boolean {
  let changed = false
  for (let n = 0; n < times; n++) changed = detection.finished(all[i]!, all, nowMs, outcome) || changed
  return changed
}

/** Places of those that are out. */
function out(all: readonly BalancedEndpoint[], nowMs: number): number[] {
  return all.flatMap(({ ejectedUntilMs }, i) => (ejectedUntilMs > nowMs ? [i] : []))
}

/** Swept once, so that an interval is running. */
function detecting(options = {}): OutlierDetection {
  const detection = new OutlierDetection(options)
  detection.sweep([], 0)
  return detection
}

describe('outlier detection: consecutive failures', () => {
  const rows: readonly { readonly name: string; readonly outcomes: readonly Outcome[]; readonly want: boolean }[] = [
    { name: 'five in a row', outcomes: [ERRED, ERRED, ERRED, ERRED, ERRED], want: true },
    { name: 'not four', outcomes: [ERRED, ERRED, ERRED, ERRED], want: false },
    { name: 'not with a success between', outcomes: [ERRED, ERRED, ERRED, ERRED, SUCCEEDED, ERRED], want: false },
    {
      name: 'a cancelled one between counts for nothing',
      outcomes: [ERRED, ERRED, CANCELLED, ERRED, ERRED, ERRED],
      want: true,
    },
    { name: 'not for asking to send less', outcomes: Array<Outcome>(9).fill(OVERLOADED), want: false },
  ]
  for (const { name, outcomes, want } of rows) {
    it(name, () => {
      const all = endpoints(3)
      const detection = detecting()
      let changed = false
      for (const outcome of outcomes) changed = ended(detection, all, 1, 0, outcome)
      assert.equal(changed, want)
      assert.deepEqual(out(all, 0), want ? [1] : [])
    })
  }

  it('ejects for 30 s, the next times for as many times that, at most for 5 minutes', () => {
    const all = endpoints(2)
    const detection = detecting()
    const times = Array.from({ length: 12 }, (_, i) => {
      const nowMs = i * 1_000_000
      ended(detection, all, 0, nowMs, ERRED, 5)
      return (all[0]!.ejectedUntilMs - nowMs) / 1_000
    })
    assert.deepEqual(times, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300])
  })

  it('takes one from the number of ejections for each interval spent inside', () => {
    const all = endpoints(2)
    const detection = detecting()
    ended(detection, all, 0, 0, ERRED, 5)
    ended(detection, all, 0, 30_000, ERRED, 5)
    detection.sweep(all, 40_000)
    assert.equal(all[0]!.ejections, 2, 'it is out')
    detection.sweep(all, 90_000)
    assert.equal(all[0]!.ejections, 1)
    detection.sweep(all, 100_000)
    detection.sweep(all, 110_000)
    assert.equal(all[0]!.ejections, 0)
  })

  it('keeps to a tenth of the endpoints, but may always eject one', () => {
    const few = endpoints(4)
    const many = endpoints(30)
    for (const [all, want] of [
      [few, [0]],
      [many, [0, 1, 2]],
    ] as const) {
      const detection = detecting()
      for (let i = 0; i < 4; i++) ended(detection, all, i, 0, ERRED, 5)
      assert.deepEqual(out(all, 0), want)
      // Its time over, the next may go.
      ended(detection, all, 3, 30_000, ERRED, 5)
      assert.deepEqual(out(all, 30_000), [3])
    }
  })

  it('needs five failures again of one that comes back', () => {
    const all = endpoints(3)
    const detection = detecting()
    ended(detection, all, 0, 0, ERRED, 5)
    assert.equal(ended(detection, all, 0, 30_000, ERRED, 4), false)
    assert.equal(ended(detection, all, 0, 30_000, ERRED), true)
  })

  it('ejects one even where no share may be out', () => {
    const all = endpoints(3)
    const detection = detecting({ maxEjectedShare: 0 })
    for (let i = 0; i < 3; i++) ended(detection, all, i, 0, ERRED, 5)
    assert.deepEqual(out(all, 0), [0])
  })

  it('does not make an ejection longer for what was under way', () => {
    const all = endpoints(30)
    const detection = detecting()
    ended(detection, all, 0, 0, ERRED, 5)
    assert.equal(ended(detection, all, 0, 10_000, ERRED, 20), false)
    assert.deepEqual([all[0]!.ejectedUntilMs, all[0]!.ejections], [30_000, 1])
  })
})

describe('outlier detection: success rate', () => {
  /** One interval with these successes of 100 each. */
  function interval(successes: readonly number[], requests = 100): number[] {
    const all = endpoints(successes.length)
    const detection = detecting({ consecutiveFailures: 0, maxEjectedShare: 1 })
    for (const [i, good] of successes.entries()) {
      ended(detection, all, i, 1, SUCCEEDED, good)
      ended(detection, all, i, 1, ERRED, requests - good)
    }
    const changed = detection.sweep(all, 10_000)
    assert.equal(changed, out(all, 10_000).length > 0)
    assert.equal(detection.nextSweepAtMs(), 20_000)
    for (const endpoint of all) assert.equal(endpoint.intervalSuccesses + endpoint.intervalFailures, 0)
    return out(all, 10_000)
  }

  it('ejects what is 1.9 standard deviations below the mean', () => {
    // Mean 95, σ 15: the threshold is 66.5.
    assert.deepEqual(interval([100, 100, 100, 50, 100, 100, 100, 100, 100, 100]), [3])
  })

  it('leaves all in when they are as bad as each other', () => assert.deepEqual(interval([50, 52, 49, 51, 50, 48]), []))

  it('compares five at least', () => assert.deepEqual(interval([100, 100, 100, 0]), []))

  it('leaves out those with less than 100 requests', () => {
    assert.deepEqual(interval([99, 99, 99, 0, 99, 99, 99, 99, 99, 99], 99), [])
  })

  it('ejects the worst where there is not room for all', () => {
    const all = endpoints(12)
    const detection = detecting({ consecutiveFailures: 0, deviations: 1 })
    for (let i = 0; i < 12; i++) {
      const good = i === 2 ? 40 : i === 5 ? 20 : i === 8 ? 30 : 100
      ended(detection, all, i, 1, SUCCEEDED, good)
      ended(detection, all, i, 1, ERRED, 100 - good)
    }
    detection.sweep(all, 10_000)
    // One is out after the first, two after the second, and two are more than a tenth of twelve.
    assert.deepEqual(out(all, 10_000), [5, 8])
  })
})
