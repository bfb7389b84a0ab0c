import { seriesLine } from './series-line.ts'

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

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
/** Lines between two looks at the clock. */
const LOOK_EVERY = 64
/** How long other work waits. */
const SLICE_MS = 5

/**
 * The families in Prometheus' text format. What is counted lies in numbers with those who count; here it becomes lines,
 * 2 to 3 µs each, with a turn for other work in between. A registry of prom-client takes as long in one piece, and 20 MiB
 * of memory once it is loaded.
 */
export async function exposition(families: Iterable<MetricFamily>): Promise<Exposition> {
  const pieces: Buffer[] = []
  for await (const piece of expositionPieces(families)) pieces.push(piece)
  return { text: Buffer.concat(pieces).toString(), contentType: EXPOSITION_TYPE }
}

/** The same in pieces of some 10 KiB, made as they are taken: for scrapes of which the whole would be a long string. */
export async function* expositionPieces(families: Iterable<MetricFamily>): AsyncGenerator<Buffer> {
  let piece = ''
  let lines = 0
  let since = performance.now()
  for (const { name, type, help, samples } of families) {
    piece += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const { metricName = name, labels, value } of samples()) {
      piece += seriesLine(metricName, labels, value)
      lines += 1
      if (lines % LOOK_EVERY > 0) continue
      // Out of the heap: a long string that grows is many small objects, which each collection copies.
      yield Buffer.from(piece)
      piece = ''
      if (performance.now() - since < SLICE_MS) continue
      await new Promise((resolve) => setImmediate(resolve))
      since = performance.now()
    }
  }
  if (piece !== '') yield Buffer.from(piece)
}
