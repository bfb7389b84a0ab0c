import type { KubeObject } from '../../api/object.ts'
import { apiVersionOf, type ResourceType } from '../../api/resource-type.ts'
import type { OwnerReference } from '../../api/types/meta-v1.gen.ts'

/** The one owner that manages the object, if any. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true)
}

/** The reference by which `owner` manages another object. */
export function controllerReference(type: ResourceType, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** Informer index: objects by the UID of what manages them. */
export const BY_CONTROLLER = 'controllers/by-controller'
/** Informer index: objects that nothing manages, by namespace. */
export const ORPHANS = 'controllers/orphans'

export const OWNER_INDEXES = {
  [BY_CONTROLLER]: (object: KubeObject): readonly string[] => {
    const uid = controllerOf(object)?.uid
    return uid === undefined ? [] : [uid]
  },
  [ORPHANS]: (object: KubeObject): readonly string[] =>
    controllerOf(object) === undefined ? [object.metadata?.namespace ?? ''] : [],
}

/** The object with apiVersion and kind filled in, as events and references need it. */
export function typed<T extends KubeObject>(type: ResourceType<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind }
}
