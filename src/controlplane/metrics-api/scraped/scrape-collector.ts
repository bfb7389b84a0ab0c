import { NODES, PODS } from '../../../api/resource-type.ts'
import { SCRAPE_NAMES_MAX, type ScrapedSeries } from '../../../api/scraped-series.ts'
import type { Node, Pod } from '../../../api/types/core-v1.gen.ts'
import type { Clock, Millis } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { PodLogSource } from '../../apiserver/edge/pod-log-source.ts'
import type { ClusterObjects } from '../cluster-objects.ts'
import { PollOnDemand } from '../poll-on-demand.ts'
import { readBounded } from '../read-bounded.ts'
import { decodeScraped } from './decode-scraped.ts'
import { PodSeries } from './pod-series.ts'

export interface ScrapeCollectorOptions {
  readonly cluster: ClusterObjects
  /** Reads a document of a node's API. */
  readonly source: PodLogSource
  readonly clock: Clock
  readonly logger: Logger
}

const INTERVAL_MS = 5_000
const ASKED_MS = 60_000
/** What a pod said this long ago is no longer told. */
const STALE_MS = 20_000
const WARM_UP_MS = 1_000
/** More than an agent waits for a slow pod. */
const TIMEOUT_MS = 5_000
const NODES_AT_ONCE = 16
const BYTES_MAX = 8 * 1024 * 1024
/** Series kept of all pods together, 0.5 KB each; pods beyond that are missing. */
const SERIES_MAX = 200_000
const NAMES_MAX = 5_000
/** What can be the name of a series; nobody is asked for anything else. */
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$/
/** Of all wanted names, so that the question is not too long for a request. */
const NAMES_CHARACTERS_MAX = 8_000

/** Asks the nodes for series of their annotated pods: every five seconds while somebody wants them, and for those alone. */
export class ScrapeCollector {
  readonly #options: ScrapeCollectorOptions
  readonly #poll: PollOnDemand
  /** Series that somebody wants → when they were last asked for. */
  readonly #wanted = new Map<string, Millis>()
  readonly #pods = new Map<string, PodSeries>()
  /** As of the last look, so that names that are made up do not stay. */
  #names = new Map<string, ScrapedSeries['type']>()
  readonly #failing = new Set<string>()
  /** Series of all of them. */
  #kept = 0
  #isFull = false

