import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Lease, LeaseSpec } from '../../../src/api/types/coordination-v1.gen.ts'
import {
  ELECTION_TIMINGS,
  type ElectionInput,
  isOfTerm,
  planElection,
  releasedSpec,
} from '../../../src/client/leader-election-plan.ts'

const NOW = Date.UTC(2026, 0, 1)
const lease = (spec: LeaseSpec): Lease => ({ metadata: { name: 'l', resourceVersion: '7' }, spec })
const theirs = (spec: LeaseSpec = {}): Lease =>
  lease({ holderIdentity: 'other', leaseDurationSeconds: 15, leaseTransitions: 3, ...spec })
const mine = (spec: LeaseSpec = {}): Lease =>
  lease({ holderIdentity: 'me', leaseDurationSeconds: 15, leaseTransitions: 4, acquireTime: 'then', ...spec })

function plan(input: Partial<ElectionInput>) {
  return planElection({
    lease: undefined,
    observed: undefined,
    identity: 'me',
    term: undefined,
    timings: ELECTION_TIMINGS,
    nowMs: NOW,
    monotonicMs: 100_000,
    ...input,
  })
}

const since = (sinceMs: number) => ({ resourceVersion: '7', sinceMs })
const TERM = { identity: 'me', transitions: 4 }

describe('what a candidate does about a lease', () => {
  it('takes one that is not there', () => {
    assert.deepEqual(plan({}), {
      kind: 'acquire',
      term: { identity: 'me', transitions: 0 },
      spec: {
        holderIdentity: 'me',
        leaseDurationSeconds: 15,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        renewTime: '2026-01-01T00:00:00.000000Z',
        leaseTransitions: 0,
      },
    })
  })

  it("waits while another's may still be valid, counted from when its last change was seen here", () => {
    assert.deepEqual(plan({ lease: theirs(), observed: since(95_000) }), {
      kind: 'wait',
      holder: 'other',
      forMs: 10_000,
    })
    assert.equal(plan({ lease: theirs(), observed: since(85_001) }).kind, 'wait')
    assert.equal(plan({ lease: theirs(), observed: since(85_000) }).kind, 'acquire')
    // Never seen before: its time begins now, whatever the clock of its writer says.
    assert.equal(plan({ lease: theirs({ renewTime: '1970-01-01T00:00:00.000000Z' }) }).kind, 'wait')
    assert.equal(plan({ lease: theirs({ leaseDurationSeconds: 60 }), observed: since(50_000) }).kind, 'wait')
  })

  it('takes one that was released or has run out, as the next transition', () => {
    for (const given of [theirs({ holderIdentity: '' }), lease(releasedSpec(theirs(), NOW))]) {
      const step = plan({ lease: given })
      assert(step.kind === 'acquire')
      assert.deepEqual(step.term, { identity: 'me', transitions: 4 })
    }
  })

  it('begins a new term on its own lease of before a restart, at once', () => {
    const step = plan({ lease: mine(), observed: since(99_999) })
    assert(step.kind === 'acquire')
    assert.equal(step.term.transitions, 5)
    assert(!isOfTerm(mine(), step.term))
  })
})

describe('what a leader does about its lease', () => {
  it('renews it and changes nothing else', () => {
    const step = plan({ lease: mine(), term: TERM })
    assert(step.kind === 'renew')
    assert.deepEqual(step.spec, { ...mine().spec, renewTime: '2026-01-01T00:00:00.000000Z' })
  })

  it('has lost it when it is of another term, also one of its own name', () => {
    for (const given of [theirs(), mine({ leaseTransitions: 5 }), mine({ holderIdentity: '' }), undefined])
      assert.equal(plan({ lease: given, term: TERM }).kind, 'lost')
  })
})

it('no two candidates lead at the same time, whatever the order of their steps', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ who: fc.constantFrom('a', 'b', 'c'), ms: fc.nat(9_000), restarts: fc.boolean() }), {
        maxLength: 120,
      }),
      (steps) => {
        let stored: Lease | undefined
        let version = 0
        let now = 0
        const candidates = new Map<
          string,
          {
            observed?: { resourceVersion: string; sinceMs: number }
            term?: { identity: string; transitions: number }
            renewedMs: number
          }
        >()
        for (const { who, ms, restarts } of steps) {
          now += ms
          const me = restarts ? { renewedMs: 0 } : (candidates.get(who) ?? { renewedMs: 0 })
          candidates.set(who, me)
          if (me.term !== undefined && now - me.renewedMs > ELECTION_TIMINGS.renewDeadlineMs) delete me.term
          const resourceVersion = stored?.metadata?.resourceVersion ?? ''
          if (me.observed?.resourceVersion !== resourceVersion) me.observed = { resourceVersion, sinceMs: now }
          const step = plan({
            identity: who,
            lease: stored,
            observed: me.observed,
            term: me.term,
            monotonicMs: now,
          })
          if (step.kind === 'lost') delete me.term
          if (step.kind === 'acquire' || step.kind === 'renew') {
            stored = { metadata: { resourceVersion: `${++version}` }, spec: step.spec }
            me.renewedMs = now
            if (step.kind === 'acquire') me.term = step.term
          }
          const leading = [...candidates.values()].filter(
            ({ term, renewedMs }) => term !== undefined && now - renewedMs <= ELECTION_TIMINGS.renewDeadlineMs,
          )
          // By clocks that agree, at most one; and whatever the clocks, the lease is of one term only.
          assert(leading.length <= 1)
          assert(leading.every(({ term }) => isOfTerm(stored, term!)))
        }
      },
    ),
    { numRuns: 300 },
  )
})
