import { LEASES } from '../api/resource-type.ts'
import { isReason } from '../api/status-error.ts'
import type { Lease } from '../api/types/coordination-v1.gen.ts'
import { type Clock, type Millis, sleep } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from './client.ts'
import { createInformer } from './create-informer.ts'
import {
  ELECTION_TIMINGS,
  type ElectionTimings,
  isOfTerm,
  type ObservedLease,
  planElection,
  releasedSpec,
  type Term,
} from './leader-election-plan.ts'

/** What a leader's writes stand on: the Lease at a revision at which it was this term's. */
export interface Leadership {
  readonly term: Term
  /** The newest revision of the Lease that is known to be of this term; undefined once the term has ended. */
  revision(): bigint | undefined
  /** Whether this version of the Lease is of this term. */
  isHeld(lease: Lease): boolean
}

export interface LeaderElectionOptions {
  readonly client: Client
  readonly namespace: string
  /** The Lease's name: what is led. */
  readonly name: string
  /** One for each candidate, the same after its restart. */
  readonly identity: string
  readonly timings?: ElectionTimings
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** Starts what only a leader may do; closed when the term ends. */
  readonly lead: (leadership: Leadership) => { close(): Promise<void> }
}

export interface RunningElection {
  readonly isLeader: boolean
  /** Ends the term, if there is one, and lets the next candidate begin at once. */
  close(): Promise<void>
}

/** Spreads candidates out, as client-go does. */
const JITTER = 1.2

/**
 * Stands for election for ever: waits for the Lease to be free, leads until a renewal has failed for too long or the
 * Lease is another's, ends what it had started, stands again. A free Lease is noticed by a watch, an expired one when
 * its time is up; otherwise it is asked for every retry period.
 */
export function runLeaderElection(options: LeaderElectionOptions): RunningElection {
  const election = new Election(options)
  const running = election.run()
  return {
    get isLeader() {
      return election.isLeader
    },
    async close() {
      election.stop()
      await running
    },
  }
}

class Election {
  readonly #options: LeaderElectionOptions
  readonly #timings: ElectionTimings
  readonly #stop = new AbortController()
  #observed: ObservedLease | undefined
  #term: Term | undefined
  #lease: Lease | undefined
  #wake = new AbortController()
  /** When another one's lease runs out, if it is not renewed. */
  #freeInMs: Millis = Number.POSITIVE_INFINITY

  constructor(options: LeaderElectionOptions) {
    this.#options = options
    this.#timings = options.timings ?? ELECTION_TIMINGS
  }

  get isLeader(): boolean {
    return this.#term !== undefined
  }

  stop(): void {
    this.#stop.abort()
    this.#wake.abort()
  }

  async run(): Promise<void> {
    const { namespace, name, client, clock, logger, random } = this.#options
    const fieldSelector = `metadata.name=${name}`
    const watch = createInformer<Lease>({ client, type: LEASES, namespace, fieldSelector, clock, logger, random })
    watch.onChange(({ type, object }) => {
      this.#observe(type === 'deleted' ? undefined : object)
      if (type === 'deleted' || !object.spec?.holderIdentity) this.#wake.abort()
    })
    try {
      while (!this.#stop.signal.aborted) {
        const term = await this.#acquire()
        if (term !== undefined) await this.#leadUntilLost(term)
      }
    } finally {
      watch.close()
    }
  }

