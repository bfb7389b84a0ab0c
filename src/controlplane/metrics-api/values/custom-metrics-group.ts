import { metricsDefinition } from '../../../api/definitions/metrics/metrics-definition.ts'
import type { MetricResource } from '../../../api/discovery/metrics-group.ts'
import type { LabelMatcher } from '../../../api/label-selector.ts'
import { type KubeObject, objectKey } from '../../../api/object.ts'
import { apiVersionOf, PODS } from '../../../api/resource-type.ts'
import { pathNotFound } from '../../apiserver/refusals.ts'
import type { ResourceInfo } from '../../apiserver/request-info.ts'
import type { VirtualGroup } from '../../apiserver/virtual-group.ts'
import type { ClusterObjects } from '../cluster-objects.ts'
import { inSlices } from '../in-slices.ts'
import type { Figure, MetricPart, MetricSource } from '../metric-source.ts'
import { DESCRIBED_KINDS, type DescribedKind, describedKind } from './described-kinds.ts'
import { metricNotFound, metricNotFoundFor } from './metric-errors.ts'
import { metricQuantity } from './metric-quantity.ts'
import { querySelector } from './query-selector.ts'

const GROUP = 'custom.metrics.k8s.io'
const VERSIONS = ['v1beta2', 'v1beta1'] as const
/** Names that discovery shows; values are served of all. */
const NAMES_MAX = 500
/** Parts that are looked at before other work gets its turn. */
const SLICE = 500

/** What a path asks for. */
interface Asked {
  readonly kind: DescribedKind
  readonly namespace: string
  /** `*` for all that the label selector chooses. */
  readonly name: string
  readonly metric: string
}

/**
 * `namespaces/<ns>/<resource>/<name>/<metric>`, `<resource>/<name>/<metric>` for what is in no namespace, and
 * `namespaces/<name>/metrics/<metric>`. Throws NotFound for any other path.
 */
function askedOf({ namespace, resource, name, subresource }: ResourceInfo): Asked {
  if (resource === 'metrics' && subresource === '' && namespace !== '' && name !== '')
    return { kind: describedKind('namespaces')!, namespace: '', name: namespace, metric: name }
  const kind = describedKind(resource)
  const isWhole = kind !== undefined && name !== '' && subresource !== '' && kind.resource !== 'namespaces'
  if (!isWhole || kind.type.namespaced !== (namespace !== '')) throw pathNotFound()
  return { kind, namespace, name, metric: subresource }
}

function metricValue(
  version: string,
  { type }: DescribedKind,
  object: KubeObject,
  asked: Asked,
  figure: Figure,
): object {
  const { name, namespace } = object.metadata ?? {}
  return {
    describedObject: {
      kind: type.kind,
      ...(type.namespaced ? { namespace } : {}),
      name,
      apiVersion: apiVersionOf(type),
    },
    ...(version === 'v1beta1' ? { metricName: asked.metric } : { metric: { name: asked.metric, selector: null } }),
    timestamp: `${new Date(figure.atMs).toISOString().slice(0, 19)}Z`,
    ...(figure.windowMs === 0 ? {} : { windowSeconds: Math.max(1, Math.round(figure.windowMs / 1000)) }),
    value: metricQuantity(figure.value),
    ...(version === 'v1beta1' ? { selector: null } : {}),
  }
}

/** The parts by the object they belong to. Parts of pods that are no more belong to nothing. */
async function byOwner<P extends MetricPart>(
  parts: Iterable<P>,
  kind: DescribedKind,
  labels: LabelMatcher,
  objects: ClusterObjects,
): Promise<ReadonlyMap<string, readonly P[]>> {
  const owners = new Map<string, P[]>()
  const ownersOf = kind.owners(objects)
  let looked = 0
  for (const part of parts) {
    if (++looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve))
    if (!labels.matches(part.labels)) continue
    const pod = objects.find(PODS, part.namespace, part.pod)
    for (const key of pod === undefined ? [] : ownersOf(part, pod)) {
      const own = owners.get(key)
      if (own === undefined) owners.set(key, [part])
      else own.push(part)
    }
  }
  return owners
}

export interface MetricsGroupOptions {
  /** The first that serves a metric's name answers for it. */
  readonly sources: readonly MetricSource[]
  readonly objects: ClusterObjects
}

/** custom.metrics.k8s.io: metrics of pods, and of what consists of pods. */
export function createCustomMetricsGroup({ sources, objects }: MetricsGroupOptions): VirtualGroup {
  const answer = async (info: ResourceInfo, query: URLSearchParams): Promise<unknown> => {
    const asked = askedOf(info)
    const { kind, metric, namespace, name } = asked
    const chosen = querySelector(query, 'labelSelector')
    const labels = querySelector(query, 'metricLabelSelector')
    const source = sources.find((candidate) => candidate.serves(metric))
    if (source === undefined) throw metricNotFound(kind.resource, metric)
    await source.ready(metric)
    const within = kind.resource === 'namespaces' && name !== '*' ? name : namespace
    const owners = await byOwner(source.parts(metric, within), kind, labels, objects)
    const list = async (those: readonly KubeObject[]): Promise<readonly object[]> =>
      inSlices(those, (object) => {
        const figure = source.figure(metric, owners.get(objectKey(object)) ?? [])
        return figure && metricValue(info.version, kind, object, asked, figure)
      })
    const isKnown = owners.size > 0 || [...source.names()].includes(metric)
    if (!isKnown) throw metricNotFound(kind.resource, metric)
    if (name === '*') {
      const all = objects.list(kind.type, namespace)
      return list(all.filter(({ metadata }) => chosen.matches(metadata?.labels)))
    }
    const object = objects.find(kind.type, namespace, name)
    const items = object === undefined ? [] : await list([object])
    if (items.length === 0) throw metricNotFoundFor(kind.resource, metric, name, labels.text)
    return items
  }
  return {
    group: GROUP,
    versions: VERSIONS,
    kind: 'MetricValueList',
    definition: metricsDefinition({ resource: 'metrics', kind: 'MetricValue', namespaced: true, columns: [] }),
    metrics(): readonly MetricResource[] {
      const names = [...new Set(sources.flatMap((source) => [...source.names()]))].slice(0, NAMES_MAX)
      return DESCRIBED_KINDS.flatMap(({ resource, type }) =>
        names.map((name) => ({ name: `${resource}/${name}`, namespaced: type.namespaced })),
      )
    },
    async answer(info, query) {
      const items = await answer(info, query)
      return { kind: 'MetricValueList', apiVersion: `${GROUP}/${info.version}`, metadata: {}, items }
    },
  }
}
