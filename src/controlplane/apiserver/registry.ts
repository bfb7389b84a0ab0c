import type { ResourceDefinition } from '../../api/definition.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import { decodeObject } from '../../api/schema/decode.ts'
import { conflictError, notFoundError, StatusError } from '../../api/status-error.ts'
import type { Clock } from '../../base/clock.ts'
import {
  type CommitResult,
  type Put,
  type Revision,
  type Store,
  StoreError,
  type StoreTransaction,
} from '../store/store.ts'
import {
  type AdmissionEffect,
  type AdmissionPlugin,
  type AdmissionRequest,
  type AdmissionReview,
  type Companion,
  CompanionMovedError,
  type Guard,
  GuardMovedError,
  MODIFIED,
  type WriteOutcome,
} from './admission.ts'
import { CachedObject, deepFreeze, withResourceVersion } from './cache/cached-object.ts'
import type { ClusterCache } from './cache/cluster-cache.ts'
import type { ResourceCache } from './cache/resource-cache.ts'
import type { ValueTransformer } from './edge/encryption.ts'
import type { Fence } from './fence.ts'
import { storageKey } from './request-info.ts'
import { storeStatus } from './store-status.ts'

export interface RegistryOptions {
  readonly store: Store
  readonly cache: ClusterCache
  readonly transform: ValueTransformer | undefined
  readonly admission: readonly AdmissionPlugin[]
  readonly clock: Clock
}

const RETRIES_MAX = 10
/** What a guard's key holds says nothing: its revision does. */
const GUARD_VALUE = Buffer.from('{}')
/** Renewals of a lease that one write may meet. */
const FENCE_TRIES = 5
/** As what is read of a request: nothing grows beyond it by patches either. */
const OBJECT_BYTES_MAX = 3 * 1024 * 1024
/** Unknown fields that are named to the client; a body may have any number of them. */
const FINDINGS_MAX = 20

function failedOutcome(error: unknown): WriteOutcome {
  return error instanceof StoreError && error.mayHaveHappened ? 'unknown' : 'abandoned'
}

/** An object without what only the store knows of it, and its bytes before encryption. */
interface StoredForm {
  readonly stored: KubeObject
  readonly plain: Buffer
}

function storedForm(definition: ResourceDefinition, object: KubeObject): StoredForm {
  const form = definition.storage?.toStorage(object) ?? object
  const { resourceVersion: _, ...metadata } = form.metadata ?? {}
  const stored = { ...form, metadata }
  return { stored, plain: Buffer.from(JSON.stringify(stored)) }
}

/**
 * Objects of every kind over the store and its cache: read fresh, write by compare-and-swap. Knows nothing of HTTP;
 * the verbs decide what to write.
 */
export class Registry {
  readonly #options: RegistryOptions
  /** Other groups' forms of stored objects, made once for all who read them. */
  readonly #served: Map<ResourceDefinition, WeakMap<CachedObject, CachedObject>>
  readonly #fence: Fence | undefined

  constructor(
    options: RegistryOptions,
    fence?: Fence,
    served = new Map<ResourceDefinition, WeakMap<CachedObject, CachedObject>>(),
  ) {
    this.#options = options
    this.#fence = fence
    this.#served = served
  }

