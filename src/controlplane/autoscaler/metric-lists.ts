import { quantityToMilli } from '../../api/quantity.ts'
import type { Millis } from '../../base/clock.ts'
import { goDurationMs } from './go-duration.ts'
import { MetricError } from './metric-error.ts'
import type { PodSample } from './metric-reading.ts'

// The answers of the metrics APIs, whoever serves them: nothing in them is taken for granted, and what cannot be read
// of one pod is missing for that pod alone.

/** The time a value was measured over when its source does not say. */
const WINDOW_DEFAULT_MS = 60_000

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

export function itemsOf(body: unknown): readonly Fields[] {
  const { items } = fieldsOf(body)
  return Array.isArray(items) ? items.map(fieldsOf) : []
}

/** Thousandths, or undefined for what is no quantity. */
export function milliOf(value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  try {
    return quantityToMilli(String(value))
  } catch {
    return undefined
  }
}

function momentOf(value: unknown): Millis {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN
  // Without a time a sample is as old as can be: good for all but a pod that has just started.
  return Number.isNaN(at) ? 0 : at
}

function nameOf(value: unknown): string | undefined {
  const { name } = fieldsOf(value)
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** What all containers of a pod use together; one that is not measured makes the whole unknown. */
function sumOfContainers(containers: readonly Fields[], resource: string): number | undefined {
  if (containers.length === 0) return undefined
  let sum = 0
  for (const { usage } of containers) {
    const milli = milliOf(fieldsOf(usage)[resource])
    if (milli === undefined) return undefined
    sum += milli
  }
  return sum
}

/**
 * Samples of `PodMetricsList` (metrics.k8s.io): of each pod, or of one container in each. Throws MetricError when a pod
 * has no such container.
 */
export function podUsageSamples(
  body: unknown,
  resource: string,
  container: string | undefined,
): ReadonlyMap<string, PodSample> {
  const samples = new Map<string, PodSample>()
  for (const { metadata, timestamp, window, containers } of itemsOf(body)) {
    const name = nameOf(metadata)
    if (name === undefined) continue
    const all = Array.isArray(containers) ? containers.map(fieldsOf) : []
    const counted = container === undefined ? all : all.filter((one) => one.name === container)
    if (container !== undefined && counted.length === 0) {
      const namespace = String(fieldsOf(metadata).namespace ?? '')
      throw new MetricError(`container ${container} not present in metrics for pod ${namespace}/${name}`)
    }
    const milli = sumOfContainers(counted, resource)
    if (milli === undefined) continue
    samples.set(name, { milli, atMs: momentOf(timestamp), windowMs: goDurationMs(window) ?? WINDOW_DEFAULT_MS })
  }
  return samples
}

/** Samples of a `MetricValueList` (custom.metrics.k8s.io) about pods. */
export function podValueSamples(body: unknown): ReadonlyMap<string, PodSample> {
  const samples = new Map<string, PodSample>()
  for (const { describedObject, timestamp, windowSeconds, value } of itemsOf(body)) {
    const [name, milli] = [nameOf(describedObject), milliOf(value)]
    if (name === undefined || milli === undefined) continue
    const windowMs = typeof windowSeconds === 'number' ? windowSeconds * 1000 : WINDOW_DEFAULT_MS
    samples.set(name, { milli, atMs: momentOf(timestamp), windowMs })
  }
  return samples
}
