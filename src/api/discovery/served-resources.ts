import type { ResourceDefinition } from '../definition.ts'
import type { GroupVersionKind } from '../schema/schema-table.ts'
import { compareGroups, compareVersions } from './group-order.ts'

export interface ServedSubresource {
  readonly name: string
  readonly kind: GroupVersionKind
  readonly verbs: readonly string[]
}

/** The subresources that a definition serves, by name. */
export function subresourcesOf(definition: ResourceDefinition): readonly ServedSubresource[] {
  const { group, version, kind } = definition
  const views: ServedSubresource[] = []
  const verbs = ['get', 'patch', 'update']
  if (definition.status !== undefined) views.push({ name: 'status', kind: { group, version, kind }, verbs })
  if (definition.scale !== undefined)
    views.push({ name: 'scale', kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs })
  const others = definition.otherSubresources.map((other) => ({
    name: other.name,
    kind: { group: other.group ?? group, version: other.version ?? version, kind: other.kind },
    verbs: other.verbs.toSorted(),
  }))
  return [...views, ...others].sort((a, b) => (a.name < b.name ? -1 : 1))
}

export interface ServedVersion {
  readonly version: string
  /** By name of the resource. */
  readonly definitions: readonly ResourceDefinition[]
}

export interface ServedGroup {
  readonly group: string
  /** The preferred one first. */
  readonly versions: readonly ServedVersion[]
}

/** Definitions by group and version, in the order in which discovery lists them. */
export function servedGroups(definitions: readonly ResourceDefinition[]): readonly ServedGroup[] {
  return [...Map.groupBy(definitions, ({ group }) => group)]
    .sort(([a], [b]) => compareGroups(a, b))
    .map(([group, members]) => ({
      group,
      versions: [...Map.groupBy(members, ({ version }) => version)]
        .sort(([a], [b]) => compareVersions(a, b))
        .map(([version, own]) => ({
          version,
          definitions: own.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)),
        })),
    }))
}
