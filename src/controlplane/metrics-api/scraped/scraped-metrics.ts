import { PODS } from '../../../api/resource-type.ts'
import type { ScrapedSeries } from '../../../api/scraped-series.ts'
import type { Millis } from '../../../base/clock.ts'
import type { ClusterObjects } from '../cluster-objects.ts'
import type { Figure, MetricPart, MetricSource } from '../metric-source.ts'
import type { PodSeries } from './pod-series.ts'
import type { ScrapeCollector } from './scrape-collector.ts'

/** One series of one pod. */
export interface ScrapedPart extends MetricPart {
  readonly series: PodSeries
  readonly key: string
  readonly value: number
  readonly isRate: boolean
}

const RATE = '_per_second'

/** What a counter's rate is called: `jobs_total` → `jobs_per_second`. */
function rateName(counter: string): string {
  return `${counter.endsWith('_total') ? counter.slice(0, -'_total'.length) : counter}${RATE}`
}

/** The series that a metric may be made of: its own name, or the counters whose rate it is. */
function seriesBehind(metric: string): readonly string[] {
  if (!metric.endsWith(RATE)) return [metric]
  const counter = metric.slice(0, -RATE.length)
  return [metric, `${counter}_total`, counter]
}

/**
 * What annotated pods tell of themselves. A series is a metric under its own name; a counter's growth is one, too, named
 * `…_per_second`. Several label sets of a pod, and several pods of an object, add up.
 */
export class ScrapedMetrics implements MetricSource<ScrapedPart> {
  readonly #collector: ScrapeCollector
  readonly #cluster: ClusterObjects

  constructor(collector: ScrapeCollector, cluster: ClusterObjects) {
    this.#collector = collector
    this.#cluster = cluster
  }

  *names(): Generator<string> {
    for (const [name, type] of this.#collector.names()) {
      yield name
      if (type === 'counter') yield rateName(name)
    }
  }

  serves(): boolean {
    return true
  }

  ready(metric: string): Promise<void> {
    return this.#collector.ready(seriesBehind(metric))
  }

  *parts(metric: string, namespace: string): Generator<ScrapedPart> {
    for (const series of this.#collector.pods(namespace)) {
      // A series of that very name goes before a rate, and `x_total` before `x`: what they tell is never added up.
      for (const name of seriesBehind(metric)) {
        const found = [...series.named(name)].filter(([, { type }]) => name === metric || type === 'counter')
        for (const [key, one] of found) yield partOf(series, key, one, name !== metric)
        if (found.length > 0) break
      }
    }
  }

  /** The pod's labels, as a Prometheus usually has them; over them no pod can pose as another one. */
  seriesLabels({ namespace, pod, labels }: ScrapedPart): Readonly<Record<string, string>> {
    return { ...labels, ...this.#cluster.find(PODS, namespace, pod)?.metadata?.labels, pod }
  }

  figure(_metric: string, parts: readonly ScrapedPart[]): Figure | undefined {
    let value: number | undefined
    let [atMs, windowMs]: readonly [Millis, Millis] = [0, 0]
    for (const part of parts) {
      const growth = part.isRate ? part.series.growth(part.key) : { perSecond: part.value, windowMs: 0 }
      if (growth === undefined) continue
      value = (value ?? 0) + growth.perSecond
      windowMs = Math.max(windowMs, growth.windowMs)
      atMs = Math.max(atMs, part.series.atMs)
    }
    return value === undefined ? undefined : { value, atMs, windowMs }
  }
}

function partOf(series: PodSeries, key: string, { labels, value }: ScrapedSeries, isRate: boolean): ScrapedPart {
  const { namespace, pod } = series
  return { namespace, pod, service: undefined, labels, series, key, value, isRate }
}