  /** The same registry for a writer that must hold a Lease: its writes are refused with Conflict once it does not. */
  fencedBy(fence: Fence): Registry {
    return new Registry(this.#options, fence, this.#served)
  }

  get clock(): Clock {
    return this.#options.clock
  }

  cacheOf(definition: ResourceDefinition): ResourceCache {
    return this.#options.cache.of(definition.storagePrefix)
  }

  get cache(): ClusterCache {
    return this.#options.cache
  }

  get store(): Store {
    return this.#options.store
  }

  /** The newest version of an object, as stored. */
  async find(definition: ResourceDefinition, namespace: string, name: string): Promise<CachedObject | undefined> {
    await this.#options.cache.fresh()
    return this.cacheOf(definition).get(storageKey(definition, namespace, name))
  }

  /** Whether the copy holds nothing at a key; it may be behind. */
  isFree(definition: ResourceDefinition, key: string): boolean {
    return this.cacheOf(definition).get(key) === undefined
  }

  /** Like `find`, but an absent object is a NotFound error. */
  async get(definition: ResourceDefinition, namespace: string, name: string): Promise<CachedObject> {
    const found = await this.find(definition, namespace, name)
    if (found === undefined) throw notFoundError(definition, name)
    return found
  }

  /** The form a definition serves of what is stored: the same, unless another one's form is stored. */
  served(definition: ResourceDefinition, stored: CachedObject): CachedObject {
    if (definition.storage === undefined) return stored
    let forms = this.#served.get(definition)
    if (forms === undefined) {
      forms = new WeakMap()
      this.#served.set(definition, forms)
    }
    let form = forms.get(stored)
    if (form === undefined) {
      const { key, revision, size } = stored
      form = new CachedObject(key, deepFreeze(definition.storage.fromStorage(stored.object)), revision, size)
      forms.set(stored, form)
    }
    return form
  }

  /** Runs the admission plugins; the effects are settled by `write`. */
  async admit(request: AdmissionRequest): Promise<readonly AdmissionEffect[]> {
    const effects: AdmissionEffect[] = []
    try {
      for (const plugin of this.#options.admission) {
        const effect = await plugin.admit(request)
        if (effect !== undefined) effects.push(effect)
      }
    } catch (error) {
      for (const effect of effects) effect.settle('abandoned')
      throw storeStatus(error)
    }
    return effects
  }

  /** Runs the plugins that look at a valid object last; returns their effects with the earlier ones. */
  async review(request: AdmissionReview, earlier: readonly AdmissionEffect[]): Promise<readonly AdmissionEffect[]> {
    let effects: AdmissionEffect[] | undefined
    try {
      for (const plugin of this.#options.admission) {
        const effect = await plugin.review?.(request)
        if (effect === undefined) continue
        effects ??= [...earlier]
        effects.push(effect)
      }
    } catch (error) {
      for (const effect of effects ?? earlier) effect.settle('abandoned')
      throw storeStatus(error)
    }
    return effects ?? earlier
  }

  /**
   * Writes an object if its key stands at `expected` (0n: is free) and, if given, `unmoved` is as it was; resolves to
   * undefined when that is not so. With `dryRun` nothing is written and the object comes back as it would have been.
   */
  async write(
    definition: ResourceDefinition,
    object: KubeObject,
    expected: Revision,
    effects: readonly AdmissionEffect[],
    dryRun: boolean,
    unmoved?: CachedObject,
  ): Promise<CachedObject | undefined> {
    const { cache, transform } = this.#options
    const { namespace = '', name = '' } = object.metadata ?? {}
    const key = storageKey(definition, namespace, name)
    const guards = effects.map(({ guard }) => guard).filter((guard) => guard !== undefined)
    const companions = effects.flatMap((effect) => effect.companions ?? [])
    let outcome: WriteOutcome = 'abandoned'
    let at: Revision | undefined
    try {
      const { stored, plain } = storedForm(definition, object)
      if (plain.length > OBJECT_BYTES_MAX)
        throw new StatusError('RequestEntityTooLarge', `the object is too large: limit is ${OBJECT_BYTES_MAX}`)
      const asOf = (revision: Revision): CachedObject =>
        new CachedObject(key, deepFreeze(withResourceVersion(stored, revision)), revision, plain.length)
      if (dryRun) return asOf(expected)
      const put = (at: string, form: StoredForm): Put => {
        const bytes = transform?.toStorage(at, form.plain) ?? form.plain
        cache.announce(bytes, form.stored)
        return { key: at, value: bytes }
      }
      const { ok, revision } = await this.#commit({
        expect: [
          { key, modRevision: expected },
          ...(unmoved === undefined || companions.some(({ stored }) => stored.key === unmoved.key)
            ? []
            : [{ key: unmoved.key, modRevision: unmoved.revision }]),
          ...guards,
          ...companions.map((companion) => ({ key: companion.stored.key, modRevision: companion.stored.revision })),
        ],
        puts: [
          put(key, { stored, plain }),
          ...guards.map((guard) => ({ key: guard.key, value: GUARD_VALUE })),
          ...companions.map((companion) =>
            put(companion.stored.key, storedForm(companion.definition, companion.object)),
          ),
        ],
        deletes: [],
      })
      if (!ok) {
        // Whoever decides anew does so on what is there now.
        if (guards.length + companions.length > 0) await cache.fresh()
        for (const guard of guards) await this.#checkGuard(guard)
        for (const companion of companions) await this.#checkCompanion(companion)
        return undefined
      }
      outcome = 'committed'
      at = revision
      await cache.reach(revision)
      // A cache that is being read anew refuses everybody; but this write is done, and must not be told otherwise.
      const cached = cache.serving ? this.cacheOf(definition).get(key) : undefined
      // The cache's own copy carries the shared encoding; somebody may have written again already.
      return cached?.revision === revision ? cached : asOf(revision)
    } catch (error) {
      if (outcome !== 'committed') outcome = failedOutcome(error)
      throw storeStatus(error)
    } finally {
      for (const effect of effects) effect.settle(outcome, object, at)
    }
  }

  /** Removes an object that stands at this version; false when it has changed. */
  async remove(stored: CachedObject, effects: readonly AdmissionEffect[], dryRun: boolean): Promise<boolean> {
    let outcome: WriteOutcome = 'abandoned'
    try {
      if (dryRun) return true
      const { cache } = this.#options
      const { ok, revision } = await this.#commit({
        expect: [{ key: stored.key, modRevision: stored.revision }],
        puts: [],
        deletes: [stored.key],
      })
      if (!ok) return false
      outcome = 'committed'
      await cache.reach(revision)
      return true
    } catch (error) {
      if (outcome !== 'committed') outcome = failedOutcome(error)
      throw storeStatus(error)
    } finally {
      for (const effect of effects) effect.settle(outcome)
    }
  }

  async #checkGuard(guard: Guard): Promise<void> {
    const found = await this.#options.store.get(guard.key)
    if ((found?.modRevision ?? 0n) !== guard.modRevision) throw new GuardMovedError(guard)
  }

  async #checkCompanion(companion: Companion): Promise<void> {
    const found = await this.#options.store.get(companion.stored.key)
    if (found?.modRevision !== companion.stored.revision) throw new CompanionMovedError(companion)
  }

  /** Commits, and lets the cache know. */
  async #commit(transaction: StoreTransaction): Promise<CommitResult> {
    const result = await this.#commitFenced(transaction)
    if (result.ok) this.#options.cache.committed(transaction, result.revision)
    return result
  }

  /** For a fenced writer only as long as the Lease is its own. */
  async #commitFenced(transaction: StoreTransaction): Promise<CommitResult> {
    const { store, cache } = this.#options
    const fence = this.#fence
    if (fence === undefined) return store.commit(transaction)
    let held = fence.revision()
    for (let tries = 0; held !== undefined && tries < FENCE_TRIES; tries++) {
      const expect = [...transaction.expect, { key: fence.key, modRevision: held }]
      const result = await store.commit({ ...transaction, expect })
      if (result.ok) return result
      const lease = await store.get(fence.key)
      // The Lease is where it was: it is the object that has changed.
      if (lease?.modRevision === held) return result
      held = lease !== undefined && fence.isHeld(cache.decodeStored(lease).object) ? lease.modRevision : undefined
    }
    throw new StatusError('Conflict', `the writer no longer holds the lease ${fence.key}; another one leads`)
  }

  /**
   * Changes a stored object by a function of its newest version, again if another writer was faster. `change` returns
   * the new object, or undefined to leave all as it is.
   */
  async modify(
    definition: ResourceDefinition,
    namespace: string,
    name: string,
    change: (current: KubeObject) => KubeObject | undefined,
    dryRun = false,
  ): Promise<CachedObject> {
    for (let i = 0; i < RETRIES_MAX; i++) {
      const current = await this.get(definition, namespace, name)
      const next = change(current.object)
      if (next === undefined) return current
      const written = await this.write(definition, next, current.revision, [], dryRun)
      if (written !== undefined) return written
    }
    throw conflictError(definition, name, MODIFIED)
  }
}

