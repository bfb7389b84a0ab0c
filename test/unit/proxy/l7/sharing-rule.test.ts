import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharingRule } from '../../../../src/proxy/l7/engine/sharing-rule.ts'

const SETTINGS = {
  depthMax: 64,
  fastMs: 0.5,
  renewMs: 5_000,
  waitMs: 0.25,
  stallMs: 10,
  pauseMs: 1_000,
  pauseMaxMs: 8_000,
}

/** Requests answered one after another on a server; `latencyAt` is the latency that sharing at a depth brings. */
function run(
  rule: SharingRule,
  answers: number,
  nowMs: number,
  latencyAt: (depth: number, i: number) => number,
): number {
  let now = nowMs
  for (let i = 0; i < answers; i++) {
    now += 0.1
    rule.answered(latencyAt(rule.depth, i), now)
  }
  return now
}

test('a busy fast server is shared as deep as may be', () => {
  const rule = new SharingRule(SETTINGS)
  // 64 at once on a server that needs 16 µs each: the latency is the same however they are spread.
  run(rule, 3_000, 0, (_, i) => (i % 64) * 0.016 + 0.1)
  assert.equal(rule.depth, 64)
})

test('a slow server is never shared, however busy', () => {
  const rule = new SharingRule(SETTINGS)
  run(rule, 3_000, 0, () => 5)
  assert.equal(rule.depth, 1)
})

test('a server that works on many connections at once is shared no deeper than waiting allows', () => {
  const rule = new SharingRule(SETTINGS)
  let deepest = 1
  run(rule, 2_000, 0, (depth) => {
    deepest = Math.max(deepest, depth)
    return 0.2 * depth
  })
  assert.equal(deepest, 4)
})

test('a server that is sometimes slow is not shared for long: those behind would wait', () => {
  const rule = new SharingRule(SETTINGS)
  let shared = 0
  const answers = 100_000
  run(rule, answers, 0, (depth, i) => {
    if (depth > 1) shared++
    // One in twenty takes 30 ms; behind it all others of its connection wait.
    const isSlow = depth === 1 ? i % 20 === 0 : i % 20 < Math.min(20, depth)
    return isSlow ? 30 : 0.2
  })
  assert.ok(shared < answers / 10, `${shared} of ${answers} were sent behind others`)
})

test('the latency that is compared with follows the load', () => {
  const rule = new SharingRule(SETTINGS)
  let now = run(rule, 2_000, 0, () => 0.3)
  assert.equal(rule.aloneMs.toFixed(2), '0.30')
  now = run(rule, 200_000, now, (_, i) => (i % 2 === 0 ? 0.2 : 2))
  assert.equal(rule.aloneMs.toFixed(2), '1.10')
  assert.equal(rule.depth, 64)
})

test('each stall halves the depth, which comes back slowly, as does a pause', () => {
  const rule = new SharingRule(SETTINGS)
  const fast = (): number => 0.2
  let now = run(rule, 3_000, 0, fast)
  assert.equal(rule.depth, 64)
  rule.stalled(now)
  assert.equal(rule.depth, 32)
  now = run(rule, 20_000, now, fast)
  assert.equal(rule.depth, 32)
  now = run(rule, 60_000, now, fast)
  assert.equal(rule.depth, 64)
  for (const depth of [32, 16, 8, 4, 1]) {
    rule.stalled(now)
    assert.equal(rule.depth, depth)
  }
  now = run(rule, 20_000, now, fast)
  assert.equal(rule.depth, 8)
  now = run(rule, 400_000, now, fast)
  assert.equal(rule.depth, 64)
})

test('a depth at which answers take much longer is left before there are many of them', () => {
  const rule = new SharingRule(SETTINGS)
  let shared = 0
  run(rule, 2_000, 0, (depth) => {
    if (depth > 1) shared++
    return depth === 1 ? 0.3 : 30
  })
  assert.ok(shared > 0 && shared < 10, `${shared} answers`)
})

test('after stalls connections stand alone for a while, longer when it happens soon again', () => {
  const rule = new SharingRule(SETTINGS)
  const fast = (): number => 0.2
  let now = run(rule, 2_000, 0, fast)
  const pauses: number[] = []
  for (let i = 0; i < 6; i++) {
    assert.ok(rule.depth > 1)
    while (rule.depth > 1) rule.stalled(now)
    const since = now
    for (let steps = 0; rule.depth === 1 && steps < 1_000_000; steps++) now = run(rule, 1, now, fast)
    pauses.push(Math.round((now - since) / 1_000))
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 8, 8])
  now += 60_000
  now = run(rule, 2_000, now, fast)
  while (rule.depth > 1) rule.stalled(now)
  now = run(rule, 12_000, now, fast)
  assert.ok(rule.depth > 1, 'a stall long after the last one counts as the first')
})

test('switched off it stays off', () => {
  const rule = new SharingRule({ ...SETTINGS, depthMax: 1 })
  run(rule, 3_000, 0, () => 0.1)
  assert.equal(rule.depth, 1)
})
