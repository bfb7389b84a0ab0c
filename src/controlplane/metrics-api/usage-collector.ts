import type { Node } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { PodLogSource } from '../apiserver/edge/pod-log-source.ts'
import { decodeSummary } from './decode-summary.ts'
import { NodeHistory } from './node-history.ts'
import { PollOnDemand } from './poll-on-demand.ts'
import { readBounded } from './read-bounded.ts'

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
  readonly #poll: PollOnDemand
  readonly #histories = new Map<string, NodeHistory>()
  /** Nodes whose failure is told already. */
  readonly #failing = new Set<string>()

  constructor(options: UsageCollectorOptions) {
    this.#options = options
    this.#poll = new PollOnDemand({
      intervalMs: () => INTERVAL_MS,
      askedMs: ASKED_MS,
      staleMs: STALE_MS,
      warmUpMs: WARM_UP_MS,
      clock: options.clock,
      look: (again) => this.#collect(again),
      forget: () => this.#histories.clear(),
    })
  }

  /** Resolves once there are rates, or once it is known that there are none. Never rejects. */
  ready(): Promise<void> {
    return this.#poll.ready()
  }

  /** The samples of a node; undefined when it has said nothing lately. */
  history(node: string): NodeHistory | undefined {
    const history = this.#histories.get(node)
    return history?.takenWithin(STALE_MS, this.#options.clock.monotonic()) === true ? history : undefined
  }

  close(): void {
    this.#poll.close()
  }

  #forgetAllBut(names: ReadonlySet<string>): void {
    for (const known of this.#histories.keys()) if (!names.has(known)) this.#histories.delete(known)
    for (const known of this.#failing) if (!names.has(known)) this.#failing.delete(known)
  }

  /** Asks each of the nodes once; says whether one answered. */
  async #collect(again: boolean): Promise<boolean> {
    const present = this.#options.nodes()
    const nodes = again ? present.filter(({ metadata }) => this.#histories.has(metadata?.name ?? '')) : present
    this.#forgetAllBut(new Set(present.map(({ metadata }) => metadata?.name ?? '')))
    let answered = false
    const waiting = nodes.values()
    const work = async (): Promise<void> => {
      for (const node of waiting) if (await this.#ask(node)) answered = true
    }
    await Promise.all(Array.from({ length: Math.min(NODES_AT_ONCE, nodes.length) }, work))
    return answered
  }

  async #ask(node: Node): Promise<boolean> {
    const { source, clock, logger } = this.#options
    const name = node.metadata?.name ?? ''
    try {
      const signal = AbortSignal.any([this.#poll.closing, AbortSignal.timeout(TIMEOUT_MS)])
      const { status, body } = await source(node, '/stats/summary', signal)
      const text = (await readBounded(body, SUMMARY_BYTES_MAX, 'its summary')).toString()
      if (status !== 200) throw new Error(`it answered with status ${status}`)
      const history = this.#histories.get(name) ?? new NodeHistory()
      history.take(decodeSummary(text), clock.monotonic())
      this.#histories.set(name, history)
      this.#failing.delete(name)
      return true
    } catch (error) {
      if (!this.#poll.closing.aborted && !this.#failing.has(name)) {
        this.#failing.add(name)
        logger.warn({ node: name, err: error }, 'a node did not say what it uses')
      }
      return false
    }
  }
}
