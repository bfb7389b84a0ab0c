import type { ResourceDefinition } from '../definition.ts'
import { type FieldError, invalid, notSupported } from '../field-error.ts'
import { validateLabelSelector } from '../label-selector.ts'
import type { Draft } from '../object.ts'
import type { PodDisruptionBudget } from '../types/policy-v1.gen.ts'
import { firstGeneration, nextGeneration } from './generation.ts'
import { AGE_COLUMN, NAME_COLUMN } from './name-and-age-columns.ts'
import { nonNegative, nonNegativeIntOrPercent } from './number-rules.ts'
import { semanticEqual } from './semantic-equal.ts'
import { ALL_VERBS } from './verbs.ts'

const POLICIES = ['AlwaysAllow', 'IfHealthyBudget']
const STATUS_COUNTS = ['currentHealthy', 'desiredHealthy', 'disruptionsAllowed', 'expectedPods'] as const

function validateBudget({ spec = {} }: PodDisruptionBudget): readonly FieldError[] {
  const errors: FieldError[] = []
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    errors.push(invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'))
  errors.push(
    ...nonNegativeIntOrPercent(minAvailable, 'spec.minAvailable', true),
    ...nonNegativeIntOrPercent(maxUnavailable, 'spec.maxUnavailable', true),
    ...validateLabelSelector(spec.selector, 'spec.selector'),
  )
  if (policy !== undefined && !POLICIES.includes(policy))
    errors.push(notSupported('spec.unhealthyPodEvictionPolicy', policy, POLICIES))
  return errors
}

function setDefaults(draft: Draft<PodDisruptionBudget>): void {
  draft.spec ??= {}
  draft.status ??= {}
  // The controller's counts are part of the object from the start, as in kube-apiserver's.
  for (const field of STATUS_COUNTS) draft.status[field] ??= 0
}

export const POD_DISRUPTION_BUDGET: ResourceDefinition<PodDisruptionBudget> = {
  group: 'policy',
  version: 'v1',
  resource: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  kind: 'PodDisruptionBudget',
  listKind: 'PodDisruptionBudgetList',
  namespaced: true,
  shortNames: ['pdb'],
  categories: [],
  verbs: ALL_VERBS,
  schema: 'io.k8s.api.policy.v1.PodDisruptionBudget',
  storagePrefix: '/registry/poddisruptionbudgets',
  nameKind: 'subdomain',
  requireResourceVersionOnUpdate: true,
  defaults: setDefaults,
  prepareForCreate(draft) {
    draft.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 }
    firstGeneration(draft)
  },
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<PodDisruptionBudget>['status']
    nextGeneration(draft, previous, !semanticEqual(draft.spec, previous.spec))
  },
  validate: validateBudget,
  validateUpdate: () => [],
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<PodDisruptionBudget>['spec']
    },
    validateUpdate: ({ status }) => STATUS_COUNTS.flatMap((field) => nonNegative(status?.[field], `status.${field}`)),
  },
  selectableFields: {},
  columns: [
    NAME_COLUMN,
    {
      name: 'Min Available',
      type: 'string',
      description: 'Pods that must stay available.',
      cell: ({ spec }) => String(spec?.minAvailable ?? 'N/A'),
    },
    {
      name: 'Max Unavailable',
      type: 'string',
      description: 'Pods that may be away.',
      cell: ({ spec }) => String(spec?.maxUnavailable ?? 'N/A'),
    },
    {
      name: 'Allowed Disruptions',
      type: 'integer',
      description: 'Pods that may be evicted now.',
      cell: ({ status }) => status?.disruptionsAllowed ?? 0,
    },
    AGE_COLUMN,
  ],
  otherSubresources: [],
}
