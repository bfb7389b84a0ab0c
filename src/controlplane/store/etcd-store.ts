import assert from 'node:assert/strict'
import type { IRangeResponse, IResponseHeader } from 'etcd3'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { checkTransaction } from './check-transaction.ts'
import type { EtcdAccess } from './etcd/etcd-access.ts'
import { readError, writeError } from './etcd/etcd-error.ts'
import { type KeyPlace, KeySpace } from './etcd/key-space.ts'
import { checkKnownCluster, readKnownCluster, writeKnownCluster } from './etcd/known-cluster.ts'
import type { KvClient } from './etcd/kv-calls.ts'
import { type CallLimits, EtcdCallError, Members } from './etcd/members.ts'
import { RecentWrites } from './etcd/recent-writes.ts'
import { SharedRead } from './etcd/shared-read.ts'
import { txnRequest } from './etcd/transaction.ts'
import { compactedRevision, resumingWatch } from './etcd/watch.ts'
import {
  type CommitResult,
  CompactedError,
  futureRevisionError,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type Revision,
  type Store,
  StoreError,
  type StoreEvent,
  type StoreTransaction,
} from './store.ts'
import { DigestBuilder, type StoreDigest } from './store-digest.ts'

export interface EtcdStoreOptions extends EtcdAccess {
  /** Where the keys stand in etcd; `/registry` in its own place when left out. */
  readonly place?: KeyPlace
  /** A file that remembers which etcd this was and how far it had come, so that an emptied one is not taken for it. */
  readonly knownPath?: string
  readonly clock: Clock
  readonly logger: Logger
  /** Called once when etcd is no longer the one it was: the process is to end. */
  readonly onFailure: (error: StoreError) => void
}

/** One key, or one number. */
const SMALL_READ: CallLimits = { attemptMs: 2_000, totalMs: 6_000 }
/** A page of values. */
const LARGE_READ: CallLimits = { attemptMs: 10_000, totalMs: 20_000 }
const WRITE: CallLimits = { attemptMs: 5_000, totalMs: 5_000 }
/** At the start nobody waits long for an etcd that is not there. */
const FIRST_READ: CallLimits = { attemptMs: 3_000, totalMs: 3_000 }
/** What is read of a list at once; lists of any length come in pages of one revision. */
const PAGE_KEYS = 1_000
const DIGEST_PAGE_KEYS = 20_000
const LIST_TRIES = 5
const REMEMBER_MS = 10_000

/**
 * The shared store: a thin translation to etcd's own transactions, ranges and watches. Stateless but for what it takes
 * to notice that etcd was emptied or put back (its revision went back): then the store fails for good, because a cluster
 * that believed it would delete what it does not find.
 */
class EtcdStore implements Store {
  readonly #options: EtcdStoreOptions
  readonly #members: Members
  readonly #keys: KeySpace
  readonly #recent = new RecentWrites()
  readonly #stop = new AbortController()
  readonly #current = new SharedRead(() => this.#readRevision(SMALL_READ))
  #clusterId: string | undefined
  /** The highest revision of any answer. */
  #newest: Revision = 0n
  #remembered: Revision = 0n
  /** Nothing is noted before `connect` has compared. */
  #rememberedMs = Number.POSITIVE_INFINITY
  #failure: StoreError | undefined
  #isAway = false

  constructor(options: EtcdStoreOptions, members: Members) {
    this.#options = options
    this.#members = members
    this.#keys = new KeySpace(options.place ?? { here: '/registry', there: '/registry' })
  }

