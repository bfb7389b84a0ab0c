import type { ScrapedPod, ScrapedSeries, ScrapedSummary } from '../../../api/scraped-series.ts'

export interface DecodedScrape {
  readonly names: ReadonlyMap<string, ScrapedSeries['type']>
  readonly pods: readonly ScrapedPod[]
}

const PODS_MAX = 5_000
const NAMES_MAX = 2_000
const SERIES_MAX = 500
const LABELS_MAX = 30

type Loose<T> = { readonly [K in keyof T]?: unknown } | null | undefined

function listOf<T>(value: unknown, atMost: number): readonly Loose<T>[] {
  return Array.isArray(value) ? value.slice(0, atMost) : []
}

function isType(value: unknown): value is ScrapedSeries['type'] {
  return value === 'counter' || value === 'gauge'
}

function labelsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const labels = Object.entries(value)
  const isWhole = labels.length <= LABELS_MAX && labels.every(([, text]) => typeof text === 'string')
  return isWhole ? (value as Record<string, string>) : undefined
}

function seriesOf(given: Loose<ScrapedSeries>): ScrapedSeries | undefined {
  const { name, type, value } = given ?? {}
  const labels = labelsOf(given?.labels)
  if (typeof name !== 'string' || !isType(type) || labels === undefined) return undefined
  return typeof value === 'number' && Number.isFinite(value) ? { name, type, labels, value } : undefined
}

/**
 * Reads a node's `/stats/custom`. The node is a stranger as far as this goes: every field may be missing or anything else,
 * and what cannot be used is left out. Throws for what is no JSON object.
 */
export function decodeScraped(text: string): DecodedScrape {
  const summary: Loose<ScrapedSummary> = JSON.parse(text)
  if (typeof summary !== 'object' || summary === null) throw new Error('what a node tells of its pods is no object')
  const names = new Map<string, ScrapedSeries['type']>()
  for (const one of listOf<ScrapedSummary['names'][number]>(summary.names, NAMES_MAX))
    if (typeof one?.name === 'string' && isType(one.type)) names.set(one.name, one.type)
  const pods = listOf<ScrapedPod>(summary.pods, PODS_MAX).flatMap((pod): readonly ScrapedPod[] => {
    const { uid, atMs, series } = pod ?? {}
    if (typeof uid !== 'string' || typeof atMs !== 'number' || !Number.isFinite(atMs)) return []
    const read = listOf<ScrapedSeries>(series, SERIES_MAX).map(seriesOf)
    return [{ uid, atMs, series: read.filter((one) => one !== undefined) }]
  })
  return { names, pods }
}
