import type { ResourceDefinition } from '../../../api/definition.ts'
import { invalid, notSupported } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/object.ts'
import { decodeObject } from '../../../api/schema/decode.ts'
import { conflictError, invalidError, isReason, StatusError } from '../../../api/status-error.ts'
import type { DeleteOptions, ObjectMeta } from '../../../api/types/meta-v1.gen.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { modifiedError, type Registry } from '../registry.ts'
import { isDryRun, isDryRunList } from '../write-options.ts'
import { timestamp } from './create.ts'
import { list } from './list.ts'

const FOREGROUND = 'foregroundDeletion'
const ORPHAN = 'orphan'
const RETRIES_MAX = 20
/** How many objects of a collection are deleted side by side. */
const AT_ONCE = 100

const OPTIONS_SCHEMA = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'
const OPTIONS_KIND = { group: 'meta.k8s.io', kind: 'DeleteOptions' }
/** Namespaces that a cluster cannot be without. */
const PROTECTED = new Set(['default', 'kube-system', 'kube-public'])

/** The options of a delete: its body, with what the query says in their place. */
export function deleteOptions(request: Pick<CoreRequest, 'body' | 'query'>): DeleteOptions {
  const { body, query } = request
  const options = body === undefined ? {} : (decodeObject(OPTIONS_SCHEMA, body).object as DeleteOptions)
  if (query.size === 0) return checkedOptions(options)
  const grace = query.get('gracePeriodSeconds')
  const propagation = query.get('propagationPolicy')
  const orphan = query.get('orphanDependents')
  if (grace !== null && !/^-?\d{1,15}$/.test(grace))
    throw new StatusError(
      'BadRequest',
      `gracePeriodSeconds: strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`,
    )
  return checkedOptions({
    ...options,
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(propagation === null ? {} : { propagationPolicy: propagation }),
    ...(orphan === null ? {} : { orphanDependents: orphan === 'true' || orphan === '1' }),
  })
}

function checkedOptions(options: DeleteOptions): DeleteOptions {
  const { propagationPolicy: policy, orphanDependents: orphan } = options
  if (policy !== undefined && orphan !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set'
    throw invalidError(OPTIONS_KIND, '', [invalid('propagationPolicy', policy, why)])
  }
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(policy))
    throw invalidError(OPTIONS_KIND, '', [
      notSupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan']),
    ])
  return options
}

/** True when nothing holds the object any more. Namespaces are also held by what stands in their spec. */
export function finishDeletion(object: KubeObject): boolean {
  const spec = (object as { readonly spec?: { readonly finalizers?: readonly string[] } }).spec
  const held = object.kind === 'Namespace' && (spec?.finalizers ?? []).length > 0
  return (object.metadata?.finalizers ?? []).length === 0 && !held
}

function finalizersFor(definition: ResourceDefinition, meta: ObjectMeta, options: DeleteOptions): readonly string[] {
  const others = (meta.finalizers ?? []).filter((finalizer) => finalizer !== FOREGROUND && finalizer !== ORPHAN)
  const legacy =
    options.orphanDependents === true ? 'Orphan' : options.orphanDependents === false ? 'Background' : undefined
  const standard = definition.defaultPropagation === 'orphan' ? 'Orphan' : undefined
  const policy = options.propagationPolicy ?? legacy
  if (policy === undefined)
    return standard === undefined || meta.finalizers?.includes(FOREGROUND)
      ? (meta.finalizers ?? [])
      : [...others, ORPHAN]
  if (policy === 'Foreground') return [...others, FOREGROUND]
  return policy === 'Orphan' ? [...others, ORPHAN] : others
}

/** Throws Conflict when the object is not the one, or not in the version, that the caller means. */
export function checkPreconditions(
  definition: ResourceDefinition,
  name: string,
  stored: CachedObject,
  options: DeleteOptions,
): void {
  const { uid, resourceVersion } = options.preconditions ?? {}
  const meta = stored.object.metadata ?? {}
  if (uid !== undefined && uid !== meta.uid)
    throw conflictError(
      definition,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${meta.uid}`,
    )
  if (resourceVersion !== undefined && resourceVersion !== String(stored.revision)) {
    throw conflictError(
      definition,
      name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${stored.revision}`,
    )
  }
}

/** Later than any client's patience, and still a date. */
const GRACE_SECONDS_MAX = 2 ** 31 - 1

/** How long the object still has: what was asked, the kind's own, and never longer than what runs already. */
function graceSeconds(definition: ResourceDefinition, object: KubeObject, options: DeleteOptions): number {
  const own = definition.deletionGracePeriodSeconds
  if (own === undefined) return 0
  const natural = Math.min(own(object), GRACE_SECONDS_MAX)
  const given = Math.min(options.gracePeriodSeconds ?? natural, GRACE_SECONDS_MAX)
  // As kube-apiserver: a negative time is the shortest one.
  const asked = natural === 0 ? 0 : given < 0 ? 1 : given
  const running =
    object.metadata?.deletionTimestamp === undefined ? undefined : object.metadata.deletionGracePeriodSeconds
  return running === undefined ? asked : Math.min(asked, running)
}

