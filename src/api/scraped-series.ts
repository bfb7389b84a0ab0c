// What a node's `/stats/custom?name=<series>&name=…` answers: series of the metrics that annotated pods serve themselves,
// scraped for this answer. Without a name it tells only which series there are.

/** At most this many series names in one question. */
export const SCRAPE_NAMES_MAX = 100

export interface ScrapedSeries {
  readonly name: string
  /** A counter only ever grows, but for a restart. What is neither said nor named to be one is a gauge. */
  readonly type: 'counter' | 'gauge'
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ScrapedPod {
  readonly uid: string
  /** The wall clock of the node when the pod answered. */
  readonly atMs: number
  readonly series: readonly ScrapedSeries[]
}

export interface ScrapedSummary {
  /** Series that the node's pods serve, with how they are counted; not all of them when there are very many. */
  readonly names: readonly { readonly name: string; readonly type: ScrapedSeries['type'] }[]
  readonly pods: readonly ScrapedPod[]
}
