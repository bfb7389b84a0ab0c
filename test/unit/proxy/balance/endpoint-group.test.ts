import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type BalancedEndpoint, TRIAL_RUNNING } from '../../../../src/proxy/balance/balanced-endpoint.ts'
import type { Balancer } from '../../../../src/proxy/balance/balancer.ts'
import { eligibleEndpoints } from '../../../../src/proxy/balance/eligible-endpoints.ts'
import { EndpointGroup } from '../../../../src/proxy/balance/endpoint-group.ts'
import type { HealthPolicy } from '../../../../src/proxy/balance/health-policy.ts'
import { ERRED, SUCCEEDED } from '../../../../src/proxy/balance/outcome.ts'
import { roundRobin } from '../../../../src/proxy/balance/round-robin.ts'
import { slowStartFactor } from '../../../../src/proxy/balance/slow-start.ts'
import { splitByZone } from '../../../../src/proxy/balance/zone-preference.ts'
import { endpoints } from './endpoints.ts'

const NOW = 1_000

/** Places of `some` in `all`. */
function places(all: readonly BalancedEndpoint[], some: readonly BalancedEndpoint[]): number[] {
  return some.map((endpoint) => all.indexOf(endpoint))
}

describe('eligible endpoints', () => {
  const rows: readonly {
    readonly name: string
    readonly terminating?: readonly number[]
    readonly ejected?: readonly number[]
    readonly trial?: readonly number[]
    readonly weightless?: readonly number[]
    readonly count?: number
    readonly threshold?: number
    readonly want: readonly number[]
    readonly panic?: boolean
  }[] = [
    { name: 'all when nothing is the matter', want: [0, 1, 2, 3] },
    { name: 'none of none', count: 0, want: [] },
    { name: 'not those that end', terminating: [1], want: [0, 2, 3] },
    { name: 'those that end when there are no others', terminating: [0, 1, 2, 3], want: [0, 1, 2, 3] },
    { name: 'not those ejected', ejected: [3], want: [0, 1, 2] },
    { name: 'not one that is being tried', trial: [0], want: [1, 2, 3] },
    { name: 'not those of no weight', weightless: [1, 2], want: [0, 3] },
    { name: 'none when none has any', weightless: [0, 1, 2, 3], want: [] },
    { name: 'one that ends rather than one of no weight', terminating: [0], weightless: [1, 2, 3], want: [0] },
    { name: 'half of them, which is not yet panic', ejected: [0, 1], want: [2, 3] },
    { name: 'all in panic', ejected: [0, 1, 2], want: [0, 1, 2, 3], panic: true },
    { name: 'all in panic but those that end', terminating: [3], ejected: [0, 1], want: [0, 1, 2], panic: true },
    { name: 'no panic where it is turned off', ejected: [0, 1, 2], threshold: 0, want: [3] },
    { name: 'yet never none', ejected: [0, 1, 2, 3], threshold: 0, want: [0, 1, 2, 3], panic: true },
    { name: 'the ejected one before those that end', terminating: [1, 2, 3], ejected: [0], want: [0], panic: true },
  ]
  for (const {
    name,
    terminating = [],
    ejected = [],
    trial = [],
    weightless = [],
    count = 4,
    threshold = 0.5,
    want,
    panic = false,
  } of rows) {
    it(`are ${name}`, () => {
      const all = endpoints(count)
      for (const i of terminating) all[i]!.terminating = true
      for (const i of ejected) all[i]!.ejectedUntilMs = NOW + 500 + i
      for (const i of weightless) all[i]!.weight = 0
      for (const i of trial) all[i]!.trial = TRIAL_RUNNING
      const eligible = eligibleEndpoints(all, NOW, threshold)
      assert.deepEqual(places(all, eligible.endpoints), want)
      assert.equal(eligible.panic, panic)
      assert.equal(eligible.recheckAtMs, ejected.length > 0 ? NOW + 500 + ejected[0]! : Number.POSITIVE_INFINITY)
    })
  }
})

