import type { APIGroup, APIResourceList } from '../types/meta-v1.gen.ts'
import type { GroupDiscovery } from './group-discovery.ts'

/** A metric of a kind of objects as discovery names it, `pods/http_requests_per_second`; of no objects without a slash. */
export interface MetricResource {
  readonly name: string
  readonly namespaced: boolean
}

/**
 * A group whose resources are metrics, which come and go with what is measured: custom.metrics.k8s.io and
 * external.metrics.k8s.io. Their names stand where other groups have resources and subresources.
 */
export interface MetricsGroup {
  readonly group: string
  /** The preferred one first. */
  readonly versions: readonly string[]
  /** The kind of an answer's items. */
  readonly kind: string
  /** Those that are known now. */
  metrics(): readonly MetricResource[]
}

const VERBS = ['get']

export function metricsApiGroup({ group, versions }: MetricsGroup): APIGroup {
  const entries = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions: entries, preferredVersion: entries[0]! }
}

/** Undefined for a version that is not served. */
export function metricsResourceList(of: MetricsGroup, version: string): APIResourceList | undefined {
  if (!of.versions.includes(version)) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${of.group}/${version}`,
    resources: of.metrics().map((metric) => ({ ...metric, singularName: '', kind: of.kind, verbs: VERBS })),
  }
}

/**
 * In the form of aggregated discovery, metrics of objects are subresources of parents that cannot be read themselves:
 * those have an empty kind and no verbs, as kube-apiserver writes them for an adapter's group.
 */
export function metricsGroupDiscovery({ group, versions, kind, metrics }: MetricsGroup): GroupDiscovery {
  const byParent = Map.groupBy(metrics(), ({ name }) => name.split('/')[0]!)
  return {
    metadata: { name: group, creationTimestamp: null },
    versions: versions.map((version) => ({
      version,
      resources: [...byParent].map(([resource, members]) => {
        const itself = members.find(({ name }) => name === resource)
        const below = members.filter(({ name }) => name !== resource)
        return {
          resource,
          responseKind: itself === undefined ? { group: '', version: '', kind: '' } : { group, version, kind },
          scope: members[0]!.namespaced ? ('Namespaced' as const) : ('Cluster' as const),
          singularResource: '',
          verbs: itself === undefined ? [] : VERBS,
          ...(below.length === 0
            ? {}
            : {
                subresources: below.map(({ name }) => ({
                  subresource: name.slice(resource.length + 1),
                  responseKind: { group, version, kind },
                  verbs: VERBS,
                })),
              }),
        }
      }),
      freshness: 'Current' as const,
    })),
  }
}
