import { type Clock, type Millis, sleep } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import { PollOnDemand } from '../poll-on-demand.ts'
import { readBounded } from '../read-bounded.ts'
import { decodeMesh } from './decode-mesh.ts'
import type { MeshProxy, MeshSource } from './mesh-source.ts'
import { ProxyHistory } from './proxy-history.ts'

export interface MeshCollectorOptions {
  proxies(): readonly MeshProxy[]
  readonly source: MeshSource
  readonly clock: Clock
  readonly logger: Logger
  /** Called after each look at the proxies. */
  readonly onSamples?: () => void
}

const INTERVAL_MS = 1_000
/** A look that took long, as at ten thousand endpoints, is followed by so many times its length of rest. */
const REST = 20
const INTERVAL_MS_MAX = 5_000
const ASKED_MS = 60_000
/** What a proxy said this long ago is no longer told. */
const STALE_MS = 2 * INTERVAL_MS_MAX
const WARM_UP_MS = 1_000
const TIMEOUT_MS = 4_000
/** A slow proxy holds the others' samples up for no longer than this. */
const PATIENCE_MS = 500
const PROXIES_MAX = 500
/** Fifty thousand endpoints. */
const BYTES_MAX = 32 * 1024 * 1024

/** Asks the proxies what went through them: every second while somebody wants to know, never otherwise. */
export class MeshCollector {
  readonly #options: MeshCollectorOptions
  readonly #poll: PollOnDemand
  readonly #histories = new Map<string, ProxyHistory>()
  /** Those that have not answered yet. */
  readonly #asking = new Map<string, Promise<boolean>>()
  readonly #failing = new Set<string>()
  #busyMs: Millis = 0
  #samples = 0

  constructor(options: MeshCollectorOptions) {
    this.#options = options
    this.#poll = new PollOnDemand({
      intervalMs: () => Math.min(INTERVAL_MS_MAX, Math.max(INTERVAL_MS, this.#busyMs * REST)),
      askedMs: ASKED_MS,
      staleMs: STALE_MS,
      warmUpMs: WARM_UP_MS,
      clock: options.clock,
      look: (again) => this.#look(again),
      forget: () => this.#histories.clear(),
    })
  }

  /** Counts up with every look. */
  get samples(): number {
    return this.#samples
  }

  /** Resolves once there are rates, or once it is known that there are none. Never rejects. */
  ready(): Promise<void> {
    return this.#poll.ready()
  }

  /** What proxies told that were heard lately. */
  *proxies(): Generator<ProxyHistory> {
    const now = this.#options.clock.monotonic()
    for (const history of this.#histories.values()) if (history.heardWithin(STALE_MS, now)) yield history
  }

  close(): void {
    this.#poll.close()
  }

  async #look(again: boolean): Promise<boolean> {
    const { clock, onSamples } = this.#options
    const present = this.#options.proxies().slice(0, PROXIES_MAX)
    const names = new Set(present.map(({ name }) => name))
    for (const known of this.#histories.keys()) if (!names.has(known)) this.#histories.delete(known)
    for (const known of this.#failing) if (!names.has(known)) this.#failing.delete(known)
    const asked = again ? present.filter(({ name }) => this.#histories.has(name)) : present
    this.#busyMs = 0
    const asks = asked.map((proxy) => {
      const under = this.#asking.get(proxy.name)
      if (under !== undefined) return under
      const ask = this.#ask(proxy).finally(() => this.#asking.delete(proxy.name))
      this.#asking.set(proxy.name, ask)
      return ask
    })
    // Whoever waits for the first figures waits for the slowest; later nobody does.
    const isFirst = this.#histories.size === 0
    const answers = Promise.all(asks)
    if (isFirst || again) await answers
    else await waitAtMost(answers, PATIENCE_MS, clock)
    this.#samples += 1
    onSamples?.()
    return this.#histories.size > 0
  }

  async #ask(proxy: MeshProxy): Promise<boolean> {
    const { source, clock, logger } = this.#options
    const { name } = proxy
    try {
      const signal = AbortSignal.any([this.#poll.closing, AbortSignal.timeout(TIMEOUT_MS)])
      const { status, body } = await source(proxy, signal)
      const text = await readBounded(body, BYTES_MAX, 'its mesh summary')
      if (status !== 200) throw new Error(`it answered with status ${status}`)
      const began = clock.monotonic()
      const answer = await decodeMesh(text)
      const history = this.#histories.get(name) ?? new ProxyHistory()
      await history.take(answer, clock.monotonic(), clock.now())
      this.#histories.set(name, history)
      this.#busyMs += clock.monotonic() - began
      this.#failing.delete(name)
      return true
    } catch (error) {
      if (!this.#poll.closing.aborted && !this.#failing.has(name)) {
        this.#failing.add(name)
        logger.warn({ proxy: name, err: error }, 'a proxy did not say what goes through it')
      }
      return false
    }
  }
}

async function waitAtMost(work: Promise<unknown>, ms: Millis, clock: Clock): Promise<void> {
  const over = new AbortController()
  await Promise.race([work, sleep(clock, ms, over.signal)])
  over.abort()
}
