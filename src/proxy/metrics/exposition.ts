import { TimeSlice } from './time-slice.ts'

/** Metrics of one name, as Prometheus's text format 0.0.4 has them. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Made while they are written, so a scrape costs no memory beside its text. */
  samples(): Iterable<MetricSample>
}

export interface MetricSample {
  readonly value: number
  /** As they stand between the braces; see `labelText`. */
  readonly labels: string
  /** After the family's name, such as `_bucket`. */
  readonly suffix?: string
}

/** Lines between two looks at the clock. */
const LINES = 64

/** The families as text, one after another; other work has its turn in between, however many samples there are. */
export async function expositionText(families: readonly MetricFamily[]): Promise<string> {
  const lines: string[] = []
  const slice = new TimeSlice()
  for (const { name, help, type, samples } of families) {
    lines.push(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`)
    for (const { value, labels, suffix = '' } of samples()) {
      lines.push(`${name}${suffix}{${labels}} ${value}\n`)
      if (lines.length % LINES === 0 && slice.isOver) await slice.next()
    }
  }
  return lines.join('')
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`))
}
