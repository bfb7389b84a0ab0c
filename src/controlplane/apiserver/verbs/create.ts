import { randomBytes, randomUUID } from 'node:crypto'
import type { ResourceDefinition } from '../../../api/definition.ts'
import type { Draft, KubeObject } from '../../../api/object.ts'
import { validateObjectMeta } from '../../../api/object-meta-validation.ts'
import { NAMESPACES } from '../../../api/resource-type.ts'
import { SAFE_LETTERS } from '../../../api/safe-letters.ts'
import { alreadyExistsError, invalidError, notFoundError, StatusError } from '../../../api/status-error.ts'
import type { Namespace } from '../../../api/types/core-v1.gen.ts'
import type { ObjectMeta } from '../../../api/types/meta-v1.gen.ts'
import { type AdmissionEffect, OutdatedDecisionError } from '../admission.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { methodNotAllowed } from '../refusals.ts'
import { decodeBody, type Registry } from '../registry.ts'
import { storageKey } from '../request-info.ts'
import { fieldValidation, isDryRun } from '../write-options.ts'

const GENERATED_BASE_MAX = 58
const GENERATE_TRIES = 8
/** Clients see it only when that happened again and again (`ordered-writes.ts`). */
const MOVED = 'the name or its namespace changed at the same time; please try again'

function generatedName(base: string): string {
  const suffix = [...randomBytes(5)].map((byte) => SAFE_LETTERS[byte % SAFE_LETTERS.length]).join('')
  return `${base.slice(0, GENERATED_BASE_MAX)}${suffix}`
}

export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** Brings path and body to agree on the namespace. Throws BadRequest when they do not. */
export function settleNamespace(definition: ResourceDefinition, meta: Draft<ObjectMeta>, namespace: string): void {
  if (!definition.namespaced) {
    delete meta.namespace
    return
  }
  if (meta.namespace === undefined || meta.namespace === '') meta.namespace = namespace
  if (meta.namespace !== namespace) {
    throw new StatusError(
      'BadRequest',
      `the namespace of the provided object does not match the namespace sent on the request`,
    )
  }
}

/**
 * The namespace an object is created in, which must exist and not be going away; undefined for what stands in none. A
 * copy that says yes is good enough: the write is bound to it. One that says no is brought up to date first.
 */
async function openNamespace(
  registry: Registry,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
): Promise<CachedObject | undefined> {
  if (!definition.namespaced) return undefined
  const find = (): CachedObject | undefined =>
    registry.cache.of('/registry/namespaces').get(`/registry/namespaces/${namespace}`)
  const known = find()
  if (known !== undefined && !isEnding(known.object)) return known
  await registry.cache.fresh()
  const found = find()
  if (found === undefined) throw notFoundError(NAMESPACES, namespace)
  if (isEnding(found.object)) throw endingError(definition, namespace, name)
  return found
}

function isEnding({ status, metadata }: Namespace): boolean {
  return status?.phase === 'Terminating' || metadata?.deletionTimestamp !== undefined
}

function endingError(definition: ResourceDefinition, namespace: string, name: string): StatusError {
  const qualified = definition.group === '' ? definition.resource : `${definition.resource}.${definition.group}`
  const causes = [
    {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    },
  ]
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  return new StatusError('Forbidden', `${qualified} "${name}" is forbidden: ${why}`, {
    name,
    group: definition.group,
    kind: definition.resource,
    causes,
  })
}

/** What the server itself decides of a new object's metadata. */
function freshMetadata(meta: Draft<ObjectMeta>, nowMs: number): void {
  meta.uid = randomUUID()
  meta.creationTimestamp = timestamp(nowMs)
  delete meta.resourceVersion
  delete meta.selfLink
  delete meta.deletionTimestamp
  delete meta.deletionGracePeriodSeconds
  delete meta.managedFields
  delete meta.generation
}

/** POST of a new object. */
export async function create(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info, query } = request
  if (info.name !== '') throw methodNotAllowed()
  const { draft, warnings } = decodeBody(definition, request.body, request.duplicates, fieldValidation(query))
  const object = await createObject(registry, request, draft)
  return {
    kind: 'object',
    status: 201,
    object,
    warnings: [...warnings, ...(definition.warnings?.(object.object) ?? [])],
  }
}

/** Creates an object from its decoded form; also for a PUT to a free name. */
export async function createObject(
  registry: Registry,
  request: Pick<CoreRequest, 'definition' | 'info' | 'user' | 'query'>,
  draft: Draft<KubeObject>,
): ReturnType<Registry['get']> {
  const { definition, info, user, query } = request
  const meta = draft.metadata as Draft<ObjectMeta>
  const dryRun = isDryRun(query)
  settleNamespace(definition, meta, info.namespace)
  if (meta.resourceVersion !== undefined && meta.resourceVersion !== '' && meta.resourceVersion !== '0') {
    throw new StatusError('BadRequest', 'resourceVersion should not be set on objects to be created')
  }
  const namespace = await openNamespace(registry, definition, info.namespace, meta.name ?? meta.generateName ?? '')
  const nowMs = registry.clock.now()
  freshMetadata(meta, nowMs)
  definition.defaults(draft)
  definition.prepareForCreate(draft, { nowMs, subresource: '' })

  const generates =
    (meta.name === undefined || meta.name === '') && meta.generateName !== undefined && meta.generateName !== ''
  for (let tries = 1; ; tries++) {
    if (generates) meta.name = generatedName(meta.generateName!)
    const name = meta.name ?? ''
    const asked = {
      operation: 'CREATE' as const,
      definition,
      subresource: '',
      namespace: definition.namespaced ? info.namespace : undefined,
      name,
      previous: undefined,
      user,
      dryRun,
    }
    const admitted = await registry.admit({ ...asked, object: draft })
    const object = structuredObject(draft)
    const rules = { namespaced: definition.namespaced, nameKind: definition.nameKind, path: 'metadata' }
    const errors = [...validateObjectMeta(object.metadata ?? {}, rules), ...definition.validate(object)]
    if (errors.length > 0) {
      for (const effect of admitted) effect.settle('abandoned')
      throw invalidError(definition, name, errors)
    }
    const key = storageKey(definition, info.namespace, name)
    const written = registry.isFree(definition, key)
      ? await registry.write(
          definition,
          object,
          0n,
          await registry.review({ ...asked, object }, admitted),
          dryRun,
          namespace,
        )
      : abandoned(admitted)
    if (written !== undefined) return registry.served(definition, written)
    // What is taken may have become free at another server, and what was free has been taken, or the namespace written.
    await registry.cache.fresh()
    if (registry.isFree(definition, key)) throw new OutdatedDecisionError('Conflict', MOVED)
    if (!generates || tries >= GENERATE_TRIES) throw alreadyExistsError(definition, name)
  }
}

function abandoned(effects: readonly AdmissionEffect[]): undefined {
  for (const effect of effects) effect.settle('abandoned')
}

/** The draft as an immutable object, its fields in the order clients know: apiVersion, kind, metadata, the rest. */
export function structuredObject(draft: Draft<KubeObject>): KubeObject {
  const { apiVersion, kind, metadata, ...rest } = draft
  return { apiVersion, kind, metadata, ...rest } as KubeObject
}

/** Refuses a name in the body that is not the one in the path. */
export function checkName(meta: Draft<ObjectMeta>, name: string): void {
  if (meta.name === undefined || meta.name === '') meta.name = name
  if (meta.name !== name) {
    throw new StatusError(
      'BadRequest',
      `the name of the object (${meta.name}) does not match the name on the URL (${name})`,
    )
  }
}