describe('zone preference', () => {
  const rows = [
    { name: 'no zone of its own', zone: undefined, zones: ['a', 'b'], out: [], near: [0, 1], far: [], share: 1 },
    { name: 'all healthy', zone: 'a', zones: ['a', 'b', 'a'], out: [], near: [0, 2], far: [1], share: 1 },
    { name: 'none in the zone', zone: 'c', zones: ['a', 'b'], out: [], near: [], far: [0, 1], share: 0 },
    { name: 'all in the zone', zone: 'a', zones: ['a', 'a'], out: [], near: [0, 1], far: [], share: 1 },
    { name: 'half of the zone lost', zone: 'a', zones: ['a', 'a', 'b'], out: [0], near: [1], far: [2], share: 0.7 },
    {
      name: 'a quarter of it lost',
      zone: 'a',
      zones: ['a', 'a', 'a', 'a', 'b'],
      out: [0],
      near: [1, 2, 3],
      far: [4],
      share: 1,
    },
    { name: 'the whole of it lost', zone: 'a', zones: ['a', 'b'], out: [0], near: [], far: [1], share: 0 },
  ] as const
  for (const { name, zone, zones, out, near, far, share } of rows) {
    it(`splits with ${name}`, () => {
      const all = endpoints(zones.length, (i) => ({ zone: zones[i] }))
      const eligible = all.filter((_, i) => !(out as readonly number[]).includes(i))
      const split = splitByZone(all, eligible, zone)
      assert.deepEqual([places(all, split.near), places(all, split.far), split.nearShare], [near, far, share])
    })
  }
})

it('a zone whose endpoints are ending has lost nothing that it still had', () => {
  const all = endpoints(3, (i) => ({ zone: i < 2 ? 'a' : 'b' }))
  all[0]!.terminating = true
  assert.equal(splitByZone(all, all.slice(1), 'a').nearShare, 1)
})

describe('slow start', () => {
  const rows = [
    { name: 'begins at a tenth', sinceMs: 0, aggression: 1, want: 0.1 },
    { name: 'is in proportion to time', sinceMs: 5_000, aggression: 1, want: 0.5 },
    { name: 'is quicker at first with more aggression', sinceMs: 2_500, aggression: 2, want: 0.5 },
    { name: 'is slower at first with less', sinceMs: 5_000, aggression: 0.5, want: 0.25 },
    { name: 'ends with its window', sinceMs: 10_000, aggression: 1, want: 1 },
    { name: 'is over for one that was always there', sinceMs: Number.POSITIVE_INFINITY, aggression: 1, want: 1 },
    { name: 'has not begun for one that is ready in the future', sinceMs: -5, aggression: 1, want: 0.1 },
  ]
  for (const { name, sinceMs, aggression, want } of rows) {
    it(name, () => assert.equal(slowStartFactor(sinceMs, { windowMs: 10_000, aggression }), want))
  }
})

/** Notes what it is asked; takes the first. */
function noting(): Balancer & { readonly asked: (readonly BalancedEndpoint[])[]; readonly told: string[] } {
  const asked: (readonly BalancedEndpoint[])[] = []
  const told: string[] = []
  return {
    asked,
    told,
    pick(from) {
      asked.push(from)
      return from.length - 1
    },
    started: (endpoint) => told.push(`started ${endpoint.name} ${endpoint.inFlight}`),
    finished: (endpoint, _now, latencyMs, outcome) =>
      told.push(`finished ${endpoint.inFlight} ${latencyMs} ${outcome}`),
  }
}

const IDLE: HealthPolicy = {
  started: () => false,
  finished: () => false,
  sweep: () => false,
  nextSweepAtMs: () => Number.POSITIVE_INFINITY,
}

