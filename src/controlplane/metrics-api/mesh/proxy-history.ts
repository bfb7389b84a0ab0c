import type { Millis } from '../../../base/clock.ts'
import type { MeshAnswer, MeshSample } from './decode-mesh.ts'
import { type Counter, EndpointHistory, type Gauge, SLOTS } from './endpoint-history.ts'

/** Latencies weigh half as much after this time: a change shows within seconds, and one slow request does not stay. */
const LATENCY_HALF_LIFE_MS = 3_000
/** How much longer than asked for a window may be, since samples do not come to the millisecond. */
const WINDOW_SLACK = 1.25
/** Two samples closer together than this tell no rate. */
const ELAPSED_MS_MIN = 200
/** Endpoints that are taken before other work gets its turn; 2 µs each. */
const SLICE = 1_000

/** What one proxy told in its last samples. Nothing is compared over a restart of it. */
export class ProxyHistory {
  /** Namespace → Service → port, endpoint and pod → what was counted of it. */
  readonly #endpoints = new Map<string, Map<string, Map<string, EndpointHistory>>>()
  readonly #takenAtMs = new Float64Array(SLOTS)
  #startedAtMs = Number.NaN
  /** How many samples it has told since it started. */
  #count = 0
  #wallMs = 0
  #receivedAtMs = Number.NEGATIVE_INFINITY

  /** The wall clock's time at which the last sample came. */
  get atMs(): Millis {
    return this.#wallMs
  }

  /** True when it has told something new within this time, by our own monotonic clock. */
  heardWithin(ms: Millis, nowMs: Millis): boolean {
    return nowMs - this.#receivedAtMs <= ms
  }

  /** Those of a namespace; all of them when it is empty. */
  *endpoints(namespace: string): Generator<EndpointHistory> {
    const own = this.#endpoints.get(namespace)
    for (const services of namespace === '' ? this.#endpoints.values() : own === undefined ? [] : [own])
      for (const endpoints of services.values()) yield* endpoints.values()
  }

  ofService(namespace: string, service: string): Iterable<EndpointHistory> {
    return this.#endpoints.get(namespace)?.get(service)?.values() ?? []
  }

  async take(answer: MeshAnswer, nowMs: Millis, wallMs: Millis): Promise<void> {
    const last = this.#count === 0 ? undefined : this.#takenAtMs[(this.#count - 1) % SLOTS]!
    if (answer.startedAtMs !== this.#startedAtMs || last === undefined) {
      this.#endpoints.clear()
      this.#count = 0
      this.#startedAtMs = answer.startedAtMs
    } else if (answer.takenAtMs <= last) return
    const elapsedMs = this.#count === 0 ? 0 : answer.takenAtMs - last!
    const kept = 2 ** (-elapsedMs / LATENCY_HALF_LIFE_MS)
    const number = this.#count
    for (const [i, sample] of answer.samples.entries()) {
      if (i % SLICE === SLICE - 1) await new Promise((resolve) => setImmediate(resolve))
      const endpoint = this.#endpointOf(sample)
      // A proxy that tells of one twice is heard once.
      if (endpoint.seen !== number) endpoint.take(sample, number, kept)
    }
    this.#forgetUnseen(number)
    this.#takenAtMs[number % SLOTS] = answer.takenAtMs
    this.#count = number + 1
    this.#wallMs = wallMs
    this.#receivedAtMs = nowMs
  }

  #endpointOf(sample: MeshSample): EndpointHistory {
    const services = within(this.#endpoints, sample.namespace, () => new Map<string, Map<string, EndpointHistory>>())
    const endpoints = within(services, sample.service, () => new Map<string, EndpointHistory>())
    const key = `${sample.port}/${sample.endpoint}/${sample.pod}`
    return within(endpoints, key, () => new EndpointHistory(sample))
  }

  #forgetUnseen(number: number): void {
    for (const [namespace, services] of this.#endpoints) {
      for (const [service, endpoints] of services) {
        for (const [key, endpoint] of endpoints) if (endpoint.seen !== number) endpoints.delete(key)
        if (endpoints.size === 0) services.delete(service)
      }
      if (services.size === 0) this.#endpoints.delete(namespace)
    }
  }

  /**
   * How much a counter grew over about the last `windowMs`, or over as much of it as the endpoint has been there.
   * Undefined when there are no two samples to tell it from.
   */
  growth(endpoint: EndpointHistory, counter: Counter, windowMs: Millis): Growth | undefined {
    const last = (this.#count - 1) % SLOTS
    const lastMs = this.#takenAtMs[last]!
    let earliest = -1
    for (let back = 1; back < Math.min(SLOTS - 1, this.#count); back++) {
      const slot = (this.#count - 1 - back) % SLOTS
      const isTooOld = lastMs - this.#takenAtMs[slot]! > windowMs * WINDOW_SLACK
      if ((isTooOld && earliest >= 0) || Number.isNaN(endpoint.at(counter, slot))) break
      earliest = slot
      // One sample beyond the window is better than none, as after a pause.
      if (isTooOld) break
    }
    if (earliest < 0) return undefined
    const elapsedMs = lastMs - this.#takenAtMs[earliest]!
    if (elapsedMs < ELAPSED_MS_MIN) return undefined
    return { count: endpoint.at(counter, last) - endpoint.at(counter, earliest), elapsedMs }
  }

  /** A gauge's mean over the samples of about the last `windowMs`, and how many those are. */
  mean(endpoint: EndpointHistory, gauge: Gauge, windowMs: Millis): Mean | undefined {
    const lastMs = this.#takenAtMs[(this.#count - 1) % SLOTS]!
    let sum = 0
    let samples = 0
    for (let back = 0; back < Math.min(SLOTS - 1, this.#count); back++) {
      const slot = (this.#count - 1 - back) % SLOTS
      const value = endpoint.at(gauge, slot)
      // A sample stands for the time before it: one as old as the window is outside of it.
      const isTooOld = lastMs - this.#takenAtMs[slot]! >= windowMs / WINDOW_SLACK
      if ((isTooOld && back > 0) || Number.isNaN(value)) break
      sum += value
      samples += 1
    }
    return samples === 0 ? undefined : { mean: sum / samples, sum }
  }
}

/** The value of a key, made when there is none yet. */
function within<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

export interface Growth {
  readonly count: number
  readonly elapsedMs: Millis
}

export interface Mean {
  readonly mean: number
  /** Of the samples. */
  readonly sum: number
}
