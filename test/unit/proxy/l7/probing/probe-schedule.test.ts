import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseLoadAnswer } from '../../../../../src/proxy/l7/probing/load-answer.ts'
import { ProbeSchedule } from '../../../../../src/proxy/l7/probing/probe-schedule.ts'

describe('when endpoints are asked for their load', () => {
  it('one probe at a time per endpoint', () => {
    const schedule = new ProbeSchedule(1_000)
    assert.ok(schedule.take('a', 0))
    assert.ok(!schedule.take('a', 1))
    assert.ok(schedule.take('b', 1))
    schedule.answered('a')
    assert.ok(schedule.take('a', 2))
  })

  it('no more than so many a second, with a tenth of a second at once', () => {
    const schedule = new ProbeSchedule(100)
    const taken = (nowMs: number): number => {
      let count = 0
      for (let i = 0; i < 50; i++) {
        if (!schedule.take('a', nowMs)) break
        schedule.answered('a')
        count++
      }
      return count
    }
    assert.equal(taken(0), 10)
    assert.equal(taken(10), 1)
    assert.equal(taken(45), 3)
    assert.equal(taken(100_000), 10)
    let total = 0
    for (let ms = 100_001; ms <= 101_000; ms++) total += taken(ms)
    assert.ok(total <= 100, `${total} in a second`)
  })

  it('one that does not answer is left alone for longer each time, up to five seconds', () => {
    const schedule = new ProbeSchedule(1_000)
    let nowMs = 0
    for (const waitMs of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      assert.ok(schedule.take('a', nowMs))
      schedule.failed('a', nowMs)
      assert.ok(!schedule.take('a', nowMs + waitMs - 1))
      nowMs += waitMs
    }
    assert.ok(schedule.take('a', nowMs))
    schedule.answered('a')
    assert.ok(schedule.take('a', nowMs + 1))
  })

  it('is given up when none answers, and taken up with the first that does', () => {
    const schedule = new ProbeSchedule(1_000)
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      assert.equal(schedule.isPassive, false)
      schedule.take(name, i)
      schedule.failed(name, i)
    }
    assert.equal(schedule.isPassive, true)
    schedule.take('d', 5)
    schedule.answered('d')
    assert.equal(schedule.isPassive, false)
  })

  it('what is known of endpoints that are gone is forgotten', () => {
    const schedule = new ProbeSchedule(1_000)
    schedule.take('a', 0)
    schedule.failed('a', 0)
    schedule.keep(new Set(['b']))
    assert.ok(schedule.take('a', 1))
  })
})

describe('what an endpoint says of its load', () => {
  const rows: readonly (readonly [string, string, unknown])[] = [
    ['both', '{"requestsInFlight": 3, "latencyMs": 1.5}', { requestsInFlight: 3, latencyMs: 1.5 }],
    ['no latency yet', ' {"requestsInFlight":0,"latencyMs":null}\n', { requestsInFlight: 0, latencyMs: Number.NaN }],
    ['more than is asked', '{"requestsInFlight":1,"cpu":0.4}', { requestsInFlight: 1, latencyMs: Number.NaN }],
    ['less than nothing', '{"requestsInFlight":-1}', undefined],
    ['text', '{"requestsInFlight":"3"}', undefined],
    ['nothing', '', undefined],
    ['null', 'null', undefined],
    ['a bad latency', '{"requestsInFlight":1,"latencyMs":"fast"}', undefined],
    ['too much', '{"requestsInFlight":1e999}', undefined],
  ]
  for (const [name, given, want] of rows) it(name, () => assert.deepEqual(parseLoadAnswer(given), want))
})
