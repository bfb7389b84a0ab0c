/** A counter of CPU nanoseconds at a moment. */
export interface CpuPoint {
  readonly atMs: number
  readonly cpuNanoseconds: number
}

/** Billionths of a core between two points; undefined when there is no time between them or the counter began anew. */
export function nanoCores(last: CpuPoint, earlier: CpuPoint): number | undefined {
  const elapsedMs = last.atMs - earlier.atMs
  const used = last.cpuNanoseconds - earlier.cpuNanoseconds
  return elapsedMs <= 0 || used < 0 ? undefined : Math.round((used * 1000) / elapsedMs)
}
