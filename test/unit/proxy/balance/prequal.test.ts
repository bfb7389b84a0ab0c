import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { BalancedEndpoint } from '../../../../src/proxy/balance/balanced-endpoint.ts'
import { LoadSignal } from '../../../../src/proxy/balance/load-signal.ts'
import { ERRED } from '../../../../src/proxy/balance/outcome.ts'
import { Prequal } from '../../../../src/proxy/balance/prequal.ts'
import { ProbePool } from '../../../../src/proxy/balance/probe-pool.ts'
import { SlidingQuantile } from '../../../../src/proxy/balance/sliding-quantile.ts'
import { endpoints, scripted } from './endpoints.ts'

/** Knows its endpoints; probes go nowhere. */
function prepared(all: readonly BalancedEndpoint[], options: { readonly removedPerQuery?: number } = {}): Prequal {
  const prequal = new Prequal({ random: () => 0, probe: () => {}, removedPerQuery: 0, ...options })
  prequal.pick(all, 0, 0)
  return prequal
}

describe('Prequal', () => {
  const rows: readonly {
    readonly name: string
    readonly answers: readonly (readonly [inFlight: number, latencyMs: number])[]
    readonly want: number
  }[] = [
    {
      name: 'the fastest of the cold ones',
      answers: [
        [4, 30],
        [3, 10],
        [1, 20],
        [90, 1],
      ],
      want: 1,
    },
    {
      name: 'however few are in flight at another',
      answers: [
        [0, 30],
        [3, 10],
        [1, 20],
        [90, 1],
      ],
      want: 1,
    },
  ]
  for (const { name, answers, want } of rows) {
    it(`takes ${name}`, () => {
      const all = endpoints(10)
      const prequal = prepared(all)
      // The mark between cold and hot is 5 in flight.
      for (let i = 0; i < 128; i++) prequal.probed(all[9]!, 5, 500, 0)
      for (const [i, [inFlight, latencyMs]] of answers.entries()) prequal.probed(all[i]!, inFlight, latencyMs, 0)
      assert.equal(prequal.pick(all, 0, 0), want)
    })
  }

  it('takes the one with the fewest in flight when all are hot', () => {
    const all = endpoints(10)
    const prequal = prepared(all)
    // Times gone by with little in flight set the mark; the answers at hand are all above it.
    for (let i = 0; i < 128; i++) prequal.probed(all[0]!, 1, 1, 0)
    prequal.probed(all[1]!, 9, 1, 0)
    prequal.probed(all[2]!, 5, 99, 0)
    prequal.probed(all[0]!, 7, 1, 0)
    assert.equal(prequal.pick(all, 0, 0), 2)
  })

  it('chooses at random with fewer than two answers, and forgets them after a second', () => {
    const all = endpoints(10)
    const prequal = new Prequal({ random: scripted(0.55), probe: () => {}, removedPerQuery: 0 })
    assert.equal(prequal.pick(all, 0, 0), 5)
    prequal.probed(all[1]!, 1, 1, 0)
    assert.equal(prequal.pick(all, 0, 0), 5)
    prequal.probed(all[2]!, 1, 2, 0)
    assert.equal(prequal.pick(all, 0, 1_000), 1)
    assert.equal(prequal.pick(all, 0, 1_001), 5)
    assert.equal(prequal.poolSize(), 0)
  })

  it('counts what it sends: the same answer does not win for ever', () => {
    const all = endpoints(10)
    const prequal = prepared(all)
    for (let i = 0; i < 5; i++) prequal.probed(all[i]!, 2, 10 + i, 0)
    const taken = Array.from({ length: 5 }, () => prequal.pick(all, 0, 0))
    assert.ok(new Set(taken).size > 1, taken.join(' '))
  })

  it('sends three probes a query to three endpoints, and a fraction now and then', () => {
    const all = endpoints(20)
    const asked: BalancedEndpoint[] = []
    const prequal = new Prequal({ random: Math.random, probe: (endpoint) => asked.push(endpoint) })
    prequal.pick(all, 0, 0)
    assert.equal(new Set(asked).size, 3)
    const few = endpoints(3)
    for (let i = 0; i < 50; i++) {
      asked.length = 0
      prequal.pick(few, 0, 0)
      assert.equal(new Set(asked).size, 3)
    }
    const seldom = new Prequal({ random: Math.random, probe: (endpoint) => asked.push(endpoint), probesPerQuery: 0.25 })
    asked.length = 0
    for (let i = 0; i < 8; i++) seldom.pick(all, 0, 0)
    assert.equal(asked.length, 2)
  })

  it('removes one answer a query, the oldest and the worst in turn, and those used up', () => {
    const all = endpoints(200)
    // With 200 endpoints an answer is used 1.14 times, which this draw rounds to once.
    const prequal = new Prequal({ random: () => 0.5, probe: () => {}, removedPerQuery: 1 })
    prequal.pick(all, 0, 0)
    for (const [atMs, member, latencyMs] of [
      [1, 0, 10],
      [2, 1, 90],
      [3, 2, 20],
      [4, 5, 91],
      [5, 3, 95],
      [6, 6, 93],
    ] as const) {
      prequal.probed(all[member]!, 5, latencyMs, atMs)
    }
    // The query before the answers came has removed the oldest of none: it is the worst's turn, 3.
    assert.deepEqual([prequal.pick(all, 0, 6), prequal.poolSize()], [0, 4])
    // The oldest, 1, goes; then 6, the worst of the last two.
    assert.deepEqual([prequal.pick(all, 0, 6), prequal.poolSize()], [2, 2])
    assert.deepEqual([prequal.pick(all, 0, 6), prequal.poolSize()], [5, 0])
  })

  it('passes over an endpoint that it sees failing, however idle that looks', () => {
    const all = endpoints(10)
    const prequal = prepared(all)
    for (let i = 0; i < 5; i++) prequal.finished(all[3]!, 0, 0.1, ERRED)
    prequal.probed(all[3]!, 0, 0.1, 0)
    prequal.probed(all[4]!, 8, 50, 0)
    prequal.probed(all[5]!, 9, 60, 0)
    for (let i = 0; i < 3; i++) assert.notEqual(prequal.pick(all, 0, 0), 3)
  })

  it('carries answers over to another set of endpoints, without those that left', () => {
    const all = endpoints(10)
    const prequal = prepared(all)
    prequal.probed(all[1]!, 1, 1, 0)
    prequal.probed(all[7]!, 1, 5, 0)
    prequal.probed(all[8]!, 1, 6, 0)
    const left = all.slice(5)
    assert.equal(prequal.pick(left, 0, 0), 2)
    prequal.probed(all[1]!, 1, 1, 0)
    assert.ok(prequal.poolSize() <= 2, 'an answer of one that left is dropped')
  })

  it('without probes goes by what the proxy itself has in flight', () => {
    const all = endpoints(4)
    for (const endpoint of all) {
      endpoint.latencyMs = 10
      endpoint.latencyAtMs = 0
      endpoint.failureRate = 0
      endpoint.inFlight = 9
    }
    all[2]!.inFlight = 0
    const prequal = new Prequal({ random: Math.random, probesPerQuery: 4, poolSize: 16 })
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 200; i++) counts[prequal.pick(all, 0, i)]! += 1
    assert.equal(Math.max(...counts), counts[2])
  })

  it('without probes expects of a busy endpoint what all that is under way there will take', () => {
    const all = endpoints(2)
    for (const [i, endpoint] of all.entries()) {
      endpoint.latencyMs = i === 1 ? 40 : 10
      endpoint.latencyAtMs = 0
      endpoint.failureRate = 0
      endpoint.inFlight = i === 1 ? 0 : 9
    }
    const prequal = new Prequal({ random: () => 0, probesPerQuery: 2, removedPerQuery: 0 })
    prequal.pick(all, 0, 0)
    prequal.pick(all, 0, 0)
    assert.equal(prequal.pick(all, 0, 0), 1)
  })

  it('has no choice among none and one', () => {
    const prequal = new Prequal({ random: Math.random })
    assert.equal(prequal.pick([], 0, 0), -1)
    assert.equal(prequal.pick(endpoints(1), 0, 0), 0)
  })
})

