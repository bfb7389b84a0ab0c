import type { ResourceDefinition } from '../../api/definition.ts'
import type { KubeObject } from '../../api/object.ts'
import { notFoundError } from '../../api/status-error.ts'
import { CachedObject } from './cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from './core-request.ts'
import { methodNotAllowed, pathNotFound } from './refusals.ts'
import { type Selection, selectionOf } from './selection.ts'

/** A resource without storage: its objects are made when somebody asks. Of its definition only what shows is used. */
export interface VirtualResource {
  readonly definition: ResourceDefinition
  /** Undefined: there is no such object now. `namespace` is empty for cluster-scoped ones. */
  get(namespace: string, name: string): Promise<KubeObject | undefined>
  /** The objects that `selects` chooses, by their metadata; of every namespace when `namespace` is empty. */
  list(namespace: string, selects: Selection): Promise<readonly KubeObject[]>
}

function unstored(object: KubeObject): CachedObject {
  return new CachedObject('', object, 0n, 0)
}

/** Get and list with selectors, in every form that stored objects have. Throws StatusError. */
export async function answerVirtual(
  resource: VirtualResource,
  { definition, info, query }: CoreRequest,
): Promise<CoreResponse> {
  if (info.subresource !== '') throw pathNotFound()
  if (info.verb === 'get') {
    const object = await resource.get(info.namespace, info.name)
    if (object === undefined) throw notFoundError(definition, info.name)
    return { kind: 'object', status: 200, object: unstored(object), warnings: [] }
  }
  if (info.verb !== 'list' || info.name !== '') throw methodNotAllowed()
  const selects = selectionOf(definition, query)
  const items = (await resource.list(info.namespace, selects)).map(unstored)
  return { kind: 'list', items, revision: 0n, continue: undefined, remaining: undefined }
}
