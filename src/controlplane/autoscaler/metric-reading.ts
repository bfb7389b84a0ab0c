import type { Millis } from '../../base/clock.ts'

/** What one pod used or did, in thousandths of the metric's unit. */
export interface PodSample {
  readonly milli: number
  /** The end of the time it was measured over. */
  readonly atMs: Millis
  readonly windowMs: Millis
}

/** What a metrics API said of one metric: a sample for each pod, one number for them all, or why there is none. */
export type MetricReading =
  | { readonly kind: 'pods'; readonly samples: ReadonlyMap<string, PodSample> }
  | { readonly kind: 'total'; readonly milli: number }
  | { readonly kind: 'failed'; readonly why: string }