describe('probe pool', () => {
  it('never holds more than its size, nor two answers of one member', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), member: fc.nat({ max: 9 }), inFlight: fc.nat({ max: 5 }) }),
      fc.record({ kind: fc.constantFrom('oldest' as const, 'worst' as const, 'use' as const) }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60, size: 'max' }), (size, steps) => {
        const pool = new ProbePool(size)
        for (const [atMs, step] of steps.entries()) {
          if (step.kind === 'add') pool.add(step.member, step.inFlight, step.inFlight, atMs, 2)
          else if (step.kind === 'oldest') pool.dropOldest()
          else if (step.kind === 'worst') pool.dropWorst(2)
          else if (pool.size() > 0) pool.use(0)
          const members = Array.from({ length: pool.size() }, (_, place) => pool.memberAt(place))
          assert.ok(members.length <= size)
          assert.equal(new Set(members).size, members.length)
          if (step.kind === 'add') assert.ok(members.includes(step.member))
        }
      }),
    )
  })

  it('drops the hottest of the hot as the worst, else the slowest', () => {
    const pool = new ProbePool(4)
    pool.add(0, 1, 90, 0, 1)
    pool.add(1, 7, 1, 0, 1)
    pool.add(2, 9, 2, 0, 1)
    pool.dropWorst(5)
    pool.dropWorst(8)
    assert.deepEqual([pool.size(), pool.memberAt(0)], [1, 1])
  })

  it('drops an answer after its last use', () => {
    const pool = new ProbePool(2)
    pool.add(0, 1, 1, 0, 2)
    pool.use(0)
    assert.deepEqual([pool.size(), pool.inFlightAt(0)], [1, 2])
    pool.use(0)
    assert.equal(pool.size(), 0)
  })
})

