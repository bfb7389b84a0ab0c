import { MESH_LATENCY_BOUNDS_MS } from '../../../api/mesh-summary.ts'

/**
 * A quantile of requests that are counted by latency class, in milliseconds; spread evenly within a class. What is slower
 * than the last bound counts as that bound. Undefined when there are none.
 */
export function latencyQuantileMs(counts: Float32Array | Float64Array, quantile: number): number | undefined {
  let total = 0
  for (const count of counts) total += count
  if (total === 0) return undefined
  let left = quantile * total
  for (const [i, upper] of MESH_LATENCY_BOUNDS_MS.entries()) {
    const count = counts[i]!
    const lower = i === 0 ? 0 : MESH_LATENCY_BOUNDS_MS[i - 1]!
    if (left <= count && count > 0) return lower + ((upper - lower) * left) / count
    left -= count
  }
  return MESH_LATENCY_BOUNDS_MS.at(-1)
}