  /** Tries until this one leads; undefined when it was stopped first. */
  async #acquire(): Promise<Term | undefined> {
    const { retryPeriodMs } = this.#timings
    while (!this.#stop.signal.aborted) {
      if (await this.#step()) return this.#term
      const retryMs = retryPeriodMs * (1 + JITTER * this.#options.random())
      await this.#pause(Math.min(retryMs, this.#freeInMs))
    }
    return undefined
  }

  async #leadUntilLost(term: Term): Promise<void> {
    const { name, logger, clock, lead } = this.#options
    const { renewDeadlineMs, retryPeriodMs } = this.#timings
    logger.info({ lease: name, ...term }, 'leading')
    const parts = lead({
      term,
      revision: () => {
        const version = this.#term === term ? this.#lease?.metadata?.resourceVersion : undefined
        return version === undefined ? undefined : BigInt(version)
      },
      isHeld: (lease) => this.#term === term && isOfTerm(lease, term),
    })
    let renewedMs = clock.monotonic()
    while (!this.#stop.signal.aborted) {
      await sleep(clock, retryPeriodMs, this.#stop.signal)
      if (this.#stop.signal.aborted) break
      const asked = clock.monotonic()
      // Also after a pause of the whole process: nothing is tried at the end of a term that has long run out.
      const ended = asked - renewedMs > renewDeadlineMs
      if (!ended && (await this.#stepWithin(renewedMs + renewDeadlineMs - asked))) renewedMs = asked
      if (this.#term === undefined || clock.monotonic() - renewedMs > renewDeadlineMs) break
    }
    if (this.#stop.signal.aborted && this.#term === term) {
      // What is under way may end while its writes are still accepted.
      await parts.close()
      await this.#release()
      this.#term = undefined
      return
    }
    this.#term = undefined
    logger.warn({ lease: name, ...term }, 'no longer leading')
    await parts.close()
  }

  /** One try; a hanging one counts as failed when the time is up, and its late answer as no more than a revision. */
  async #stepWithin(ms: Millis): Promise<boolean> {
    const late = new AbortController()
    const tried = this.#step().finally(() => late.abort())
    await Promise.race([tried, sleep(this.#options.clock, ms, late.signal)])
    return late.signal.aborted ? await tried : false
  }

  /** Reads the Lease and acquires or renews it; true when that was done. Failures are logged: the next try is near. */
  async #step(): Promise<boolean> {
    const { client, namespace, name, identity, clock, logger } = this.#options
    const before = this.#term
    try {
      const lease = await this.#read()
      this.#observe(lease)
      if (this.#term !== before) return false
      const step = planElection({
        lease,
        observed: this.#observed,
        identity,
        term: before,
        timings: this.#timings,
        nowMs: clock.now(),
        monotonicMs: clock.monotonic(),
      })
      if (step.kind === 'lost') this.#term = undefined
      this.#freeInMs = step.kind === 'wait' ? step.forMs : Number.POSITIVE_INFINITY
      if (step.kind === 'lost' || step.kind === 'wait') return false
      const written =
        lease === undefined
          ? await client.create(LEASES, { metadata: { namespace, name }, spec: step.spec })
          : await client.update(LEASES, { ...lease, spec: step.spec })
      if (this.#term !== before) return false
      if (step.kind === 'acquire') this.#term = step.term
      this.#lease = written
      return true
    } catch (error) {
      // Conflict and AlreadyExists: another candidate was faster.
      const usual = isReason(error, 'Conflict') || isReason(error, 'AlreadyExists')
      logger[usual ? 'debug' : 'warn']({ err: error, lease: name }, 'the lease could not be acquired or renewed')
      return false
    }
  }

  /** A version counts from when it was first seen, be it by the watch or by reading. */
  #observe(lease: Lease | undefined): void {
    const resourceVersion = lease?.metadata?.resourceVersion ?? ''
    if (this.#observed?.resourceVersion === resourceVersion) return
    this.#observed = { resourceVersion, sinceMs: this.#options.clock.monotonic() }
  }

  async #read(): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options
    try {
      return await client.get(LEASES, { namespace, name })
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    }
  }

  async #release(): Promise<void> {
    const { client, clock, logger, name } = this.#options
    try {
      const lease = await this.#read()
      if (lease === undefined || this.#term === undefined || !isOfTerm(lease, this.#term)) return
      await client.update(LEASES, { ...lease, spec: releasedSpec(lease, clock.now()) })
    } catch (error) {
      logger.warn({ err: error, lease: name }, 'the lease could not be released; it runs out by itself')
    }
  }

  /** Waits, or until the Lease is free (also if that was told while it was being tried), or until stopped. */
  async #pause(ms: Millis): Promise<void> {
    await sleep(this.#options.clock, ms, this.#wake.signal)
    if (!this.#stop.signal.aborted) this.#wake = new AbortController()
  }
}
