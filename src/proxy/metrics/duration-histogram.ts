/** Seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** Durations in fixed buckets, in the shape that the exposition format wants. */
export class DurationHistogram {
  readonly #counts = new Float64Array(BOUNDS.length + 1)
  #sum = 0

  observe(seconds: number): void {
    const at = BOUNDS.findIndex((bound) => seconds <= bound)
    this.#counts[at < 0 ? BOUNDS.length : at]! += 1
    this.#sum += seconds
  }

  samples(
    name: string,
  ): readonly { readonly metricName: string; readonly value: number; readonly labels: Record<string, string> }[] {
    let total = 0
    const buckets = [...this.#counts].map((count, i) => {
      total += count
      return {
        metricName: `${name}_bucket`,
        value: total,
        labels: { le: i < BOUNDS.length ? String(BOUNDS[i]) : '+Inf' },
      }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, value: this.#sum, labels: {} },
      { metricName: `${name}_count`, value: total, labels: {} },
    ]
  }
}
