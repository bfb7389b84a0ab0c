import type { KubeObject } from '../../api/object.ts'
import type { ResourceType } from '../../api/resource-type.ts'

/** The cluster's objects, as the API server's cache has them. */
export interface ClusterObjects {
  find<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined
  /** Of all namespaces when it is empty. */
  list<T extends KubeObject>(type: ResourceType<T>, namespace: string): readonly T[]
}
