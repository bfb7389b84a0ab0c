import { readFileSync } from 'node:fs'

/** A resource or subresource as Kubernetes' discovery publishes it. */
export interface PublishedResource {
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

type Row = readonly [kind: string, namespaced: boolean, verbs: readonly string[]]

let table: ReadonlyMap<string, PublishedResource> | undefined

/** All GA resources of the API level by `v1/pods`, `apps/v1/deployments/scale`: what definitions are measured against. */
export function publishedResources(): ReadonlyMap<string, PublishedResource> {
  const file = new URL('./resources.json', import.meta.url)
  table ??= new Map(
    Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, Row>>).map(
      ([path, [kind, namespaced, verbs]]) => [path, { kind, namespaced, verbs }],
    ),
  )
  return table
}