  constructor(options: ScrapeCollectorOptions) {
    this.#options = options
    this.#poll = new PollOnDemand({
      intervalMs: () => INTERVAL_MS,
      askedMs: ASKED_MS,
      staleMs: STALE_MS,
      warmUpMs: WARM_UP_MS,
      clock: options.clock,
      look: () => this.#look(),
      forget: () => {
        this.#pods.clear()
        this.#kept = 0
        this.#names = new Map()
      },
    })
  }

  /** Series that pods serve, as far as they are known. */
  names(): ReadonlyMap<string, ScrapedSeries['type']> {
    return this.#names
  }

  /** Resolves once the series were looked at twice, or once it is known that no pod serves any. Never rejects. */
  async ready(given: readonly string[]): Promise<void> {
    const now = this.#options.clock.monotonic()
    const names = given.filter((name) => NAME.test(name))
    this.#forgetUnwanted(now)
    const isNew = names.some((name) => !this.#wanted.has(name))
    for (const name of names) {
      this.#wanted.delete(name)
      this.#wanted.set(name, now)
    }
    let characters = this.#wanted.keys().reduce((sum, name) => sum + name.length, 0)
    for (const oldest of this.#wanted.keys()) {
      if (this.#wanted.size <= SCRAPE_NAMES_MAX && characters <= NAMES_CHARACTERS_MAX) break
      this.#wanted.delete(oldest)
      characters -= oldest.length
    }
    await (isNew && this.#pods.size > 0 ? this.#poll.renew() : this.#poll.ready())
  }

  /** Pods of a namespace that were heard lately; of all when it is empty. */
  *pods(namespace: string): Generator<PodSeries> {
    const now = this.#options.clock.monotonic()
    for (const pod of this.#pods.values())
      if ((namespace === '' || pod.namespace === namespace) && pod.heardWithin(STALE_MS, now)) yield pod
  }

  close(): void {
    this.#poll.close()
  }

  #forgetUnwanted(now: Millis): void {
    for (const [name, askedAtMs] of this.#wanted) if (now - askedAtMs > ASKED_MS) this.#wanted.delete(name)
  }

  /** Annotated pods by the node that they run on, by uid: nodes without are not asked, and are believed of no others. */
  #scraped(): ReadonlyMap<string, ReadonlyMap<string, Pod>> {
    const byNode = new Map<string, Map<string, Pod>>()
    for (const pod of this.#options.cluster.list(PODS, '')) {
      const { metadata, spec, status } = pod
      if (metadata?.annotations?.['prometheus.io/scrape'] !== 'true' || status?.phase !== 'Running') continue
      const node = spec?.nodeName ?? ''
      const own = byNode.get(node) ?? new Map<string, Pod>()
      byNode.set(node, own.set(metadata.uid ?? '', pod))
    }
    return byNode
  }

  async #look(): Promise<boolean> {
    const { cluster, clock } = this.#options
    this.#forgetUnwanted(clock.monotonic())
    const byNode = this.#scraped()
    const present = new Set([...byNode.values()].flatMap((pods) => [...pods.keys()]))
    for (const uid of this.#pods.keys()) if (!present.has(uid)) this.#drop(uid)
    for (const node of this.#failing) if (!byNode.has(node)) this.#failing.delete(node)
    const names = new Map<string, ScrapedSeries['type']>()
    const waiting = byNode.entries()
    const work = async (): Promise<void> => {
      for (const [name, pods] of waiting) {
        const node = cluster.find(NODES, '', name)
        if (node !== undefined) await this.#ask(name, node, pods, names)
      }
    }
    await Promise.all(Array.from({ length: Math.min(NODES_AT_ONCE, byNode.size) }, work))
    this.#names = names
    return this.#pods.size > 0
  }

  async #ask(
    name: string,
    node: Node,
    pods: ReadonlyMap<string, Pod>,
    names: Map<string, ScrapedSeries['type']>,
  ): Promise<void> {
    const { source, clock, logger } = this.#options
    try {
      const query = new URLSearchParams(Array.from(this.#wanted.keys(), (wanted): [string, string] => ['name', wanted]))
      const signal = AbortSignal.any([this.#poll.closing, AbortSignal.timeout(TIMEOUT_MS)])
      const { status, body } = await source(node, `/stats/custom?${query}`, signal)
      const text = (await readBounded(body, BYTES_MAX, 'what it tells of its pods')).toString()
      if (status !== 200) throw new Error(`it answered with status ${status}`)
      const decoded = decodeScraped(text)
      for (const [series, type] of decoded.names) if (names.size < NAMES_MAX) names.set(series, type)
      for (const scraped of decoded.pods) {
        const pod = pods.get(scraped.uid)
        if (pod !== undefined) this.#take(pod, scraped, clock.monotonic())
      }
      this.#failing.delete(name)
    } catch (error) {
      if (this.#poll.closing.aborted || this.#failing.has(name)) return
      this.#failing.add(name)
      logger.warn({ node: name, err: error }, 'a node did not say what its pods tell of themselves')
    }
  }

  #take({ metadata }: Pod, scraped: Parameters<PodSeries['take']>[0], nowMs: Millis): void {
    let series = this.#pods.get(scraped.uid)
    const kept = this.#kept - (series?.size ?? 0) + scraped.series.length
    if (kept > SERIES_MAX) {
      this.#drop(scraped.uid)
      if (!this.#isFull) this.#options.logger.warn({ series: SERIES_MAX }, 'pods tell of more series than are kept')
      this.#isFull = true
      return
    }
    if (series === undefined) {
      series = new PodSeries(metadata?.namespace ?? '', metadata?.name ?? '')
      this.#pods.set(scraped.uid, series)
    }
    const before = series.size
    series.take(scraped, nowMs)
    this.#kept += series.size - before
  }

  #drop(uid: string): void {
    this.#kept -= this.#pods.get(uid)?.size ?? 0
    this.#pods.delete(uid)
  }
}
