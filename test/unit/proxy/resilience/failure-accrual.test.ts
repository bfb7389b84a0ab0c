import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type BalancedEndpoint,
  NO_TRIAL,
  TRIAL_DUE,
  TRIAL_RUNNING,
} from '../../../../src/proxy/balance/balanced-endpoint.ts'
import { EndpointGroup } from '../../../../src/proxy/balance/endpoint-group.ts'
import {
  CANCELLED,
  ERRED,
  type Outcome,
  OVERLOADED,
  SUCCEEDED,
  TIMED_OUT,
} from '../../../../src/proxy/balance/outcome.ts'
import { p2cPeakEwma } from '../../../../src/proxy/balance/p2c-peak-ewma.ts'
import { FailureAccrual, type FailureAccrualOptions } from '../../../../src/proxy/resilience/failure-accrual.ts'
import { endpoints } from '../balance/endpoints.ts'

function accrual(options: Partial<FailureAccrualOptions> = {}): FailureAccrual {
  return new FailureAccrual({ random: () => 0, ...options })
}

function one(): BalancedEndpoint {
  return endpoints(1)[0]!
}

describe('failure accrual', () => {
  const rows: readonly { readonly name: string; readonly outcomes: readonly Outcome[]; readonly want: boolean }[] = [
    {
      name: 'seven failures in a row',
      outcomes: [...Array<Outcome>(30).fill(SUCCEEDED), ...Array<Outcome>(7).fill(TIMED_OUT)],
      want: true,
    },
    {
      name: 'not six',
      outcomes: [...Array<Outcome>(30).fill(SUCCEEDED), ...Array<Outcome>(6).fill(TIMED_OUT)],
      want: false,
    },
    { name: 'a success rate below 0.8', outcomes: [SUCCEEDED, SUCCEEDED, SUCCEEDED, ERRED, ERRED], want: true },
    { name: 'not a success rate of 0.8', outcomes: [SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, ERRED], want: false },
    { name: 'no rate of less than five', outcomes: [ERRED, ERRED, ERRED, ERRED], want: false },
    { name: 'not for asking to send less', outcomes: Array<Outcome>(20).fill(OVERLOADED), want: false },
    { name: 'not for clients that went away', outcomes: Array<Outcome>(20).fill(CANCELLED), want: false },
  ]
  for (const { name, outcomes, want } of rows) {
    it(`opens after ${name}`, () => {
      const endpoint = one()
      const policy = accrual()
      let changed = false
      for (const outcome of outcomes) changed = policy.finished(endpoint, [endpoint], 0, outcome)
      assert.equal(changed, want)
      assert.equal(endpoint.ejectedUntilMs > 0, want)
    })
  }

  it('takes the rate of ten seconds and no more', () => {
    const endpoint = one()
    const policy = accrual()
    for (const nowMs of [0, 1, 2]) policy.finished(endpoint, [endpoint], nowMs, ERRED)
    for (const nowMs of [10_000, 10_001]) assert.equal(policy.finished(endpoint, [endpoint], nowMs, ERRED), false)
    assert.equal(endpoint.trial, NO_TRIAL)
  })

  it('counts a row of failures over any time where rates are off', () => {
    const endpoint = one()
    const policy = accrual({ successRateMin: 0 })
    for (let i = 0; i < 6; i++) assert.equal(policy.finished(endpoint, [endpoint], i * 60_000, ERRED), false)
    assert.equal(policy.finished(endpoint, [endpoint], 400_000, ERRED), true)
  })

  it('pauses for 1 s, then twice as long each time a trial fails, at most 60 s', () => {
    const endpoint = one()
    const policy = accrual()
    for (let i = 0; i < 7; i++) policy.finished(endpoint, [endpoint], 0, ERRED)
    const pauses = [endpoint.ejectedUntilMs / 1_000]
    for (let i = 0; i < 8; i++) {
      const nowMs = endpoint.ejectedUntilMs
      assert.equal(policy.started(endpoint, nowMs), true)
      assert.equal(endpoint.trial, TRIAL_RUNNING)
      assert.equal(policy.finished(endpoint, [endpoint], nowMs, ERRED), true)
      pauses.push((endpoint.ejectedUntilMs - nowMs) / 1_000)
    }
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60])
  })

  it('forgets how slow an endpoint was, or its trial would be long in coming', () => {
    const endpoint = one()
    endpoint.latencyMs = 5_000
    endpoint.failureRate = 1
    const policy = accrual()
    for (let i = 0; i < 7; i++) policy.finished(endpoint, [endpoint], 0, ERRED)
    assert.deepEqual([endpoint.latencyMs, endpoint.failureRate], [Number.NaN, Number.NaN])
  })

  it('adds up to half a pause by chance', () => {
    const endpoint = one()
    const policy = accrual({ random: () => 0.5 })
    for (let i = 0; i < 7; i++) policy.finished(endpoint, [endpoint], 0, ERRED)
    assert.equal(endpoint.ejectedUntilMs, 1_250)
  })

  it('forgets everything when a trial succeeds', () => {
    const endpoint = one()
    const policy = accrual()
    for (let i = 0; i < 7; i++) policy.finished(endpoint, [endpoint], 0, ERRED)
    policy.started(endpoint, 1_000)
    assert.equal(policy.finished(endpoint, [endpoint], 1_010, SUCCEEDED), true)
    assert.equal(endpoint.trial, NO_TRIAL)
    for (let i = 0; i < 4; i++) policy.finished(endpoint, [endpoint], 1_020, ERRED)
    assert.ok(endpoint.ejectedUntilMs <= 1_020)
    policy.finished(endpoint, [endpoint], 1_020, ERRED)
    assert.equal(endpoint.ejectedUntilMs, 2_020, 'the first pause again')
  })

  it('tries again when a trial decides nothing', () => {
    const endpoint = one()
    const policy = accrual()
    for (let i = 0; i < 7; i++) policy.finished(endpoint, [endpoint], 0, ERRED)
    policy.started(endpoint, 1_000)
    assert.equal(policy.finished(endpoint, [endpoint], 1_010, CANCELLED), true)
    assert.equal(endpoint.trial, TRIAL_DUE)
    assert.equal(policy.started(endpoint, 1_020), true)
  })

  it('is not moved by what ends during the pause', () => {
    const endpoint = one()
    const policy = accrual()
    for (let i = 0; i < 7; i++) policy.finished(endpoint, [endpoint], 0, ERRED)
    for (const outcome of [SUCCEEDED, ERRED] as const) {
      assert.equal(policy.finished(endpoint, [endpoint], 500, outcome), false)
    }
    assert.equal(policy.started(endpoint, 500), false, 'sent in panic')
    assert.deepEqual([endpoint.ejectedUntilMs, endpoint.trial], [1_000, TRIAL_DUE])
  })

  it('sends a broken endpoint one request at a time and lets it back in when that succeeds', () => {
    const all = endpoints(5)
    let draw = 0
    const random = (): number => (draw = (draw + 0.37) % 1)
    const group = new EndpointGroup({ createBalancer: () => p2cPeakEwma({ random }), random, health: accrual() })
    group.replace(all)
    const broken = all[2]!
    /** Ten requests a second for `seconds`, each answered after 10 ms; returns how many the broken one got. */
    let nowMs = 0
    const run = (seconds: number, outcome: Outcome): number => {
      let got = 0
      for (const end = nowMs + seconds * 1_000; nowMs < end; nowMs += 20) {
        const endpoint = group.pick(0, nowMs)!
        group.started(endpoint, nowMs)
        if (endpoint === broken) {
          got += 1
          const second = group.pick(0, nowMs)
          if (endpoint.trial === TRIAL_RUNNING) assert.notEqual(second, broken)
        }
        group.finished(endpoint, nowMs + 10, 10, endpoint === broken ? outcome : SUCCEEDED)
      }
      return got
    }
    run(5, SUCCEEDED)
    const whileBroken = run(60, ERRED)
    // Some until it opens, then trials after 1, 2, 4, 8, 16 and 32 s.
    assert.ok(whileBroken >= 6 && whileBroken <= 7 + 6, `${whileBroken}`)
    run(70, SUCCEEDED)
    assert.equal(broken.trial, NO_TRIAL)
    assert.ok(run(10, SUCCEEDED) > 20)
  })
})