export function modifiedError(definition: ResourceDefinition, name: string): StatusError {
  return conflictError(definition, name, MODIFIED)
}

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'

export interface DecodedBody {
  readonly draft: Draft<KubeObject>
  readonly warnings: readonly string[]
}

function isAbsentOr(value: unknown, wanted: string): boolean {
  return value === undefined || value === null || value === '' || value === wanted
}

function wrongKind(given: { readonly apiVersion?: unknown; readonly kind?: unknown }, wanted: string): string {
  const [kind, version] = [given.kind, given.apiVersion].map((value) =>
    typeof value === 'string' ? value.slice(0, 100) : typeof value,
  )
  return `the object provided is a ${kind} (${version}), but this path takes a ${wanted}`
}

/** Decodes a request's object: kind and version must be the definition's, unknown and doubled fields as asked. */
export function decodeBody(
  definition: Pick<ResourceDefinition, 'group' | 'version' | 'kind' | 'schema'>,
  body: unknown,
  duplicates: readonly string[],
  validation: FieldValidation,
): DecodedBody {
  const given = body as { readonly apiVersion?: unknown; readonly kind?: unknown } | null
  const apiVersion = definition.group === '' ? definition.version : `${definition.group}/${definition.version}`
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new StatusError(
      'BadRequest',
      'the object provided is unrecognized (must be of type map): the body is no JSON object',
    )
  }
  if (!isAbsentOr(given.kind, definition.kind) || !isAbsentOr(given.apiVersion, apiVersion))
    throw new StatusError('BadRequest', wrongKind(given, `${definition.kind} (${apiVersion})`))
  const { object, unknownFields } = decodeObject(definition.schema, body)
  const findings = [
    ...unknownFields.map((path) => `unknown field "${path}"`),
    ...duplicates.map((path) => `duplicate field "${path}"`),
  ]
  if (findings.length > 0 && validation === 'Strict') {
    throw new StatusError(
      'BadRequest',
      `${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: strict decoding error: ${findings.slice(0, FINDINGS_MAX).join(', ')}`,
    )
  }
  object.apiVersion = apiVersion
  object.kind = definition.kind
  object.metadata ??= {}
  return { draft: object, warnings: validation === 'Warn' ? findings : [] }
}
