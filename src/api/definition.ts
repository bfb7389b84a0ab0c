import type { FieldError } from './field-error.ts'
import type { Draft, KubeObject } from './object.ts'

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

/** One printer column of `kubectl get`. Priority above 0 shows only with `-o wide`. */
export interface TableColumn<T> {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean' | 'date'
  readonly format?: string
  readonly priority?: number
  readonly description: string
  /** The cell. Ages come out already worded (`5m`), hence the time. */
  cell(object: T, nowMs: number): string | number | boolean
}

/** What a strategy may know of the request and the moment. */
export interface StrategyContext {
  readonly nowMs: number
  /** `status`, `scale`, … or the empty string for the resource itself. */
  readonly subresource: string
}

/** Behaviour of one subresource that is another view of the same object (`status`, `scale`). */
export interface StatusSubresource<T> {
  /** Copies into `draft` (already a copy of the request's object) whatever this subresource may not change. */
  prepareForUpdate(draft: Draft<T>, previous: T): void
  validateUpdate(next: T, previous: T): readonly FieldError[]
}

export interface ScaleSubresource<T> {
  replicas(object: T): number
  withReplicas(draft: Draft<T>, replicas: number): void
  statusReplicas(object: T): number
  /** The label selector in its string form. */
  selector(object: T): string
}

/**
 * Everything the API server knows of one resource; routing, discovery, tables, validation, patching and OpenAPI follow
 * from it. All functions are pure. Storage form and served form are the same unless `storage` says otherwise.
 */
export interface ResourceDefinition<T extends KubeObject = KubeObject> {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly singular: string
  readonly kind: string
  readonly listKind: string
  readonly namespaced: boolean
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly verbs: readonly Verb[]
  /** Key into the schema tables: `io.k8s.api.core.v1.Pod`. */
  readonly schema: string
  /** Where objects live in the store, as kube-apiserver writes them: `/registry/pods`, `/registry/services/specs`. */
  readonly storagePrefix: string
  /** Set when another version's or group's form is what is stored (events.k8s.io over core Events). */
  readonly storage?: {
    readonly definition: { readonly group: string; readonly version: string; readonly resource: string }
    toStorage(object: T): KubeObject
    fromStorage(object: KubeObject): T
  }
  /** Fills defaults in place, idempotently; runs on every decoded write before `prepare…`. */
  defaults(draft: Draft<T>): void
  /** Clears or sets what a client may not choose on create: status, generation. Metadata is the server's own work. */
  prepareForCreate(draft: Draft<T>, context: StrategyContext): void
  /** Same for update: restores status from `previous`, bumps `metadata.generation` when the spec differs. */
  prepareForUpdate(draft: Draft<T>, previous: T, context: StrategyContext): void
  /** All findings on a complete, defaulted object. Metadata (names, labels, …) is validated by the server for all. */
  validate(object: T): readonly FieldError[]
  /** What may not change, beyond `validate(next)`. */
  validateUpdate(next: T, previous: T): readonly FieldError[]
  /** Sentences for the `Warning` header of a write: deprecated or doubtful fields. */
  warnings?(object: T): readonly string[]
  /** True when an update is allowed to create a missing object (PUT to a new name): Leases, Endpoints, Events, Services… */
  readonly allowCreateOnUpdate?: boolean
  /** True when an update must carry a resourceVersion. */
  readonly requireResourceVersionOnUpdate?: boolean
  /** How names are checked: most kinds take a DNS subdomain, Services a DNS-1035 label, Namespaces a DNS-1123 label. */
  readonly nameKind: 'subdomain' | 'label' | 'label1035' | 'path-segment'
  /** Seconds a delete without an explicit grace waits, for kinds that stop gracefully (pods: spec's own value). */
  deletionGracePeriodSeconds?(object: T): number
  /** What happens to dependents when the caller does not say: 'background' for nearly all. */
  readonly defaultPropagation?: 'background' | 'orphan'
  /** Field selectors beyond `metadata.name` and `metadata.namespace`: path → value. */
  readonly selectableFields: Readonly<Record<string, (object: T) => string>>
  readonly columns: readonly TableColumn<T>[]
  readonly status?: StatusSubresource<T>
  readonly scale?: ScaleSubresource<T>
  /** Other subresources this resource has (`binding`, `eviction`, `log`, `finalize`, `token`); served by the API server's own handlers. */
  readonly otherSubresources: readonly {
    readonly name: string
    readonly kind: string
    readonly group?: string
    readonly version?: string
    readonly verbs: readonly string[]
  }[]
}
