import type { KubeObject } from '../api/object.ts'
import type { ResourceType } from '../api/resource-type.ts'
import type { SeriesDocument } from './apiserver/metrics/series-document.ts'
import { scrapeTargets } from './scrape-targets/scrape-targets.ts'
import { stateMetrics } from './state-metrics/state-metrics.ts'

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8'

/** What the control plane serves to monitoring below `/metrics/`: `state` and `targets/<role>`. */
export function seriesDocument(
  path: string,
  query: URLSearchParams,
  list: (type: ResourceType) => readonly KubeObject[],
): SeriesDocument | undefined {
  if (path === '/metrics/state') return { contentType: TEXT_FORMAT, body: stateMetrics(list, () => performance.now()) }
  const role = /^\/metrics\/targets\/([a-z]+)$/.exec(path)?.[1]
  const body = role === undefined ? undefined : scrapeTargets(role, query, list)
  return body === undefined ? undefined : { contentType: 'application/json', body }
}
