import type { ScrapedPod, ScrapedSummary } from '../../api/scraped-series.ts'
import { SCRAPE_NAMES_MAX } from '../../api/scraped-series.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { SandboxState } from '../runtime/runtime.ts'
import { ExpositionError } from './exposition-parser.ts'
import { fetchExposition } from './fetch-exposition.ts'
import { type ScrapeTarget, scrapeTarget } from './scrape-target.ts'

export interface PodScraperOptions {
  /** Those bound to this node. */
  pods(): readonly Pod[]
  /** Where each of them is. */
  sandboxes(): Promise<readonly SandboxState[]>
  readonly clock: Clock
  readonly logger: Logger
}

const AT_ONCE = 16
/** Names told of all pods together. */
const NAMES_MAX = 2_000
/** Series told of one pod. */
const SERIES_MAX = 500

interface Found {
  readonly uid: string
  readonly name: string
  readonly target: ScrapeTarget
}

/** Reads the metrics that annotated pods of a node serve themselves: when asked, and nothing is kept. */
export class PodScraper {
  readonly #options: PodScraperOptions
  readonly #closing = new AbortController()
  /** Pods whose failure is told already, by uid. */
  readonly #failing = new Set<string>()
  #dispatcher: Promise<import('undici').Agent> | undefined

  constructor(options: PodScraperOptions) {
    this.#options = options
  }

  /** The series of these names of every annotated pod that runs and answers. */
  async read(names: readonly string[]): Promise<ScrapedSummary> {
    const wanted = new Set(names.slice(0, SCRAPE_NAMES_MAX))
    const found = await this.#find()
    const told: { readonly pod: ScrapedPod; readonly names: ReadonlyMap<string, 'counter' | 'gauge'> }[] = []
    const waiting = found.values()
    const work = async (): Promise<void> => {
      for (const one of waiting) {
        const exposed = await this.#scrape(one, wanted)
        if (exposed === undefined) continue
        const { series, names: own } = exposed
        told.push({ pod: { uid: one.uid, atMs: this.#options.clock.now(), series }, names: own })
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, found.length) }, work))
    const types = new Map(told.flatMap(({ names: own }) => [...own]).slice(0, NAMES_MAX))
    return { names: Array.from(types, ([name, type]) => ({ name, type })), pods: told.map(({ pod }) => pod) }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await (await this.#dispatcher)?.destroy()
  }

  async #find(): Promise<readonly Found[]> {
    const pods = this.#options.pods().filter(({ status }) => status?.phase === 'Running')
    if (pods.length === 0) return []
    const places = new Map((await this.#options.sandboxes()).map(({ podUid, ip }) => [podUid, ip]))
    const found = pods.flatMap((pod) => {
      const uid = pod.metadata?.uid ?? ''
      const target = scrapeTarget(pod, places.get(uid) ?? '')
      const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`
      return target === undefined ? [] : [{ uid, name, target }]
    })
    const present = new Set(found.map(({ uid }) => uid))
    for (const known of this.#failing) if (!present.has(known)) this.#failing.delete(known)
    return found
  }

  async #scrape({ uid, name, target }: Found, wanted: ReadonlySet<string>) {
    try {
      const exposed = await fetchExposition(target, wanted, await this.#connections(), this.#closing.signal)
      if (exposed.series.length > SERIES_MAX)
        throw new ExpositionError(`it serves more than ${SERIES_MAX} of the series that are wanted`)
      this.#failing.delete(uid)
      return exposed
    } catch (error) {
      if (!this.#closing.signal.aborted && !this.#failing.has(uid)) {
        this.#failing.add(uid)
        this.#options.logger.info({ pod: name, err: error }, 'the metrics of a pod cannot be read')
      }
      return undefined
    }
  }

  #connections(): Promise<import('undici').Agent> {
    this.#dispatcher ??= import('undici').then(
      ({ Agent }) =>
        new Agent({
          connections: 2,
          pipelining: 1,
          maxHeaderSize: 16 * 1024,
          connect: { rejectUnauthorized: false, timeout: 1_000 },
          keepAliveTimeout: 10_000,
        }),
    )
    return this.#dispatcher
  }
}
