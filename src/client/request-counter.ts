import type { MetricFamily } from '../base/metric-families.ts'

/** A server that was asked, a method and an answer are few; what a broken caller might make of them is not. */
const SERIES_MAX = 200

/** What a process has asked the API servers, under client-go's name. */
export class RequestCounter {
  readonly #counts = new Map<string, { readonly labels: Readonly<Record<string, string>>; value: number }>()

  /** `code`: the answer's status; undefined when none came. `server`: its URL. */
  record(method: string, server: string, code: number | undefined): void {
    const key = `${code} ${method} ${server}`
    let count = this.#counts.get(key)
    if (count === undefined) {
      if (this.#counts.size >= SERIES_MAX) return
      const labels = { code: code === undefined ? '<error>' : String(code), method, host: new URL(server).host }
      count = { labels, value: 0 }
      this.#counts.set(key, count)
    }
    count.value += 1
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: 'rest_client_requests_total',
        type: 'counter',
        help: 'Number of HTTP requests, partitioned by status code, method, and host.',
        samples: () => this.#counts.values(),
      },
    ]
  }
}
