import type { ResourceDefinition } from '../definition.ts'
import type { GroupDiscovery, ResourceDiscovery } from './group-discovery.ts'
import { type MetricsGroup, metricsGroupDiscovery } from './metrics-group.ts'
import { type ServedGroup, servedGroups, subresourcesOf } from './served-resources.ts'

export const AGGREGATED_VERSIONS = ['v2', 'v2beta1'] as const
export type AggregatedVersion = (typeof AGGREGATED_VERSIONS)[number]

/** `APIGroupDiscoveryList` of `apidiscovery.k8s.io`; both versions have the same fields. */
export interface AggregatedDiscovery {
  readonly kind: 'APIGroupDiscoveryList'
  readonly apiVersion: `apidiscovery.k8s.io/${AggregatedVersion}`
  readonly metadata: object
  readonly items: readonly GroupDiscovery[]
}

function resourceDiscovery(definition: ResourceDefinition): ResourceDiscovery {
  const { group, version, kind, shortNames, categories } = definition
  const subresources = subresourcesOf(definition).map((subresource) => ({
    subresource: subresource.name,
    responseKind: subresource.kind,
    verbs: subresource.verbs,
  }))
  return {
    resource: definition.resource,
    responseKind: { group, version, kind },
    scope: definition.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: definition.singular,
    verbs: definition.verbs.toSorted(),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  }
}

function groupDiscovery({ group, versions }: ServedGroup): GroupDiscovery {
  return {
    metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
    versions: versions.map(({ version, definitions }) => ({
      version,
      resources: definitions.map(resourceDiscovery),
      freshness: 'Current',
    })),
  }
}

/** All resources in one answer: of `/api` (the core group) or `/apis` (all others) under an `as=APIGroupDiscoveryList` Accept. */
export function aggregatedDiscovery(
  root: '/api' | '/apis',
  version: AggregatedVersion,
  definitions: readonly ResourceDefinition[],
  metrics: readonly MetricsGroup[] = [],
): AggregatedDiscovery {
  const groups = servedGroups(definitions).filter(({ group }) => (group === '') === (root === '/api'))
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: [...groups.map(groupDiscovery), ...(root === '/api' ? [] : metrics.map(metricsGroupDiscovery))],
  }
}
