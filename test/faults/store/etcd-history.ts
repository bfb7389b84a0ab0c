import assert from 'node:assert/strict'
import { type Revision, type Store, StoreError, type StoreEvent } from '../../../src/controlplane/store/store.ts'

type Outcome = { readonly kind: 'ok'; readonly revision: Revision } | { readonly kind: 'nothing' | 'unknown' }

interface Attempt {
  readonly key: string
  /** Unique to this attempt; undefined for a deletion. */
  readonly value: string | undefined
  /** The revision the key had to stand at; undefined for a write at any rate. */
  readonly expected: Revision | undefined
  readonly outcome: Outcome
}

const KEYS = 12

/** What of a store a history is taken of. */
export type HistoryStore = Pick<Store, 'get' | 'list' | 'commit' | 'watch' | 'currentRevision'>

/** mulberry32: small, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * Writers and a watcher on one store while something harms it, and what must hold of all they saw: every acknowledged
 * write is an event at its revision, no write that was said not to have happened is one, none happened twice, every
 * expectation held when its write did, and no revision is missing, repeated, split or out of order.
 */
export class EtcdHistory {
  readonly #store: HistoryStore
  readonly #random: () => number
  readonly #attempts: Attempt[] = []
  readonly #events: StoreEvent[] = []
  readonly #abort = new AbortController()
  #watching: Promise<void> | undefined
  #stopped = false
  #count = 0

  constructor(store: HistoryStore, seed: number) {
    this.#store = store
    this.#random = seeded(seed)
  }

  /** How many writes have been acknowledged. */
  get acknowledged(): number {
    return this.#attempts.filter(({ outcome }) => outcome.kind === 'ok').length
  }

  get unknown(): number {
    return this.#attempts.filter(({ outcome }) => outcome.kind === 'unknown').length
  }

  /** The newest revision the watcher has read. */
  get seen(): Revision {
    return this.#events.at(-1)?.modRevision ?? 0n
  }

  async start(writers: number): Promise<void> {
    const start = await this.#store.currentRevision()
    this.#watching = this.#watch(start + 1n)
    this.#writing = Promise.all(Array.from({ length: writers }, () => this.#write()))
  }
  #writing: Promise<unknown> | undefined

  /** Ends the writers, then checks everything. The store must be well by now. */
  async verify(what: string): Promise<void> {
    this.#stopped = true
    await this.#writing
    const { revision } = await this.#store.commit({
      expect: [],
      puts: [{ key: '/h/end', value: Buffer.from('end') }],
      deletes: [],
    })
    this.#attempts.push({ key: '/h/end', value: 'end', expected: undefined, outcome: { kind: 'ok', revision } })
    await this.#watching
    this.#checkEvents(what)
    const live = new Map<string, { readonly value: string; readonly revision: Revision }>()
    for (const event of this.#events) {
      if (event.type === 'delete') live.delete(event.key)
      else live.set(event.key, { value: Buffer.from(event.value).toString(), revision: event.modRevision })
    }
    const { items } = await this.#store.list('/h/')
    assert.deepEqual(
      new Map(items.map(({ key, value, modRevision }) => [key, { value: `${value}`, revision: modRevision }])),
      live,
      `${what}: the events come down to what is there`,
    )
  }

  #checkEvents(what: string): void {
    const at = new Map<string, Revision>()
    const byValue = new Map(this.#attempts.filter(({ value }) => value !== undefined).map((a) => [a.value!, a]))
    const told = new Set<string>()
    const wroteAt = new Map<string, StoreEvent>()
    for (const event of this.#events) {
      const before = at.get(event.key) ?? 0n
      wroteAt.set(`${event.modRevision} ${event.key}`, event)
      if (event.type === 'delete') {
        at.delete(event.key)
        continue
      }
      const value = Buffer.from(event.value).toString()
      const attempt = byValue.get(value)
      const where = `${what}: ${event.key}=${value} at ${event.modRevision}`
      assert(attempt !== undefined, `${where} was written by somebody`)
      assert(!told.has(value), `${where} happened once`)
      told.add(value)
      assert.notEqual(attempt.outcome.kind, 'nothing', `${where} was said not to have happened`)
      if (attempt.expected !== undefined)
        assert.equal(before, attempt.expected, `${where} expected ${attempt.expected}`)
      at.set(event.key, event.modRevision)
    }
    for (const { key, value, outcome } of this.#attempts) {
      if (outcome.kind !== 'ok') continue
      const event = wroteAt.get(`${outcome.revision} ${key}`)
      // A deletion of what was not there leaves no event, and one through the API does not say its revision.
      if (value === undefined && event === undefined) continue
      assert(event !== undefined, `${what}: ${key}=${value} was acknowledged at ${outcome.revision} and is no event`)
      if (value !== undefined) assert.equal(event.type === 'put' ? `${Buffer.from(event.value)}` : 'deleted', value)
    }
  }

  async #watch(from: Revision): Promise<void> {
    for await (const batch of this.#store.watch('/h/', from, this.#abort.signal)) {
      const last = this.#events.at(-1)
      if (last !== undefined) assert(batch[0]!.modRevision > last.modRevision, 'no revision is split or repeated')
      for (const [i, event] of batch.entries())
        if (i > 0) assert(event.modRevision >= batch[i - 1]!.modRevision, 'revisions come in order')
      this.#events.push(...batch)
      if (batch.at(-1)!.key === '/h/end') return
    }
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const key = `/h/${Math.floor(this.#random() * KEYS)}`
      const kind = this.#random()
      const value = kind < 0.15 ? undefined : `${++this.#count}`
      let expected: Revision | undefined
      if (kind > 0.5) {
        try {
          expected = (await this.#store.get(key))?.modRevision ?? 0n
        } catch (error) {
          assert(error instanceof StoreError && error.code === 'unavailable', String(error))
          continue
        }
      }
      const outcome = await this.#commit(key, value, expected)
      this.#attempts.push({ key, value, expected, outcome })
    }
  }

  async #commit(key: string, value: string | undefined, expected: Revision | undefined): Promise<Outcome> {
    try {
      const { ok, revision } = await this.#store.commit({
        expect: expected === undefined ? [] : [{ key, modRevision: expected }],
        puts: value === undefined ? [] : [{ key, value: Buffer.from(value) }],
        deletes: value === undefined ? [key] : [],
      })
      return ok ? { kind: 'ok', revision } : { kind: 'nothing' }
    } catch (error) {
      assert(error instanceof StoreError, String(error))
      assert(['unavailable', 'unknown'].includes(error.code), `${error.code}: ${error.message}`)
      return { kind: error.code === 'unknown' ? 'unknown' : 'nothing' }
    }
  }
}
