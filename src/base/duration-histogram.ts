import type { MetricSample } from './metric-families.ts'

/** Bounds of client-go's queues: 10 ns to 10 s, in powers of ten. */
export const POWERS_OF_TEN: readonly number[] = Array.from({ length: 10 }, (_, i) => Number(`1e${i - 8}`))

/** The first bound, and then each `factor` times as much. */
export function exponentialBounds(first: number, factor: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => first * factor ** i)
}

/** Durations in fixed buckets, in the shape that the exposition format wants. Recording allocates nothing. */
export class DurationHistogram {
  /** Upper bounds in seconds, in order. */
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(seconds: number): void {
    const at = this.#bounds.findIndex((bound) => seconds <= bound)
    this.#counts[at < 0 ? this.#bounds.length : at]! += 1
    this.#sum += seconds
  }

  samples(
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): readonly (MetricSample & { readonly metricName: string; readonly labels: Record<string, string> })[] {
    let total = 0
    const buckets = [...this.#counts].map((count, i) => {
      total += count
      const le = i < this.#bounds.length ? String(this.#bounds[i]) : '+Inf'
      return { metricName: `${name}_bucket`, value: total, labels: { ...labels, le } }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, value: this.#sum, labels: { ...labels } },
      { metricName: `${name}_count`, value: total, labels: { ...labels } },
    ]
  }
}
