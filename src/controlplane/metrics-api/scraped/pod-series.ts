import type { ScrapedPod, ScrapedSeries } from '../../../api/scraped-series.ts'
import type { Millis } from '../../../base/clock.ts'

/** Samples kept of a pod: rates are taken over the time between the first and the last of them. */
const SAMPLES = 3
/** What was told earlier than this before the last sample is no measure of it. */
const WINDOW_MS_MAX = 60_000

interface Sample {
  readonly atMs: Millis
  readonly values: ReadonlyMap<string, ScrapedSeries>
}

export interface Growth {
  readonly perSecond: number
  readonly windowMs: Millis
}

function keyOf({ name, labels }: ScrapedSeries): string {
  return JSON.stringify([name, ...Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))])
}

/** What one pod told of itself in its last samples. */
export class PodSeries {
  readonly namespace: string
  readonly pod: string
  #samples: readonly Sample[] = []
  #heardAtMs: Millis = Number.NEGATIVE_INFINITY

  constructor(namespace: string, pod: string) {
    this.namespace = namespace
    this.pod = pod
  }

  /** The node's wall clock at the last sample. */
  get atMs(): Millis {
    return this.#samples.at(-1)?.atMs ?? 0
  }

  /** How many series it has told of lately. */
  get size(): number {
    return this.#samples.at(-1)?.values.size ?? 0
  }

  /** `nowMs` is monotonic: when the sample came, by our own clock. */
  take({ atMs, series }: ScrapedPod, nowMs: Millis): void {
    const last = this.atMs
    const values = new Map(series.map((one) => [keyOf(one), one]))
    // A clock that was set back tells no rate over that.
    const earlier = atMs <= last ? [] : this.#samples.filter((sample) => atMs - sample.atMs <= WINDOW_MS_MAX)
    this.#samples = [...earlier, { atMs, values }].slice(-SAMPLES)
    this.#heardAtMs = nowMs
  }

  heardWithin(ms: Millis, nowMs: Millis): boolean {
    return nowMs - this.#heardAtMs <= ms
  }

  /** Those of a name in the last sample. */
  *named(name: string): Generator<readonly [key: string, series: ScrapedSeries]> {
    for (const entry of this.#samples.at(-1)?.values ?? []) if (entry[1].name === name) yield entry
  }

  /** How fast a counter grows. Undefined without two samples of it, or when it began anew between them. */
  growth(key: string): Growth | undefined {
    const points = this.#samples.flatMap(({ atMs, values }) => {
      const value = values.get(key)?.value
      return value === undefined ? [] : [{ atMs, value }]
    })
    let [first] = points
    for (const [i, { value }] of points.entries()) if (i > 0 && value < points[i - 1]!.value) first = points[i]
    const last = points.at(-1)
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined
    const windowMs = last.atMs - first.atMs
    return { perSecond: ((last.value - first.value) * 1000) / windowMs, windowMs }
  }
}