describe('endpoint group', () => {
  it('counts what is in flight and tells the balancer', () => {
    const balancer = noting()
    const group = new EndpointGroup({ createBalancer: () => balancer, random: Math.random })
    const [endpoint] = endpoints(1)
    group.replace([endpoint!])
    assert.equal(group.pick(0, 0), endpoint)
    group.started(endpoint!, 0)
    group.started(endpoint!, 0)
    group.finished(endpoint!, 5, 5, SUCCEEDED)
    assert.equal(endpoint!.inFlight, 1)
    assert.deepEqual(balancer.told, ['started 10.0.0.0:80 1', 'started 10.0.0.0:80 2', 'finished 1 5 0'])
  })

  it('tells the balancer of the zone that an endpoint is in', () => {
    const balancers = [noting(), noting()]
    let made = 0
    const group = new EndpointGroup({ createBalancer: () => balancers[made++]!, random: Math.random, zone: 'a' })
    const [near, far] = endpoints(2, (i) => ({ zone: i === 0 ? 'a' : 'b' }))
    group.replace([near!, far!])
    group.started(far!, 0)
    group.finished(far!, 0, 1, SUCCEEDED)
    group.started(near!, 0)
    assert.deepEqual(
      balancers.map(({ told }) => told),
      [[`started ${near!.name} 1`], [`started ${far!.name} 1`, 'finished 0 1 0']],
    )
  })

  it('gives the balancer the same array until something changes', () => {
    const balancer = noting()
    const group = new EndpointGroup({ createBalancer: () => balancer, random: Math.random })
    const all = endpoints(3)
    group.replace(all)
    group.pick(0, 0)
    group.changed()
    group.pick(0, 1)
    assert.equal(balancer.asked[0], balancer.asked[1])
    all[0]!.terminating = true
    group.changed()
    group.pick(0, 2)
    assert.deepEqual(places(all, balancer.asked[2]!), [1, 2])
    const ejected = all[2]!
    ejected.ejectedUntilMs = 100
    group.changed()
    assert.equal(group.pick(0, 99), all[1])
    assert.equal(group.isEligible(ejected, 99), false)
    assert.equal(group.pick(0, 100), ejected, 'comes back by time alone')
    assert.equal(group.isEligible(ejected, 100), true)
    group.replace([...all])
    group.pick(0, 101)
    assert.notEqual(balancer.asked.at(-1), balancer.asked.at(-2), 'weights may be others')
  })

  it('knows when it is in panic, and when it has nothing', () => {
    const group = new EndpointGroup({ createBalancer: () => roundRobin(() => 0), random: Math.random })
    assert.equal(group.pick(0, 0), undefined)
    const all = endpoints(2)
    for (const endpoint of all) endpoint.ejectedUntilMs = 10
    group.replace(all)
    assert.notEqual(group.pick(0, 0), undefined)
    assert.equal(group.inPanic(), true)
    group.pick(0, 10)
    assert.equal(group.inPanic(), false)
    assert.equal(group.all(), all)
  })

  it('prefers its zone, and sends on what that can no longer carry', () => {
    const all = endpoints(3, (i) => ({ zone: i < 2 ? 'a' : 'b' }))
    let draw = 0.5
    const group = new EndpointGroup({ createBalancer: () => roundRobin(() => 0), random: () => draw, zone: 'a' })
    group.replace(all)
    for (let i = 0; i < 4; i++) assert.equal(group.pick(0, 0)?.zone, 'a')
    all[0]!.ejectedUntilMs = 100
    group.changed()
    assert.equal(group.pick(0, 0), all[1])
    draw = 0.7
    assert.equal(group.pick(0, 0), all[2])
  })

  it('lets the weight of a new endpoint grow', () => {
    const all = endpoints(2, (i) => ({ weight: 4, readySinceMs: i === 0 ? undefined : 1_000 }))
    const group = new EndpointGroup({
      createBalancer: () => roundRobin(() => 0),
      random: Math.random,
      slowStart: { windowMs: 10_000 },
    })
    group.replace(all)
    const weights = [1_000, 1_050, 6_000, 11_000].map((nowMs) => {
      group.pick(0, nowMs)
      return [all[0]!.effectiveWeight, all[1]!.effectiveWeight]
    })
    assert.deepEqual(weights, [
      [4, 0.4],
      [4, 0.4],
      [4, 2],
      [4, 4],
    ])
  })

  it('asks the health policy for what is due, and who is eligible after each of its decisions', () => {
    let sweepAtMs = 0
    const swept: number[] = []
    const all = endpoints(2)
    const group = new EndpointGroup({
      createBalancer: () => roundRobin(() => 0),
      random: Math.random,
      panicThreshold: 0,
      health: {
        ...IDLE,
        finished(endpoint, members, nowMs, outcome) {
          assert.equal(members, all)
          if (outcome === ERRED) endpoint.ejectedUntilMs = nowMs + 50
          return outcome === ERRED
        },
        sweep(_all, nowMs) {
          swept.push(nowMs)
          sweepAtMs = nowMs + 100
          return false
        },
        nextSweepAtMs: () => sweepAtMs,
      },
    })
    group.replace(all)
    for (const nowMs of [0, 50, 99, 100, 150, 250]) group.pick(0, nowMs)
    assert.deepEqual(swept, [0, 100, 250])
    group.started(all[0]!, 260)
    group.finished(all[0]!, 260, 1, ERRED)
    for (let i = 0; i < 3; i++) assert.equal(group.pick(0, 270), all[1])
    assert.equal(group.isEligible(all[0]!, 310), true)
  })

  it('finds another endpoint for a retry wherever there is one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(fc.nat({ max: 5 })), fc.nat(), (count, triedAt, key) => {
        const all = endpoints(count, (i) => ({ zone: i % 2 === 0 ? 'a' : 'b' }))
        const group = new EndpointGroup({ createBalancer: noting, random: () => 0.5, zone: 'a' })
        group.replace(all)
        const tried = triedAt.map((i) => all[i % count]!)
        const choice = group.pickOther(tried, key, 0)
        assert.notEqual(choice, undefined)
        assert.equal(tried.includes(choice!), new Set(tried).size === count)
      }),
    )
  })
})
