/** Durations in fixed buckets, in the shape that the exposition format wants. */
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
  ): readonly { readonly metricName: string; readonly value: number; readonly labels: Record<string, string> }[] {
    let total = 0
    const buckets = [...this.#counts].map((count, i) => {
      total += count
      const le = i < this.#bounds.length ? String(this.#bounds[i]) : '+Inf'
      return { metricName: `${name}_bucket`, value: total, labels: { le } }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, value: this.#sum, labels: {} },
      { metricName: `${name}_count`, value: total, labels: {} },
    ]
  }
}
