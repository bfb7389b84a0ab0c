import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  CircuitBreaker,
  type CircuitKind,
  CONNECTIONS,
  PENDING,
  REQUESTS,
  RETRIES,
} from '../../../../src/proxy/resilience/circuit-breaker.ts'

const KINDS = [CONNECTIONS, PENDING, REQUESTS, RETRIES] as const

describe('circuit breaker', () => {
  it('has the limits of Envoy', () => {
    const breaker = new CircuitBreaker()
    assert.deepEqual(
      KINDS.map((kind) => breaker.limit(kind)),
      [1_024, 1_024, 1_024, 3],
    )
  })

  it('refuses what is beyond a limit until something ends, and counts refusals', () => {
    const breaker = new CircuitBreaker({ connections: 2 })
    assert.deepEqual(
      [1, 2, 3].map(() => breaker.acquire(CONNECTIONS)),
      [true, true, false],
    )
    assert.equal(breaker.refusals(CONNECTIONS), 1)
    assert.equal(breaker.hasRoom(CONNECTIONS), false)
    assert.equal(breaker.acquire(REQUESTS), true, 'another kind has room')
    breaker.release(CONNECTIONS)
    assert.equal(breaker.acquire(CONNECTIONS), true)
    assert.equal(breaker.refusals(CONNECTIONS), 1)
  })

  it('lets retries grow to a fifth of what is under way and waiting, unless told not to', () => {
    const shared = new CircuitBreaker()
    const fixed = new CircuitBreaker({ retryShare: 0 })
    for (const breaker of [shared, fixed]) {
      for (let i = 0; i < 30; i++) breaker.acquire(REQUESTS)
      for (let i = 0; i < 20; i++) breaker.acquire(PENDING)
    }
    assert.deepEqual([shared.limit(RETRIES), fixed.limit(RETRIES)], [10, 3])
  })

  it('never counts beyond a limit nor below zero', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom<CircuitKind>(...KINDS), fc.boolean()), { maxLength: 80, size: 'max' }),
        (steps) => {
          const breaker = new CircuitBreaker({ connections: 3, pending: 2, requests: 4, retries: 1, retryShare: 0 })
          const held = [0, 0, 0, 0]
          for (const [kind, ends] of steps) {
            if (ends && held[kind]! > 0) {
              breaker.release(kind)
              held[kind]! -= 1
            } else if (!ends && breaker.acquire(kind)) held[kind]! += 1
            assert.equal(breaker.count(kind), held[kind])
            assert.ok(held[kind]! <= breaker.limit(kind))
          }
        },
      ),
    )
  })
})
