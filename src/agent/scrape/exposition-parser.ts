import type { ScrapedSeries } from '../../api/scraped-series.ts'

/** Text that is not in Prometheus' format, or holds more than is read. */
export class ExpositionError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ExpositionError'
  }
}

export interface Exposed {
  /** Names of all series, with how they are counted; those of a histogram's buckets left out. */
  readonly names: ReadonlyMap<string, ScrapedSeries['type']>
  /** The wanted ones. A series with more label sets than are kept is not among them at all: a part of it would be a lie. */
  readonly series: readonly ScrapedSeries[]
}

const LINE_CHARACTERS_MAX = 16 * 1024
const NAMES_MAX = 1_000
/** Label sets of one wanted series. */
const SETS_MAX = 200
const LABELS_MAX = 30
const LABEL_CHARACTERS_MAX = 256
const NAME_CHARACTERS_MAX = 200

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const TYPE_LINE = /^#[ \t]+TYPE[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+([a-z]+)[ \t]*$/
/** One label with what stands after it. Linear: no two of its repetitions can match the same text. */
const LABEL = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,?)/y
const OPEN = /[ \t]*\{/y
const CLOSE = /[ \t]*\}/y
/** The value, perhaps a time, perhaps an exemplar. */
const REST =
  /^[ \t]+([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?[Ii]nf|NaN)(?:[ \t]+-?\d+(?:\.\d+)?)?[ \t]*(?:#.*)?$/
const SUFFIX = /_(?:bucket|sum|count)$/

/** Where a pattern that begins at `at` ends; -1 when it does not match there. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : -1
}

function unescaped(text: string): string {
  return text.includes('\\') ? text.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : text
}

function excerpt(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line)
}

/**
 * Reads Prometheus' text format (0.0.4, and OpenMetrics as far as it is the same) piece by piece, as it comes. Only wanted
 * series are read as a whole; of others the name. Throws ExpositionError; what was read until then is worth nothing.
 */
export class ExpositionParser {
  readonly #wanted: ReadonlySet<string>
  readonly #types = new Map<string, string>()
  readonly #names = new Map<string, ScrapedSeries['type']>()
  readonly #series = new Map<string, Map<string, ScrapedSeries>>()
  readonly #tooMany = new Set<string>()
  #rest = ''

  constructor(wanted: ReadonlySet<string>) {
    this.#wanted = wanted
  }

  push(text: string): void {
    let from = 0
    const all = this.#rest === '' ? text : this.#rest + text
    for (let end = all.indexOf('\n'); end >= 0; end = all.indexOf('\n', from)) {
      this.#line(all.slice(from, end))
      from = end + 1
    }
    this.#rest = all.slice(from)
    if (this.#rest.length > LINE_CHARACTERS_MAX) throw new ExpositionError('a line is too long')
  }

  end(): Exposed {
    this.#line(this.#rest)
    this.#rest = ''
    for (const name of this.#tooMany) this.#series.delete(name)
    return { names: this.#names, series: [...this.#series.values()].flatMap((sets) => [...sets.values()]) }
  }

  #line(given: string): void {
    const line = given.endsWith('\r') ? given.slice(0, -1) : given
    if (line.trim() === '') return
    if (line.length > LINE_CHARACTERS_MAX) throw new ExpositionError('a line is too long')
    const start = line.startsWith(' ') || line.startsWith('\t') ? line.search(/[^ \t]/) : 0
    if (line[start] === '#') this.#comment(line.slice(start))
    else this.#sample(line, start)
  }

  #sample(line: string, start: number): void {
    const nameEnd = endOf(NAME, line, start)
    if (nameEnd < 0) throw new ExpositionError(`a line that is no series: ${excerpt(line)}`)
    const name = line.slice(start, nameEnd)
    if (name.length > NAME_CHARACTERS_MAX) throw new ExpositionError('the name of a series is too long')
    const type = this.#typeOf(name)
    if (!name.endsWith('_bucket') && this.#names.size < NAMES_MAX) this.#names.set(name, type)
    if (this.#wanted.has(name)) this.#wantedSeries(line, nameEnd, name, type)
  }

  #comment(line: string): void {
    const match = TYPE_LINE.exec(line)
    if (match !== null && this.#types.size < NAMES_MAX) this.#types.set(match[1]!, match[2]!)
  }

  #typeOf(name: string): ScrapedSeries['type'] {
    const own = this.#types.get(name)
    if (own !== undefined && own !== 'untyped' && own !== 'unknown') return own === 'counter' ? 'counter' : 'gauge'
    // OpenMetrics names the family of `x_total` `x`; parts of histograms and summaries have the family's type.
    if (name.endsWith('_total')) return 'counter'
    const family = this.#types.get(name.replace(SUFFIX, ''))
    return family === 'histogram' || family === 'summary' ? 'counter' : 'gauge'
  }

  #wantedSeries(line: string, nameEnd: number, name: string, type: ScrapedSeries['type']): void {
    const { labels, end } = labelsOf(line, nameEnd)
    const match = REST.exec(line.slice(end))
    if (match === null) throw new ExpositionError(`a series without a value: ${excerpt(line)}`)
    const value = Number(match[1])
    // NaN and infinity say that there is nothing to say.
    if (!Number.isFinite(value)) return
    let sets = this.#series.get(name)
    if (sets === undefined) {
      sets = new Map()
      this.#series.set(name, sets)
    }
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
    if (sets.size >= SETS_MAX && !sets.has(key)) this.#tooMany.add(name)
    else sets.set(key, { name, type, labels, value })
  }
}

function labelsOf(
  line: string,
  nameEnd: number,
): { readonly labels: Readonly<Record<string, string>>; readonly end: number } {
  const open = endOf(OPEN, line, nameEnd)
  if (open < 0) return { labels: {}, end: nameEnd }
  const labels = new Map<string, string>()
  let at = open
  for (;;) {
    const close = endOf(CLOSE, line, at)
    if (close >= 0) return { labels: Object.fromEntries(labels), end: close }
    LABEL.lastIndex = at
    const match = LABEL.exec(line)
    if (match === null) throw new ExpositionError(`a series with odd labels: ${excerpt(line)}`)
    at = LABEL.lastIndex
    const [, label, value, comma] = match
    if (comma === '' && endOf(CLOSE, line, at) < 0)
      throw new ExpositionError(`a series with odd labels: ${excerpt(line)}`)
    if (value!.length > LABEL_CHARACTERS_MAX)
      throw new ExpositionError(`the label ${label} of ${line.slice(0, 60)} is too long`)
    if (labels.size >= LABELS_MAX) throw new ExpositionError('a series has too many labels')
    labels.set(label!, unescaped(value!))
  }
}
