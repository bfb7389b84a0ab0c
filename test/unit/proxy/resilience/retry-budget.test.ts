import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RetryBudget } from '../../../../src/proxy/resilience/retry-budget.ts'

/** Withdraws until it gets no more. */
function drain(budget: RetryBudget, nowMs: number): number {
  let retries = 0
  while (retries < 1_000_000 && budget.withdraw(nowMs)) retries += 1
  return retries
}

describe('retry budget', () => {
  it('has a reserve of ten a second for ten seconds, which grows back when they have passed', () => {
    const budget = new RetryBudget()
    assert.equal(drain(budget, 0), 100)
    assert.equal(budget.covers(9_999), false)
    assert.equal(drain(budget, 10_000), 100)
  })

  it('lets five requests pay for a retry', () => {
    const budget = new RetryBudget()
    drain(budget, 0)
    for (let i = 0; i < 4; i++) budget.deposit(0)
    assert.equal(budget.withdraw(0), false)
    budget.deposit(0)
    assert.equal(budget.withdraw(0), true)
    assert.equal(budget.withdraw(0), false)
  })

  it('forgets deposits after ten seconds', () => {
    const budget = new RetryBudget({ minimumPerSecond: 0 })
    for (let i = 0; i < 50; i++) budget.deposit(500)
    assert.equal(budget.covers(9_999), true)
    assert.equal(budget.covers(10_000), false)
  })

  it('takes another ttl, minimum and ratio', () => {
    const budget = new RetryBudget({ ttlMs: 1_000, minimumPerSecond: 2, ratio: 0.5 })
    assert.equal(drain(budget, 0), 2)
    for (let i = 0; i < 10; i++) budget.deposit(0)
    assert.equal(drain(budget, 0), 5)
  })

  it('pays for a retry only while those of the ttl are at most a fifth of its requests and the reserve', () => {
    const step = fc.record({
      gapMs: fc.nat({ max: 4_000 }),
      requests: fc.nat({ max: 60 }),
      retries: fc.nat({ max: 200 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const budget = new RetryBudget()
        const events: { readonly second: number; readonly requests: number; readonly retries: number }[] = []
        let nowMs = 123
        for (const { gapMs, requests, retries } of steps) {
          nowMs += gapMs
          for (let i = 0; i < requests; i++) budget.deposit(nowMs)
          let paid = 0
          for (let i = 0; i < retries; i++) {
            const covered = budget.covers(nowMs)
            assert.equal(budget.withdraw(nowMs), covered)
            if (covered) paid += 1
          }
          events.push({ second: Math.floor(nowMs / 1_000), requests, retries: paid })
          if (paid === 0) continue
          // The ten slots that count now: this second and the nine before.
          const counted = events.filter(({ second }) => second > Math.floor(nowMs / 1_000) - 10)
          const sum = (of: 'requests' | 'retries'): number => counted.reduce((total, event) => total + event[of], 0)
          assert.ok(sum('retries') <= 0.2 * sum('requests') + 100, `${sum('retries')} for ${sum('requests')}`)
        }
      }),
    )
  })

  it('adds no more than a fifth to the load of a service that always fails', () => {
    const budget = new RetryBudget()
    let retries = 0
    for (let request = 0; request < 60_000; request++) {
      const nowMs = request
      budget.deposit(nowMs)
      if (budget.withdraw(nowMs)) retries += 1
    }
    // A minute: a fifth of 60,000, and the reserve of 10 a second.
    assert.ok(retries >= 12_000 && retries <= 12_700, `${retries}`)
  })
})
