/** One line of a scrape. `metricName` differs from the family's for the parts of a histogram. */
export interface MetricSample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
  readonly metricName?: string
}

/** A metric as it is when somebody asks: what is counted lies with those who count. */
export interface MetricFamily {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  samples(): Iterable<MetricSample>
}

export interface Exposition {
  readonly text: string
  readonly contentType: string
}

/**
 * Folds the families into Prometheus' text format. The library is loaded at the first scrape, and it meets the values
 * here only: recording costs nothing of it.
 */
export async function exposition(families: Iterable<MetricFamily>): Promise<Exposition> {
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  for (const { name, type, help, samples } of families) {
    const get = async () => ({
      name,
      help,
      type,
      aggregator: 'sum',
      values: Array.from(samples(), (sample) => ({ labels: {}, ...sample })),
    })
    const family = { name, help, type, aggregator: 'sum', get }
    registry.registerMetric(family as unknown as Parameters<typeof registry.registerMetric>[0])
  }
  return { text: await registry.metrics(), contentType: registry.contentType }
}
