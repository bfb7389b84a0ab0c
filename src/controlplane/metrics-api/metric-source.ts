import type { Millis } from '../../base/clock.ts'

/** A metric's value over the time that ended at `atMs` (wall clock); a moment's value has a window of 0. */
export interface Figure {
  readonly value: number
  readonly atMs: Millis
  readonly windowMs: Millis
}

/** What one place knows of a metric: adds up with the other parts of the pod, the Service, the Deployment it belongs to. */
export interface MetricPart {
  readonly namespace: string
  readonly pod: string
  /** The Service that it was measured behind; undefined when it belongs to the pod as such. */
  readonly service: string | undefined
  /** The series' own labels, for `metricLabelSelector`. */
  readonly labels: Readonly<Record<string, string>>
}

/** Where metrics come from. */
export interface MetricSource<P extends MetricPart = MetricPart> {
  /** Metrics that are known now, for discovery; each is there for every kind of object. */
  names(): Iterable<string>
  /** True when the source answers for metrics of this name, whether or not there are any now. */
  serves(metric: string): boolean
  /** Resolves once there are figures, or once it is known that there are none. Never rejects. */
  ready(metric: string): Promise<void>
  /** What is known of the metric in a namespace; in all of them when it is empty. */
  parts(metric: string, namespace: string): Iterable<P>
  /** The labels of the part as a series of its own, beside those of other pods and Services. */
  seriesLabels(part: P): Readonly<Record<string, string>>
  /** The figure of parts together. Undefined where nothing can be told: missing is missing, not zero. */
  figure(metric: string, parts: readonly P[]): Figure | undefined
}
