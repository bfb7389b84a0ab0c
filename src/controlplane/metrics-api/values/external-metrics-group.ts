import { metricsDefinition } from '../../../api/definitions/metrics/metrics-definition.ts'
import type { LabelMatcher } from '../../../api/label-selector.ts'
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
/** Parts that are looked at before other work gets its turn. */
const SLICE = 500
/** Series that one answer holds. */
const SERIES_MAX = 10_000

type Labels = Readonly<Record<string, string>>

/** The parts by the labels of the series that they are of; only series that the selector chooses. */
async function chosenSeries(
  source: MetricSource,
  parts: Iterable<MetricPart>,
  chosen: LabelMatcher,
): Promise<{ readonly isKnown: boolean; readonly series: readonly (readonly [Labels, MetricPart[]])[] }> {
  const series = new Map<string, readonly [Labels, MetricPart[]]>()
  let looked = 0
  for (const part of parts) {
    if (++looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve))
    const labels = source.seriesLabels(part)
    if (!chosen.matches(labels)) continue
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
    const known = series.get(key)
    if (known !== undefined) known[1].push(part)
    else if (series.size < SERIES_MAX) series.set(key, [labels, [part]])
  }
  return { isKnown: looked > 0, series: [...series.values()] }
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
      if (source === undefined) throw metricNotFound(`namespaces ${namespace}`, metric)
      await source.ready(metric)
      const { isKnown, series } = await chosenSeries(source, source.parts(metric, namespace), chosen)
      if (!isKnown && ![...source.names()].includes(metric)) throw metricNotFound(`namespaces ${namespace}`, metric)
      const items = await inSlices(series, ([labels, parts]) => {
        const figure = source.figure(metric, parts)
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
