import type { Node } from '../../api/types/core-v1.gen.ts'
import { type Clock, type Millis, sleep, type Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { PodLogSource } from '../apiserver/edge/pod-log-source.ts'
import { decodeSummary } from './decode-summary.ts'
import { NodeHistory } from './node-history.ts'

export interface UsageCollectorOptions {
  nodes(): readonly Node[]
  /** Reads a document of a node's API. */
  readonly source: PodLogSource
  readonly clock: Clock
  readonly logger: Logger
}

/** metrics-server's resolution. */
const INTERVAL_MS = 15_000
/** Samples go on for this long after the last question; then nothing is kept and nothing is asked. */
const ASKED_MS = 5 * 60_000
/** What a node said this long ago is still told; after that it is as if it had said nothing. */
const STALE_MS = 45_000
/** The first question after a pause waits for two samples this far apart, since a rate needs two. */
const WARM_UP_MS = 1_500
const TIMEOUT_MS = 3_000
const NODES_AT_ONCE = 16
/** 110 pods of three containers take a tenth of it; reading so much holds nothing else up for long. */
const SUMMARY_BYTES_MAX = 2 * 1024 * 1024

/** Asks the nodes what they use: every 15 seconds while somebody wants to know, never otherwise. */
export class UsageCollector {
  readonly #options: UsageCollectorOptions
  readonly #closing = new AbortController()
  readonly #histories = new Map<string, NodeHistory>()
  /** Nodes whose failure is told already. */
  readonly #failing = new Set<string>()
  #askedAtMs: Millis = Number.NEGATIVE_INFINITY
  #collectedAtMs: Millis = Number.NEGATIVE_INFINITY
  #warmUp: Promise<void> | undefined
  #timer: Timer | undefined

  constructor(options: UsageCollectorOptions) {
    this.#options = options
  }

  /** Resolves once there are rates, or once it is known that there are none. Never rejects. */
  async ready(): Promise<void> {
    const now = this.#options.clock.monotonic()
    this.#askedAtMs = now
    if (this.#closing.signal.aborted || (this.#warmUp === undefined && now - this.#collectedAtMs <= STALE_MS)) return
    this.#warmUp ??= this.#begin().finally(() => {
      this.#warmUp = undefined
    })
    await this.#warmUp
  }

  /** The samples of a node; undefined when it has said nothing lately. */
  history(node: string): NodeHistory | undefined {
    const history = this.#histories.get(node)
    return history?.takenWithin(STALE_MS, this.#options.clock.monotonic()) === true ? history : undefined
  }

  close(): void {
    this.#closing.abort()
    this.#timer?.cancel()
  }

  async #begin(): Promise<void> {
    this.#timer?.cancel()
    this.#histories.clear()
    const { clock, nodes } = this.#options
    const answered = await this.#collect(nodes())
    if (answered.length > 0) {
      await sleep(clock, WARM_UP_MS, this.#closing.signal)
      await this.#collect(answered)
    }
    this.#schedule()
  }

  #schedule(): void {
    const { clock, nodes } = this.#options
    // A slow look at the nodes may end while another one has begun: there is one next time for both.
    this.#timer?.cancel()
    if (this.#closing.signal.aborted) return
    this.#timer = clock.setTimer(INTERVAL_MS, async () => {
      if (clock.monotonic() - this.#askedAtMs > ASKED_MS) {
        this.#histories.clear()
        this.#collectedAtMs = Number.NEGATIVE_INFINITY
        return
      }
      const present = nodes()
      this.#forgetAllBut(new Set(present.map(({ metadata }) => metadata?.name ?? '')))
      await this.#collect(present)
      this.#schedule()
    })
  }

  #forgetAllBut(names: ReadonlySet<string>): void {
    for (const known of this.#histories.keys()) if (!names.has(known)) this.#histories.delete(known)
    for (const known of this.#failing) if (!names.has(known)) this.#failing.delete(known)
  }

  /** Asks each of the nodes once; returns those that answered. */
  async #collect(nodes: readonly Node[]): Promise<readonly Node[]> {
    const answered: Node[] = []
    const waiting = nodes.values()
    const work = async (): Promise<void> => {
      for (const node of waiting) if (await this.#ask(node)) answered.push(node)
    }
    await Promise.all(Array.from({ length: Math.min(NODES_AT_ONCE, nodes.length) }, work))
    this.#collectedAtMs = this.#options.clock.monotonic()
    return answered
  }

  async #ask(node: Node): Promise<boolean> {
    const { source, clock, logger } = this.#options
    const name = node.metadata?.name ?? ''
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)])
      const { status, body } = await source(node, '/stats/summary', signal)
      const text = await readBounded(body)
      if (status !== 200) throw new Error(`it answered with status ${status}`)
      const history = this.#histories.get(name) ?? new NodeHistory()
      history.take(decodeSummary(text), clock.monotonic())
      this.#histories.set(name, history)
      this.#failing.delete(name)
      return true
    } catch (error) {
      if (!this.#closing.signal.aborted && !this.#failing.has(name)) {
        this.#failing.add(name)
        logger.warn({ node: name, err: error }, 'a node did not say what it uses')
      }
      return false
    }
  }
}

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > SUMMARY_BYTES_MAX) throw new Error(`its summary is longer than ${SUMMARY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