describe('sliding quantile', () => {
  it('is what sorting the latest would give', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 80, size: 'max' }), (values) => {
        const quantile = new SlidingQuantile(0.84, 16, 30)
        for (const value of values) quantile.add(value)
        const latest = values.slice(-16).map((value) => Math.min(value, 30))
        latest.sort((a, b) => a - b)
        assert.equal(quantile.value(), latest[Math.ceil(0.84 * latest.length) - 1])
      }),
    )
  })
})

describe('load signal', () => {
  it('expects what requests took that came with as many in flight', () => {
    const signal = new LoadSignal()
    assert.ok(Number.isNaN(signal.latencyMs()))
    for (const ms of [10, 30, 20]) signal.ended(signal.arrived(), ms)
    assert.equal(signal.latencyMs(), 20)
    const first = signal.arrived()
    signal.ended(signal.arrived(), 100)
    assert.equal(signal.inFlight(), 1)
    assert.equal(signal.latencyMs(), 100)
    signal.ended(first, 40)
    assert.equal(signal.latencyMs(), 20)
  })

  it('takes the nearest number in flight that it knows of, and only the latest sixteen', () => {
    const signal = new LoadSignal()
    for (let i = 0; i < 16; i++) signal.ended(signal.arrived(), 1_000)
    for (let i = 0; i < 16; i++) signal.ended(signal.arrived(), 7)
    for (let i = 0; i < 300; i++) signal.arrived()
    assert.equal(signal.latencyMs(), 7)
  })
})

describe('Prequal with fewer answers than probes', () => {
  it('uses each the more often, so that the choice is not left to chance', () => {
    const all = endpoints(8)
    const prequal = new Prequal({ random: Math.random, probe: () => {} })
    let turn = 0
    let chosenByChance = 0
    for (let query = 0; query < 2_000; query++) {
      // One answer to two queries, where three to each are meant.
      if (query % 2 === 0) prequal.probed(all[turn++ % 8]!, 1, 1, query)
      if (query > 500 && prequal.poolSize() < 2) chosenByChance++
      prequal.pick(all, 0, query)
    }
    assert.ok(chosenByChance < 15, `${chosenByChance} of 1500 choices`)
  })
})
