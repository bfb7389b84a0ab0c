import { MESH_LATENCY_BOUNDS_MS } from '../../../api/mesh-summary.ts'
import type { MeshSample } from './decode-mesh.ts'

/** Samples kept: more than the longest window holds at one a second, and one that is being taken. */
export const SLOTS = 14

/** What is kept of each sample: counters, then gauges. */
export const COUNTERS = ['requests', 'successful', 'connections', 'receivedBytes', 'sentBytes'] as const
export const GAUGES = ['inFlight', 'openConnections'] as const
export type Counter = (typeof COUNTERS)[number]
export type Gauge = (typeof GAUGES)[number]

const FIELDS: readonly (Counter | Gauge)[] = [...COUNTERS, ...GAUGES]
const PLACE = Object.fromEntries(FIELDS.map((field, i) => [field, i])) as Readonly<Record<Counter | Gauge, number>>
const CLASSES = MESH_LATENCY_BOUNDS_MS.length + 1

/**
 * What one proxy counted of one pod behind one Service port, in the proxy's last samples. The slots are shared with the
 * proxy's other endpoints (`ProxyHistory`); NaN where there is no sample. 1 KB.
 */
export class EndpointHistory {
  readonly namespace: string
  readonly service: string
  readonly port: string
  readonly pod: string
  readonly labels: Readonly<Record<string, string>>
  /** Requests by latency class, older ones weighing less (`ProxyHistory`). */
  readonly latencies = new Float32Array(CLASSES)
  isHttp = false
  /** The number of the last sample that had it. */
  seen = -1
  readonly #values = new Float64Array(SLOTS * FIELDS.length).fill(Number.NaN)
  #counts: readonly number[] | undefined

  constructor({ namespace, service, port, pod }: MeshSample) {
    this.namespace = namespace
    this.service = service
    this.port = port
    this.pod = pod
    this.labels = { service, port }
  }

  /** `number` is that of the proxy's sample, `kept` the share that latencies before it still weigh. */
  take(sample: MeshSample, number: number, kept: number): void {
    const { http } = sample
    const slot = number % SLOTS
    const values = [
      http?.requests.total ?? Number.NaN,
      http?.requests.successful ?? Number.NaN,
      sample.connections,
      sample.receivedBytes,
      sample.sentBytes,
      http?.inFlight ?? Number.NaN,
      sample.openConnections,
    ]
    const before = (this.seen % SLOTS) * FIELDS.length
    // Counters that went back began anew, as those of an endpoint that was gone for a moment: what was is no measure.
    const isAnew = this.seen >= 0 && COUNTERS.some((_, field) => values[field]! < this.#values[before + field]!)
    if (isAnew) this.#values.fill(Number.NaN)
    this.#values.set(values, slot * FIELDS.length)
    this.#takeLatencies(http?.requests.latencyCounts, isAnew ? undefined : this.#counts, kept)
    this.#counts = http?.requests.latencyCounts
    this.isHttp = http !== undefined
    this.seen = number
  }

  /** What the field was in a slot; NaN for none. */
  at(field: Counter | Gauge, slot: number): number {
    return this.#values[slot * FIELDS.length + PLACE[field]]!
  }

  #takeLatencies(counts: readonly number[] | undefined, before: readonly number[] | undefined, kept: number): void {
    const { latencies } = this
    if (counts === undefined || before === undefined) return void latencies.fill(0)
    for (let i = 0; i < CLASSES; i++) latencies[i] = latencies[i]! * kept + Math.max(0, counts[i]! - before[i]!)
  }
}
