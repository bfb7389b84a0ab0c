/** A counter of CPU and the memory held, at one moment of the node's clock. */
export interface UsagePoint {
  readonly atMs: number
  readonly cpuNanoseconds: number
  readonly workingSetBytes: number
}

/** Usage over a window that ended at `atMs`. */
export interface Usage {
  readonly atMs: number
  readonly windowMs: number
  /** Billionths of a core. */
  readonly cpuNanoCores: number
  readonly workingSetBytes: number
}

/** Undefined when the points tell nothing: no time between them, or a counter that began anew. */
export function usageBetween(last: UsagePoint, earlier: UsagePoint): Usage | undefined {
  const windowMs = last.atMs - earlier.atMs
  const used = last.cpuNanoseconds - earlier.cpuNanoseconds
  if (windowMs <= 0 || used < 0) return undefined
  const { atMs, workingSetBytes } = last
  return { atMs, windowMs, cpuNanoCores: Math.round((used * 1000) / windowMs), workingSetBytes }
}
