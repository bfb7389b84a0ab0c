import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHM, usesKey } from '../../../../src/proxy/balance/algorithms.ts'
import { type Outcome, outcomeOfStatus } from '../../../../src/proxy/balance/outcome.ts'
import { endpoints } from './endpoints.ts'

const NAMES = Object.keys(ALGORITHMS) as Algorithm[]

describe('every algorithm', () => {
  for (const name of NAMES) {
    it(`${name}: always has an answer among those given, whatever happens to them`, () => {
      const step = fc.record({
        subset: fc.integer({ min: 0, max: 63 }),
        key: fc.nat({ max: 0xffff_ffff }),
        gapMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
        outcome: fc.integer({ min: 0, max: 5 }),
        latencyMs: fc.double({ min: 0, max: 500, noNaN: true }),
      })
      fc.assert(
        fc.property(
          fc.array(step, { minLength: 1, maxLength: 20 }),
          fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
          (steps, draws) => {
            const balancer = ALGORITHMS[name](() => draws.next().value)
            const all = endpoints(6, (i) => ({ weight: 1 + (i % 3) }))
            let nowMs = 0
            for (const { subset, key, gapMs, outcome, latencyMs } of steps) {
              const some = all.filter((_, i) => (subset & (1 << i)) !== 0)
              nowMs += gapMs
              const choice = balancer.pick(some, key, nowMs)
              if (some.length === 0) {
                assert.equal(choice, -1)
                continue
              }
              assert.ok(Number.isInteger(choice) && choice >= 0 && choice < some.length, `${choice} of ${some.length}`)
              const endpoint = some[choice]!
              endpoint.inFlight += 1
              balancer.started(endpoint, nowMs)
              if (outcome === 5) continue
              endpoint.inFlight -= 1
              balancer.finished(endpoint, nowMs + latencyMs, latencyMs, outcome as Outcome)
            }
          },
        ),
        { numRuns: name === 'maglev' ? 10 : 100 },
      )
    })
  }

  it('says whether it needs a key', () => {
    assert.deepEqual(NAMES.filter(usesKey), ['ring-hash', 'maglev'])
    assert.ok(NAMES.includes(DEFAULT_ALGORITHM))
  })
})

describe('outcome of a status', () => {
  for (const [status, want] of [
    [200, 0],
    [404, 0],
    [429, 2],
    [500, 1],
    [503, 1],
  ] as const) {
    it(`${status}`, () => assert.equal(outcomeOfStatus(status), want))
  }
})
