import type { ResourceDefinition } from '../definition.ts'
import type { APIGroup, APIGroupList, APIResource, APIResourceList, APIVersions } from '../types/meta-v1.gen.ts'
import { type MetricsGroup, metricsApiGroup, metricsResourceList } from './metrics-group.ts'
import { type ServedGroup, servedGroups, subresourcesOf } from './served-resources.ts'

type Definitions = readonly ResourceDefinition[]

function groupVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}

/** `/api`: the versions of the core group. `serverAddress` is `host:port`. */
export function apiVersions(serverAddress: string): APIVersions {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  }
}

function groupOf({ group, versions }: ServedGroup): APIGroup {
  const entries = versions.map(({ version }) => ({ groupVersion: groupVersion(group, version), version }))
  return { name: group, versions: entries, preferredVersion: entries[0]! }
}

/** `/apis` */
export function apiGroupList(definitions: Definitions, metrics: readonly MetricsGroup[] = []): APIGroupList {
  const groups = servedGroups(definitions).filter(({ group }) => group !== '')
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: [...groups.map(groupOf), ...metrics.map(metricsApiGroup)] }
}

/** `/apis/<group>`; undefined for a group that is not served. */
export function apiGroup(
  group: string,
  definitions: Definitions,
  metrics: readonly MetricsGroup[] = [],
): APIGroup | undefined {
  const measured = metrics.find((candidate) => candidate.group === group)
  if (measured !== undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...metricsApiGroup(measured) }
  const served = servedGroups(definitions).find((candidate) => candidate.group === group)
  return served === undefined || group === '' ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(served) }
}

function resourcesOf(definition: ResourceDefinition): readonly APIResource[] {
  const { resource, singular, namespaced, kind, verbs, shortNames, categories } = definition
  const own: APIResource = {
    name: resource,
    singularName: singular,
    namespaced,
    kind,
    verbs: verbs.toSorted(),
    ...(shortNames.length === 0 ? {} : { shortNames: [...shortNames] }),
    ...(categories.length === 0 ? {} : { categories: [...categories] }),
  }
  const subresources = subresourcesOf(definition).map((subresource): APIResource => {
    const { group, version } = subresource.kind
    const foreign = group !== definition.group || version !== definition.version
    return {
      name: `${resource}/${subresource.name}`,
      singularName: '',
      namespaced,
      ...(foreign ? { group, version } : {}),
      kind: subresource.kind.kind,
      verbs: [...subresource.verbs],
    }
  })
  return [own, ...subresources]
}

/** `/api/v1`, `/apis/<group>/<version>`; undefined for what is not served. */
export function apiResourceList(
  group: string,
  version: string,
  definitions: Definitions,
  metrics: readonly MetricsGroup[] = [],
): APIResourceList | undefined {
  const measured = metrics.find((candidate) => candidate.group === group)
  if (measured !== undefined) return metricsResourceList(measured, version)
  const served = servedGroups(definitions)
    .find((candidate) => candidate.group === group)
    ?.versions.find((candidate) => candidate.version === version)
  if (served === undefined) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: groupVersion(group, version),
    resources: served.definitions.flatMap(resourcesOf),
  }
}
