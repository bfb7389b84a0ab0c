import type { ResourceDefinition } from '../definition.ts'
import { type FieldError, invalid } from '../field-error.ts'
import { qualifiedNameErrors } from '../names.ts'
import type { Draft } from '../object.ts'
import type { Namespace } from '../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'

const NAME_LABEL = 'kubernetes.io/metadata.name'
const FINALIZER = 'kubernetes'

function labelWithName(draft: Draft<Namespace>): void {
  const meta = draft.metadata
  if (!meta?.name) return
  meta.labels = { ...meta.labels, [NAME_LABEL]: meta.name }
}

function validateNamespace(namespace: Namespace): readonly FieldError[] {
  return (namespace.spec?.finalizers ?? []).flatMap((finalizer, i) => {
    const path = `spec.finalizers[${i}]`
    const errors = qualifiedNameErrors(finalizer).map((text) => invalid(path, finalizer, text))
    if (errors.length === 0 && !finalizer.includes('/') && finalizer !== FINALIZER) {
      return [invalid(path, finalizer, 'name is neither a standard finalizer name nor is it fully qualified')]
    }
    return errors
  })
}

/** A namespace is Active until it is deleted and Terminating from then on. */
function validatePhase(next: Namespace): readonly FieldError[] {
  const phase = next.status?.phase ?? ''
  if (next.metadata?.deletionTimestamp === undefined) {
    return phase === 'Active'
      ? []
      : [invalid('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty")]
  }
  return phase === 'Terminating'
    ? []
    : [invalid('status.Phase', phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
}

export const NAMESPACE: ResourceDefinition<Namespace> = {
  group: '',
  version: 'v1',
  resource: 'namespaces',
  singular: 'namespace',
  kind: 'Namespace',
  listKind: 'NamespaceList',
  namespaced: false,
  shortNames: ['ns'],
  categories: [],
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  schema: 'io.k8s.api.core.v1.Namespace',
  storagePrefix: '/registry/namespaces',
  nameKind: 'label',
  defaults: labelWithName,
  prepareForCreate(draft) {
    // Names made from generateName were not known when defaults were set.
    labelWithName(draft)
    const finalizers = draft.spec?.finalizers ?? []
    draft.spec = { finalizers: finalizers.includes(FINALIZER) ? finalizers : [...finalizers, FINALIZER] }
    draft.status = { phase: 'Active' }
  },
  prepareForUpdate(draft, previous) {
    draft.spec = previous.spec as Draft<Namespace>['spec']
    draft.status = previous.status as Draft<Namespace>['status']
  },
  validate: validateNamespace,
  validateUpdate: () => [],
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<Namespace>['spec']
    },
    validateUpdate: validatePhase,
  },
  selectableFields: {
    name: (namespace) => namespace.metadata?.name ?? '',
    'status.phase': (namespace) => namespace.status?.phase ?? '',
  },
  columns: [
    NAME_COLUMN,
    {
      name: 'Status',
      type: 'string',
      description: 'Whether the namespace is in use or going away.',
      cell: (namespace) => namespace.status?.phase ?? '',
    },
    AGE_COLUMN,
  ],
  otherSubresources: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
}
