import type { ResourceDefinition } from '../definition.ts'
import { type FieldError, required } from '../field-error.ts'
import { labelMatcherOf } from '../label-selector.ts'
import type { Draft } from '../object.ts'
import type { ReplicaSet, ReplicaSetSpec } from '../types/apps-v1.gen.ts'
import { firstGeneration, nextGeneration } from './generation.ts'
import { immutableField } from './immutable-field.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'
import { nonNegative } from './number-rules.ts'
import { setTemplateDefaults, validateServingTemplate } from './pod/template.ts'
import { podWarnings } from './pod/warnings.ts'
import { validateReplicaCounts } from './replica-counts.ts'
import { validateOwnerSelector } from './selector-rules.ts'
import { semanticEqual } from './semantic-equal.ts'
import { TEMPLATE_COLUMNS } from './template-columns.ts'
import { ALL_VERBS } from './verbs.ts'

function setDefaults(draft: Draft<ReplicaSet>): void {
  draft.status ??= { replicas: 0 }
  draft.spec ??= {} as Draft<ReplicaSetSpec>
  const { spec } = draft
  spec.replicas ??= 1
  if (spec.template !== undefined) setTemplateDefaults(spec.template)
}

function validateReplicaSet(set: ReplicaSet): readonly FieldError[] {
  const spec = set.spec!
  return [
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateOwnerSelector(spec.selector, 'spec.selector'),
    ...(spec.template === undefined
      ? [required('spec.template')]
      : validateServingTemplate(spec.template, spec.selector, 'spec.template')),
  ]
}

export const REPLICA_SET: ResourceDefinition<ReplicaSet> = {
  group: 'apps',
  version: 'v1',
  resource: 'replicasets',
  singular: 'replicaset',
  kind: 'ReplicaSet',
  listKind: 'ReplicaSetList',
  namespaced: true,
  shortNames: ['rs'],
  categories: ['all'],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.apps.v1.ReplicaSet',
  storagePrefix: '/registry/replicasets',
  nameKind: 'subdomain',
  defaults: setDefaults,
  prepareForCreate(draft) {
    draft.status = { replicas: 0 }
    firstGeneration(draft)
  },
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<ReplicaSet>['status']
    nextGeneration(draft, previous, !semanticEqual(draft.spec, previous.spec))
  },
  validate: validateReplicaSet,
  validateUpdate: (next, previous) => immutableField(next.spec?.selector, previous.spec?.selector, 'spec.selector'),
  warnings: ({ spec }) => (spec?.template === undefined ? [] : podWarnings(spec.template, 'spec.template.')),
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<ReplicaSet>['spec']
    },
    validateUpdate: (next) => validateReplicaCounts(next.status),
  },
  scale: {
    replicas: (set) => set.spec?.replicas ?? 0,
    withReplicas(draft, replicas) {
      draft.spec!.replicas = replicas
    },
    statusReplicas: (set) => set.status?.replicas ?? 0,
    selector: (set) => labelMatcherOf(set.spec?.selector).text,
  },
  selectableFields: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
  columns: [
    NAME_COLUMN,
    {
      name: 'Desired',
      type: 'integer',
      description: 'Pods that are wanted.',
      cell: (set) => set.spec?.replicas ?? 0,
    },
    { name: 'Current', type: 'integer', description: 'Pods there are.', cell: (set) => set.status?.replicas ?? 0 },
    {
      name: 'Ready',
      type: 'integer',
      description: 'Pods that are ready.',
      cell: (set) => set.status?.readyReplicas ?? 0,
    },
    AGE_COLUMN,
    ...TEMPLATE_COLUMNS,
  ],
  otherSubresources: [],
}
