import type { Registry } from 'prom-client'
import type { Millis } from '../../base/clock.ts'
import { ACTIVE, BYTES_IN, BYTES_OUT, FAILED, OPENED, REFUSED } from '../l4/service-port.ts'
import type { UserspaceDataplane } from '../l4/userspace-dataplane.ts'
import { DurationHistogram } from './duration-histogram.ts'

/** Service ports beyond this share one line, so that a scrape stays small. */
const SERVICE_PORTS_MAX = 2_000

const FAMILIES = [
  {
    place: OPENED,
    type: 'counter',
    name: 'wherry_proxy_connections_opened_total',
    help: 'Connections and UDP sessions accepted from clients',
  },
  {
    place: ACTIVE,
    type: 'gauge',
    name: 'wherry_proxy_connections_active',
    help: 'Connections and UDP sessions open now',
  },
  {
    place: FAILED,
    type: 'counter',
    name: 'wherry_proxy_endpoint_failures_total',
    help: 'Connections that an endpoint did not accept',
  },
  {
    place: REFUSED,
    type: 'counter',
    name: 'wherry_proxy_connections_refused_total',
    help: 'Connections from clients that had no endpoint to go to',
  },
  {
    place: BYTES_IN,
    type: 'counter',
    name: 'wherry_proxy_received_bytes_total',
    help: 'Bytes from clients to endpoints',
  },
  { place: BYTES_OUT, type: 'counter', name: 'wherry_proxy_sent_bytes_total', help: 'Bytes from endpoints to clients' },
] as const

interface Sample {
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
  readonly metricName?: string
}

/** What the proxy counts, folded together only when somebody asks. The library is loaded at the first scrape. */
export class ProxyMetrics {
  /** From the first change seen to the data plane being up to date: kube-proxy's network programming latency, without the way to the proxy. */
  readonly programming = new DurationHistogram()
  readonly rebuild = new DurationHistogram()
  readonly #dataplane: UserspaceDataplane
  #registry: Promise<Registry> | undefined

  constructor(dataplane: UserspaceDataplane) {
    this.#dataplane = dataplane
  }

  programmed(rebuildMs: Millis, programmingMs: Millis): void {
    this.rebuild.observe(rebuildMs / 1000)
    this.programming.observe(programmingMs / 1000)
  }

  /** The exposition text and its content type. */
  async scrape(): Promise<{ readonly text: string; readonly contentType: string }> {
    this.#registry ??= this.#register()
    const registry = await this.#registry
    return { text: await registry.metrics(), contentType: registry.contentType }
  }

  async #register(): Promise<Registry> {
    const { Registry } = await import('prom-client')
    const registry = new Registry()
    const add = (name: string, help: string, type: string, values: () => readonly Sample[]): void => {
      const family = {
        name,
        help,
        type,
        aggregator: 'sum',
        get: async () => ({ name, help, type, aggregator: 'sum', values: values() }),
      }
      registry.registerMetric(family as unknown as Parameters<typeof registry.registerMetric>[0])
    }
    for (const { name, help, type, place } of FAMILIES) add(name, help, type, () => this.#byServicePort(place))
    add('wherry_proxy_listeners', 'Addresses and ports by their state', 'gauge', () => this.#listeners())
    add('wherry_proxy_table_rebuild_seconds', 'Time to make a new routing table from a change', 'histogram', () =>
      this.rebuild.samples('wherry_proxy_table_rebuild_seconds'),
    )
    add('wherry_proxy_programming_seconds', 'Time from a change seen to traffic following it', 'histogram', () =>
      this.programming.samples('wherry_proxy_programming_seconds'),
    )
    return registry
  }

  #byServicePort(place: number): readonly Sample[] {
    const samples: Sample[] = []
    let others = 0
    for (const { name, counts } of this.#dataplane.servicePorts()) {
      if (samples.length < SERVICE_PORTS_MAX) samples.push({ value: counts[place]!, labels: labelsOf(name) })
      else others += counts[place]!
    }
    if (others > 0) samples.push({ value: others, labels: { namespace: '', service: 'others', port: '' } })
    return samples
  }

  #listeners(): readonly Sample[] {
    const counts = new Map([
      ['bound', 0],
      ['waiting', 0],
      ['failed', 0],
    ])
    for (const { binding } of this.#dataplane.bindings()) counts.set(binding.state, counts.get(binding.state)! + 1)
    return [...counts].map(([state, value]) => ({ value, labels: { state } }))
  }
}

function labelsOf(servicePort: string): { namespace: string; service: string; port: string } {
  const [namespace = '', rest = ''] = servicePort.split('/')
  const [service = '', port = ''] = rest.split(':')
  return { namespace, service, port }
}
