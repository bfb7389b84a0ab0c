import type { GroupVersionKind } from '../schema/schema-table.ts'

/** What aggregated discovery tells of a subresource, a resource, a group (`apidiscovery.k8s.io`). */
interface SubresourceDiscovery {
  readonly subresource: string
  readonly responseKind: GroupVersionKind
  readonly verbs: readonly string[]
}

export interface ResourceDiscovery {
  readonly resource: string
  readonly responseKind: GroupVersionKind
  readonly scope: 'Namespaced' | 'Cluster'
  readonly singularResource: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly subresources?: readonly SubresourceDiscovery[]
}

export interface GroupDiscovery {
  readonly metadata: { readonly name?: string; readonly creationTimestamp: null }
  readonly versions: readonly {
    readonly version: string
    readonly resources: readonly ResourceDiscovery[]
    readonly freshness: 'Current'
  }[]
}
