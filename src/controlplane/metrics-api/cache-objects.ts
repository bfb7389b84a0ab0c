import type { ResourceDefinition } from '../../api/definition.ts'
import { DEFINITIONS } from '../../api/definitions/all.ts'
import type { KubeObject } from '../../api/object.ts'
import type { ResourceType } from '../../api/resource-type.ts'
import type { Registry } from '../apiserver/registry.ts'
import { storageKey } from '../apiserver/request-info.ts'
import type { ClusterObjects } from './cluster-objects.ts'

/** Objects out of an API server's cache; none as long as there is no server. */
export function cacheObjects(registry: () => Registry | undefined): ClusterObjects {
  const definitions = new Map<ResourceType, ResourceDefinition>()
  const definitionOf = (type: ResourceType): ResourceDefinition => {
    let definition = definitions.get(type)
    if (definition === undefined) {
      definition = DEFINITIONS.find(
        ({ group, version, resource }) =>
          group === type.group && version === type.version && resource === type.resource,
      )!
      definitions.set(type, definition)
    }
    return definition
  }
  return {
    find<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string) {
      const definition = definitionOf(type)
      const found = registry()
        ?.cacheOf(definition)
        .get(storageKey(definition, namespace, name))
      return found?.object as T | undefined
    },
    list<T extends KubeObject>(type: ResourceType<T>, namespace: string) {
      const definition = definitionOf(type)
      const prefix = `${definition.storagePrefix}/${namespace === '' ? '' : `${namespace}/`}`
      return Array.from(registry()?.cacheOf(definition).range(prefix) ?? [], ({ object }) => object as T)
    },
  }
}