  /** Finds out which etcd this is. Throws StoreError when it is out of reach or not the one it was. */
  async connect(): Promise<void> {
    const revision = await this.#readRevision(FIRST_READ)
    const { knownPath, place } = this.#options
    if (knownPath === undefined) return
    const found = { clusterId: this.#clusterId!, prefix: place?.there ?? '/registry', revision }
    checkKnownCluster(readKnownCluster(knownPath), found, this.#members.names, knownPath)
    writeKnownCluster(knownPath, found)
    this.#rememberedMs = this.#options.clock.monotonic()
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const { kvs } = await this.#range(SMALL_READ, { key: this.#keys.toEtcd(key) })
    return kvs.map((kv) => this.#keyValue(kv))[0]
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#listOnce(prefix, options)
      } catch (error) {
        // A list of what is there now can begin again when its first page's revision was compacted under it.
        if (!(error instanceof CompactedError) || options.revision !== undefined || tries >= LIST_TRIES) throw error
      }
    }
  }

  async commit(transaction: StoreTransaction): Promise<CommitResult> {
    checkTransaction(transaction)
    this.#assertOpen()
    for (const put of transaction.puts) this.#recent.add(put)
    const request = txnRequest(transaction, this.#keys)
    const before = this.#newest
    try {
      const { succeeded, header } = await this.#members.write(WRITE, (kv, limits) => kv.txn(request, limits))
      this.#observe(header, before)
      return { ok: succeeded, revision: BigInt(header.revision) }
    } catch (error) {
      if (!(error instanceof EtcdCallError)) throw this.#failure ?? error
      this.#away(error)
      throw writeError(error.failure, this.#members.names)
    }
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<readonly StoreEvent[]> {
    const context = {
      members: this.#members,
      keys: this.#keys,
      recent: this.#recent,
      clock: this.#options.clock,
      stopped: this.#stop.signal,
      assertOpen: () => this.#assertOpen(),
      onOpen: async (revision: Revision) => {
        // A follower may lag behind; whether etcd itself has gone back, a read through its leader tells.
        if (revision < this.#newest) await this.#current.get().catch(() => undefined)
        this.#assertOpen()
      },
      onBroken: (why: unknown) => this.#away(why),
    }
    return resumingWatch(context, prefix, from, signal)
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#call(SMALL_READ, (kv, limits) => kv.compact({ revision: String(revision) }, limits))
    } catch (error) {
      if (error instanceof CompactedError) return
      throw error
    } finally {
      this.#remember()
    }
  }

  async digest(prefix: string): Promise<StoreDigest & { readonly revision: Revision }> {
    const builder = new DigestBuilder()
    let after: string | undefined
    let revision: Revision | undefined
    for (;;) {
      const page = await this.#page(prefix, after, revision, DIGEST_PAGE_KEYS, true)
      revision ??= BigInt(page.header.revision)
      for (const kv of page.kvs) {
        after = this.#keys.fromEtcd(kv.key)
        builder.add(after, BigInt(kv.mod_revision))
      }
      if (!page.more) return { ...builder.digest(), revision }
    }
  }

  currentRevision(): Promise<Revision> {
    return this.#current.get()
  }

  async close(): Promise<void> {
    if (this.#failure?.code === 'closed') return
    if (this.#failure === undefined) this.#remember()
    this.#failure ??= new StoreError('closed', 'the store is closed')
    this.#stop.abort()
    this.#members.close()
  }

  async #listOnce(prefix: string, { revision: asked, limit, after: first }: ListOptions): Promise<ListResult> {
    const items: KeyValue[] = []
    let after = first
    let revision = asked
    for (;;) {
      const wanted = limit === undefined ? PAGE_KEYS : Math.min(PAGE_KEYS, limit - items.length)
      const page = await this.#page(prefix, after, revision, wanted, false)
      revision ??= BigInt(page.header.revision)
      for (const kv of page.kvs) items.push(this.#keyValue(kv))
      if (!page.more || items.length === limit)
        return { items, revision, more: page.more, remaining: Number(page.count) - page.kvs.length }
      after = items.at(-1)!.key
    }
  }

  #page(
    prefix: string,
    after: string | undefined,
    revision: Revision | undefined,
    limit: number,
    keysOnly: boolean,
  ): Promise<IRangeResponse> {
    return this.#range(LARGE_READ, {
      ...this.#keys.range(prefix, after),
      limit: String(limit),
      keys_only: keysOnly,
      ...(revision === undefined ? {} : { revision: String(revision) }),
    })
  }

  #keyValue({ key, value, create_revision, mod_revision }: IRangeResponse['kvs'][number]): KeyValue {
    return {
      key: this.#keys.fromEtcd(key),
      value,
      createRevision: BigInt(create_revision),
      modRevision: BigInt(mod_revision),
    }
  }

  async #range(limits: CallLimits, request: Parameters<KvClient['range']>[0]): Promise<IRangeResponse> {
    const asked = request.revision === undefined ? undefined : BigInt(request.revision)
    return this.#call(limits, (kv, callOptions) => kv.range(request, callOptions), asked)
  }

  /** A linearizable read of nothing, for the revision in its answer. */
  async #readRevision(limits: CallLimits): Promise<Revision> {
    const { header } = await this.#range(limits, { key: this.#keys.toEtcd(this.#keys.root), count_only: true })
    return BigInt(header.revision)
  }

