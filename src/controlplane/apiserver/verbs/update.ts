import type { ResourceDefinition } from '../../../api/definition.ts'
import type { FieldError } from '../../../api/field-error.ts'
import { invalid, required } from '../../../api/field-error.ts'
import type { Draft, KubeObject } from '../../../api/object.ts'
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../api/object-meta-validation.ts'
import { conflictError, invalidError, notFoundError } from '../../../api/status-error.ts'
import type { ObjectMeta } from '../../../api/types/meta-v1.gen.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { decodeBody, modifiedError, type Registry } from '../registry.ts'
import { copyJson, sameObject } from '../same-object.ts'
import { fieldValidation, isDryRun } from '../write-options.ts'
import { checkName, createObject, settleNamespace, structuredObject } from './create.ts'
import { finishDeletion } from './delete.ts'

/** What an update may not say of metadata is taken from the stored object. */
function carryMetadata(meta: Draft<ObjectMeta>, previous: ObjectMeta): void {
  meta.creationTimestamp = previous.creationTimestamp
  meta.uid ??= previous.uid
  for (const field of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'generateName'] as const) {
    if (previous[field] === undefined) delete meta[field]
    else (meta as Record<string, unknown>)[field] = previous[field]
  }
  delete meta.managedFields
  delete meta.selfLink
  if (meta.finalizers?.length === 0) delete meta.finalizers
}

/** What a status writer may change of metadata; the rest belongs to the object's owner. */
function statusMetadata(meta: Draft<ObjectMeta>, previous: ObjectMeta): Draft<ObjectMeta> {
  const merged: Draft<ObjectMeta> = { ...(copyJson(previous) as Draft<ObjectMeta>) }
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    if (meta[field] === undefined) delete merged[field]
    else (merged as Record<string, unknown>)[field] = meta[field]
  }
  return merged
}

/** No version, or 0, means whatever version there is. */
function isUnconditional(resourceVersion: string | undefined): boolean {
  return resourceVersion === undefined || resourceVersion === '' || resourceVersion === '0'
}

function validateChange(
  definition: ResourceDefinition,
  subresource: string,
  next: KubeObject,
  previous: KubeObject,
): readonly FieldError[] {
  const rules = { namespaced: definition.namespaced, nameKind: definition.nameKind, path: 'metadata' }
  const meta = [
    ...validateObjectMeta(next.metadata ?? {}, rules),
    ...validateObjectMetaUpdate(next.metadata ?? {}, previous.metadata ?? {}),
  ]
  if (subresource === 'status') return [...meta, ...(definition.status?.validateUpdate(next, previous) ?? [])]
  return [...meta, ...definition.validate(next), ...definition.validateUpdate(next, previous)]
}

/**
 * Replaces a stored object by a decoded one: versions checked, strategies and admission run, no write when nothing
 * changes, and the end of a deletion when this took the last finalizer. Undefined when another writer was faster.
 */
export async function replaceObject(
  registry: Registry,
  request: Pick<CoreRequest, 'definition' | 'info' | 'user' | 'query'>,
  draft: Draft<KubeObject>,
  stored: CachedObject,
): Promise<CachedObject | undefined> {
  const { definition, info, user, query } = request
  const { subresource } = info
  const previous = registry.served(definition, stored).object
  const meta = draft.metadata as Draft<ObjectMeta>
  const name = info.name
  if (meta.uid !== undefined && meta.uid !== '' && meta.uid !== previous.metadata?.uid) {
    throw conflictError(
      definition,
      name,
      `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${previous.metadata?.uid}`,
    )
  }
  const { resourceVersion = '' } = meta
  if (!isUnconditional(resourceVersion)) {
    if (!/^\d{1,20}$/.test(resourceVersion)) {
      const why = `strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: invalid syntax`
      throw invalidError(definition, name, [invalid('metadata.resourceVersion', resourceVersion, why)])
    }
    if (BigInt(resourceVersion) !== stored.revision) throw modifiedError(definition, name)
  }
  carryMetadata(meta, previous.metadata ?? {})
  const nowMs = registry.clock.now()
  definition.defaults(draft)
  if (subresource === 'status') {
    definition.status?.prepareForUpdate(draft, previous)
    draft.metadata = statusMetadata(meta, previous.metadata ?? {})
  } else definition.prepareForUpdate(draft, previous, { nowMs, subresource })
  const dryRun = isDryRun(query)
  const asked = {
    operation: 'UPDATE' as const,
    definition,
    subresource,
    namespace: definition.namespaced ? info.namespace : undefined,
    name,
    previous,
    user,
    dryRun,
  }
  const admitted = await registry.admit({ ...asked, object: draft })
  const next = structuredObject(draft)
  const errors = validateChange(definition, subresource, next, previous)
  const unchanged = errors.length === 0 && sameObject(next, previous)
  if (errors.length > 0 || unchanged) for (const effect of admitted) effect.settle('abandoned')
  if (errors.length > 0) throw invalidError(definition, name, errors)
  if (unchanged) return registry.served(definition, stored)

  const deleting =
    next.metadata?.deletionTimestamp !== undefined && (next.metadata.deletionGracePeriodSeconds ?? 0) === 0
  if (deleting && finishDeletion(next)) {
    return (await registry.remove(stored, admitted, dryRun)) ? registry.served(definition, stored) : undefined
  }
  const effects = await registry.review({ ...asked, object: next }, admitted)
  const written = await registry.write(definition, next, stored.revision, effects, dryRun)
  return written === undefined ? undefined : registry.served(definition, written)
}

/** PUT of an object or of its status. */
export async function update(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info, query } = request
  const { draft, warnings } = decodeBody(definition, request.body, request.duplicates, fieldValidation(query))
  const meta = draft.metadata as Draft<ObjectMeta>
  checkName(meta, info.name)
  settleNamespace(definition, meta, info.namespace)
  const unconditional = isUnconditional(meta.resourceVersion)
  for (let tries = 0; ; tries++) {
    const stored = await registry.find(definition, info.namespace, info.name)
    if (stored === undefined) {
      if (definition.allowCreateOnUpdate !== true || info.subresource !== '' || !unconditional)
        throw notFoundError(definition, info.name)
      const object = await createObject(registry, request, draft)
      return { kind: 'object', status: 201, object, warnings }
    }
    if (unconditional && definition.requireResourceVersionOnUpdate === true) {
      throw invalidError(definition, info.name, [
        required('metadata.resourceVersion', 'must be specified for an update'),
      ])
    }
    // Strategies write into the draft: where there can be another try, it starts from the request's own.
    const object = await replaceObject(registry, request, unconditional ? copyJson(draft) : draft, stored)
    if (object !== undefined)
      return {
        kind: 'object',
        status: 200,
        object,
        warnings: [...warnings, ...(definition.warnings?.(object.object) ?? [])],
      }
    if (!unconditional || tries >= 10) throw modifiedError(definition, info.name)
  }
}
