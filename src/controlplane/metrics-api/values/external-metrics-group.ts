import { metricsDefinition } from '../../../api/definitions/metrics/metrics-definition.ts'
import { pathNotFound } from '../../apiserver/refusals.ts'
import type { VirtualGroup } from '../../apiserver/virtual-group.ts'
import { inSlices } from '../in-slices.ts'
import type { MetricPart, MetricSource } from '../metric-source.ts'
import type { MetricsGroupOptions } from './custom-metrics-group.ts'
import { metricNotFound } from './metric-errors.ts'
import { metricQuantity } from './metric-quantity.ts'
import { querySelector } from './query-selector.ts'

const GROUP = 'external.metrics.k8s.io'
const VERSION = 'v1beta1'
const NAMES_MAX = 500
/** Series that one answer holds. */
const SERIES_MAX = 10_000

type Labels = Readonly<Record<string, string>>

function seriesOf(
  source: MetricSource,
  metric: string,
  namespace: string,
): readonly (readonly [Labels, MetricPart[]])[] {
  const series = new Map<string, readonly [Labels, MetricPart[]]>()
  for (const part of source.parts(metric, namespace)) {
    const labels = source.seriesLabels(part)
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
    const known = series.get(key)
    if (known !== undefined) known[1].push(part)
    else if (series.size < SERIES_MAX) series.set(key, [labels, [part]])
  }
  return [...series.values()]
}

/**
 * external.metrics.k8s.io: the same figures as series with labels, of one namespace each: Services' ports, and what pods
 * tell of themselves. Whoever asks adds up what the selector chooses.
 */
export function createExternalMetricsGroup({ sources }: Pick<MetricsGroupOptions, 'sources'>): VirtualGroup {
  return {
    group: GROUP,
    versions: [VERSION],
    kind: 'ExternalMetricValueList',
    definition: metricsDefinition({ resource: 'metrics', kind: 'ExternalMetricValue', namespaced: true, columns: [] }),
    metrics: () =>
      [...new Set(sources.flatMap((source) => [...source.names()]))]
        .slice(0, NAMES_MAX)
        .map((name) => ({ name, namespaced: true })),
    async answer({ namespace, resource: metric, name, subresource }, query) {
      if (namespace === '' || name !== '' || subresource !== '') throw pathNotFound()
      const chosen = querySelector(query, 'labelSelector')
      const source = sources.find((candidate) => candidate.serves(metric))
      await source?.ready(metric)
      const series = source === undefined ? [] : seriesOf(source, metric, namespace)
      const isKnown = series.length > 0 || sources.some((one) => [...one.names()].includes(metric))
      if (!isKnown) throw metricNotFound(`namespaces ${namespace}`, metric)
      const items = await inSlices(series, ([labels, parts]) => {
        const figure = chosen.matches(labels) ? source!.figure(metric, parts) : undefined
        return (
          figure && {
            metricName: metric,
            metricLabels: labels,
            timestamp: `${new Date(figure.atMs).toISOString().slice(0, 19)}Z`,
            ...(figure.windowMs === 0 ? {} : { window: Math.max(1, Math.round(figure.windowMs / 1000)) }),
            value: metricQuantity(figure.value),
          }
        )
      })
      return { kind: 'ExternalMetricValueList', apiVersion: `${GROUP}/${VERSION}`, metadata: {}, items }
    },
  }
}
