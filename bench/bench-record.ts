/** Figures of one proxy in one cell. */
export interface ProxyFigures {
  readonly proxy: string
  /** User and system time of the proxy's process per request; null where there is no proxy. */
  readonly cpuMicros: number | null
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** Resident memory after the cell. */
  readonly rssMiB: number | null
  readonly errors: number
}

export interface CellFigures {
  readonly cell: string
  readonly proxies: readonly ProxyFigures[]
}

/** One run, as it is saved. */
export interface BenchRecord {
  readonly format: 1
  readonly takenAt: string
  readonly machine: string
  /** Of the machine in the minute before and in the last minute of the run: more than its cores is other work. */
  readonly loadAverage: { readonly before: number; readonly after: number }
  readonly secondsPerCell: number
  readonly versions: Readonly<Record<string, string>>
  readonly cells: readonly CellFigures[]
}

/** What was saved by an earlier run, checked as far as it is used. */
export function parseRecord(text: string): BenchRecord {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('format' in value) || !('cells' in value))
    throw new Error('this is not the record of a benchmark')
  if (value.format !== 1) throw new Error(`a record of format ${String(value.format)}, not 1`)
  if (!Array.isArray(value.cells)) throw new Error('a record without cells')
  return value as BenchRecord
}

/** How two runs differ in one cell and proxy: what is now divided by what was then. */
export interface Ratio {
  readonly cell: string
  readonly proxy: string
  readonly cpu: number | null
  readonly requestsPerSecond: number
  readonly p99: number
  readonly memory: number | null
  /**
   * The CPU ratio divided by the median of that cell's: what is left when a machine that is slower for all has been
   * taken out. null where fewer than three proxies are in both.
   */
  readonly cpuBesideOthers: number | null
}

/** Cells and proxies that are in both. */
export function compareRecords(now: BenchRecord, then: BenchRecord): readonly Ratio[] {
  return now.cells.flatMap(({ cell, proxies }) => {
    const old = then.cells.find((other) => other.cell === cell)?.proxies ?? []
    const pairs = proxies.flatMap((figures) => {
      const before = old.find(({ proxy }) => proxy === figures.proxy)
      return before === undefined ? [] : [{ figures, before, cpu: ratio(figures.cpuMicros, before.cpuMicros) }]
    })
    const ratios = pairs.flatMap(({ cpu }) => (cpu === null ? [] : [cpu])).sort((a, b) => a - b)
    const median = ratios.length < 3 ? null : ratios[ratios.length >> 1]!
    return pairs.map(({ figures, before, cpu }) => ({
      cell,
      proxy: figures.proxy,
      cpu,
      requestsPerSecond: figures.requestsPerSecond / before.requestsPerSecond,
      p99: figures.p99Ms / before.p99Ms,
      memory: ratio(figures.rssMiB, before.rssMiB),
      cpuBesideOthers: cpu === null || median === null ? null : cpu / median,
    }))
  })
}

const ratio = (now: number | null, then: number | null): number | null =>
  now === null || then === null || then === 0 ? null : now / then
