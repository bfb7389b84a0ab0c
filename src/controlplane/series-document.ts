import type { KubeObject } from '../api/object.ts'
import type { ResourceType } from '../api/resource-type.ts'
import { StatusError } from '../api/status-error.ts'
import type { SeriesDocument } from './apiserver/metrics/series-document.ts'
import { scrapeTargets } from './scrape-targets/scrape-targets.ts'
import { stateMetrics } from './state-metrics/state-metrics.ts'

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8'
/** Documents that are read at a time: each walks all objects of the cluster. */
const READING_MAX = 16

/** What the control plane serves to monitoring below `/metrics/`: `state` and `targets/<role>`. Throws TooManyRequests. */
export function createSeriesDocuments(
  list: (type: ResourceType) => readonly KubeObject[],
): (path: string, query: URLSearchParams) => SeriesDocument | undefined {
  let reading = 0
  // Counted from the first piece on: a body that nobody begins to read has no end either.
  const counted = async function* (body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    reading += 1
    try {
      yield* body
    } finally {
      reading -= 1
    }
  }
  const find = (path: string, query: URLSearchParams): SeriesDocument | undefined => {
    if (path === '/metrics/state')
      return { contentType: TEXT_FORMAT, body: stateMetrics(list, () => performance.now()) }
    const role = /^\/metrics\/targets\/([a-z]+)$/.exec(path)?.[1]
    const body = role === undefined ? undefined : scrapeTargets(role, query, list)
    return body === undefined ? undefined : { contentType: 'application/json', body }
  }
  return (path, query) => {
    const found = find(path, query)
    if (found !== undefined && reading >= READING_MAX)
      throw new StatusError('TooManyRequests', 'too many scrapes at a time; try again later', { retryAfterSeconds: 1 })
    return found === undefined ? undefined : { ...found, body: counted(found.body) }
  }
}