  async #call<T extends { readonly header: IResponseHeader }>(
    limits: CallLimits,
    call: (kv: KvClient, options: { deadline: number }) => Promise<T>,
    asked?: Revision,
  ): Promise<T> {
    this.#assertOpen()
    const before = this.#newest
    try {
      const answer = await this.#members.read(limits, call)
      this.#observe(answer.header, before)
      return answer
    } catch (error) {
      if (!(error instanceof EtcdCallError)) throw this.#failure ?? error
      const { failure } = error
      if (failure.kind === 'compacted') {
        const at = await compactedRevision({ members: this.#members, keys: this.#keys }, SMALL_READ.attemptMs)
        throw new CompactedError(at ?? (asked ?? 0n) + 1n)
      }
      if (failure.kind === 'future') throw futureRevisionError(asked ?? before, await this.currentRevision())
      this.#away(error)
      throw this.#failure ?? readError(failure, this.#members.names)
    }
  }

  /** Every answer's header: reads and writes go through etcd's leader and so never see an earlier state than before. */
  #observe({ cluster_id, revision: text }: IResponseHeader, before: Revision): void {
    const revision = BigInt(text)
    this.#clusterId ??= cluster_id
    const why =
      cluster_id !== this.#clusterId
        ? `has become another etcd cluster (${cluster_id} instead of ${this.#clusterId})`
        : revision < before
          ? `went back from revision ${before} to ${revision}: it was emptied or put back to an older copy`
          : undefined
    if (why !== undefined) this.#fail(new StoreError('failed', `the etcd at ${this.#members.names} ${why}`))
    if (revision > this.#newest) this.#newest = revision
    this.#rememberAtTimes()
    if (!this.#isAway) return
    this.#isAway = false
    this.#options.logger.info({ etcd: this.#members.names }, 'etcd answers again')
  }

  #fail(error: StoreError): never {
    if (this.#failure === undefined) {
      // The next start must not take for the truth what this one has found out about.
      this.#remember()
      this.#failure = error
      this.#stop.abort()
      this.#options.onFailure(error)
    }
    throw this.#failure
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Says once that etcd is out of reach, until it answers again. */
  #away(why: unknown): void {
    if (this.#isAway || this.#failure !== undefined) return
    if (why instanceof EtcdCallError && !['again', 'unclear'].includes(why.failure.kind)) return
    this.#isAway = true
    const reason = why instanceof Error ? why.message : String(why)
    this.#options.logger.warn({ etcd: this.#members.names, reason }, 'etcd does not answer; trying again')
  }

  /** Also after a kill the next start knows to within seconds how far etcd had come. */
  #rememberAtTimes(): void {
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - this.#rememberedMs < REMEMBER_MS || this.#newest === this.#remembered) return
    this.#rememberedMs = nowMs
    this.#remembered = this.#newest
    this.#remember()
  }

  #remember(): void {
    const { knownPath, place } = this.#options
    if (knownPath === undefined || this.#clusterId === undefined || this.#failure !== undefined) return
    const known = { clusterId: this.#clusterId, prefix: place?.there ?? '/registry', revision: this.#newest }
    try {
      writeKnownCluster(knownPath, known)
    } catch (error) {
      this.#options.logger.warn({ err: error, path: knownPath }, 'cannot note how far etcd has come')
    }
  }
}

/**
 * Opens the store on an etcd cluster that exists already. Rejects with StoreError `unavailable` when none of its members
 * answers, `failed` when it is not the one it was, with a sentence for the user.
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  assert(options.endpoints.length > 0, 'at least one endpoint')
  const members = await Members.open(options)
  const store = new EtcdStore(options, members)
  try {
    await store.connect()
    return store
  } catch (error) {
    members.close()
    throw error
  }
}
