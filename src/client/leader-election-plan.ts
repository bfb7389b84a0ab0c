import type { Lease, LeaseSpec } from '../api/types/coordination-v1.gen.ts'
import type { Millis } from '../base/clock.ts'

/** client-go's periods: a lease of 15 s, given up after 10 s without a renewal, tried every 2 s. */
export interface ElectionTimings {
  readonly leaseDurationMs: Millis
  readonly renewDeadlineMs: Millis
  readonly retryPeriodMs: Millis
}

export const ELECTION_TIMINGS: ElectionTimings = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
}

/**
 * One uninterrupted time of leading: who, and which transition of the Lease it began with. Every acquisition counts as a
 * transition, also by the holder itself after a restart, so that no two terms are alike.
 */
export interface Term {
  readonly identity: string
  readonly transitions: number
}

/** A version of the Lease and when it was first seen here, in monotonic time: clocks of other machines say nothing. */
export interface ObservedLease {
  readonly resourceVersion: string
  readonly sinceMs: Millis
}

export type ElectionStep =
  /** Nobody leads: write this, in the place of the version that was read (or of none). */
  | { readonly kind: 'acquire'; readonly spec: LeaseSpec; readonly term: Term }
  /** The term goes on with this. */
  | { readonly kind: 'renew'; readonly spec: LeaseSpec }
  /** Another one leads, at least for this long if it says nothing more. */
  | { readonly kind: 'wait'; readonly holder: string; readonly forMs: Millis }
  /** The term has ended: the Lease is another's. */
  | { readonly kind: 'lost'; readonly holder: string }

export interface ElectionInput {
  /** What is stored; undefined when there is no Lease yet. */
  readonly lease: Lease | undefined
  /** When the stored version was first seen. */
  readonly observed: ObservedLease | undefined
  readonly identity: string
  /** The term that is running; undefined when this one does not lead. */
  readonly term: Term | undefined
  readonly timings: ElectionTimings
  /** Wall clock, for what people read in the Lease. */
  readonly nowMs: Millis
  readonly monotonicMs: Millis
}

export function isOfTerm(lease: Lease | undefined, { identity, transitions }: Term): boolean {
  return lease?.spec?.holderIdentity === identity && (lease.spec.leaseTransitions ?? 0) === transitions
}

/** Kubernetes' MicroTime. */
export function microTime(ms: Millis): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}

/** What to do about a Lease, as client-go's `tryAcquireOrRenew` does, but with a new transition for every term. */
export function planElection(input: ElectionInput): ElectionStep {
  const { lease, observed, identity, term, timings, monotonicMs } = input
  const now = microTime(input.nowMs)
  const holder = lease?.spec?.holderIdentity ?? ''
  const leaseDurationSeconds = Math.ceil(timings.leaseDurationMs / 1_000)
  if (term !== undefined) {
    return isOfTerm(lease, term)
      ? { kind: 'renew', spec: { ...lease!.spec, leaseDurationSeconds, renewTime: now } }
      : { kind: 'lost', holder }
  }
  // The holder's own word for how long it leads without a renewal; ours when it says nothing.
  const durationMs = (lease?.spec?.leaseDurationSeconds ?? leaseDurationSeconds) * 1_000
  const leftMs = (observed?.sinceMs ?? monotonicMs) + durationMs - monotonicMs
  if (holder !== '' && holder !== identity && leftMs > 0) return { kind: 'wait', holder, forMs: leftMs }
  const transitions = lease === undefined ? 0 : (lease.spec?.leaseTransitions ?? 0) + 1
  return {
    kind: 'acquire',
    term: { identity, transitions },
    spec: {
      holderIdentity: identity,
      leaseDurationSeconds,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: transitions,
    },
  }
}

/** What a leader that ends of its own will leaves: nobody has to wait for the lease to run out. */
export function releasedSpec({ spec = {} }: Lease, nowMs: Millis): LeaseSpec {
  return { ...spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(nowMs) }
}