export interface Deletion {
  readonly object: CachedObject
  /** False while finalizers or a grace period keep the object. */
  readonly gone: boolean
}

/** Deletes one object, or marks it for deletion while something still holds it. */
export async function deleteObject(
  registry: Registry,
  request: Pick<CoreRequest, 'definition' | 'user' | 'query'>,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Promise<Deletion> {
  const { definition, user } = request
  const dryRun = isDryRun(request.query) || isDryRunList(options.dryRun ?? [])
  if (definition.storagePrefix === '/registry/namespaces' && PROTECTED.has(name)) {
    const why = `namespaces "${name}" is forbidden: this namespace may not be deleted`
    throw new StatusError('Forbidden', why, { name, kind: 'namespaces' })
  }
  for (let i = 0; i < RETRIES_MAX; i++) {
    const stored = await registry.get(definition, namespace, name)
    checkPreconditions(definition, name, stored, options)
    const { object } = registry.served(definition, stored)
    const meta = object.metadata ?? {}
    const grace = graceSeconds(definition, object, options)
    const finalizers = finalizersFor(definition, meta, options)
    const effects = await registry.admit({
      operation: 'DELETE',
      definition,
      subresource: '',
      namespace: definition.namespaced ? namespace : undefined,
      name,
      object: undefined,
      previous: object,
      user,
      dryRun,
    })
    const { finalizers: _, ...rest } = meta
    const begun =
      meta.deletionTimestamp === undefined
        ? registry.clock.now()
        : Date.parse(meta.deletionTimestamp) - (meta.deletionGracePeriodSeconds ?? 0) * 1000
    const metadata: ObjectMeta = {
      ...rest,
      ...(finalizers.length > 0 ? { finalizers } : {}),
      deletionTimestamp: timestamp(begun + grace * 1000),
      deletionGracePeriodSeconds: grace,
      ...(meta.deletionTimestamp === undefined && meta.generation !== undefined
        ? { generation: meta.generation + 1 }
        : {}),
    }
    const marked = markTerminating({ ...object, metadata })
    if (grace === 0 && finishDeletion(marked)) {
      if (await registry.remove(stored, effects, dryRun)) return { object: stored, gone: true }
      continue
    }
    const unchanged =
      meta.deletionTimestamp === metadata.deletionTimestamp &&
      meta.deletionGracePeriodSeconds === grace &&
      (meta.finalizers ?? []).join() === finalizers.join()
    if (unchanged) {
      for (const effect of effects) effect.settle('abandoned')
      return { object: stored, gone: false }
    }
    const written = await registry.write(definition, marked, stored.revision, effects, dryRun)
    if (written !== undefined) return { object: written, gone: false }
  }
  throw modifiedError(definition, name)
}

function markTerminating(object: KubeObject): KubeObject {
  return object.kind === 'Namespace'
    ? ({ ...object, status: { ...(object as { status?: object }).status, phase: 'Terminating' } } as KubeObject)
    : object
}

/** DELETE of one object. The object comes back while it is still there, else a Status of success. */
export async function remove(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const { definition, info } = request
  const { object, gone } = await deleteObject(registry, request, info.namespace, info.name, deleteOptions(request))
  if (!gone || definition.resource === 'pods')
    return { kind: 'object', status: 200, object: registry.served(definition, object), warnings: [] }
  const details = {
    name: info.name,
    ...(definition.group === '' ? {} : { group: definition.group }),
    kind: definition.resource,
    uid: object.object.metadata?.uid,
  }
  return {
    kind: 'value',
    status: 200,
    value: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
  }
}

/** DELETE of a collection: everything that the selectors choose. */
export async function removeCollection(registry: Registry, request: CoreRequest): Promise<CoreResponse> {
  const options = deleteOptions(request)
  const found = await list(registry, { ...request, body: undefined })
  if (found.kind !== 'list') throw new Error('list answers with a list')
  const removeOne = async ({ object: { metadata = {} } }: CachedObject): Promise<void> => {
    try {
      await deleteObject(registry, request, metadata.namespace ?? '', metadata.name ?? '', options)
    } catch (error) {
      // Somebody else deleted it in the meantime.
      if (!isReason(error, 'NotFound')) throw error
    }
  }
  for (let i = 0; i < found.items.length; i += AT_ONCE)
    await Promise.all(found.items.slice(i, i + AT_ONCE).map(removeOne))
  return found
}
