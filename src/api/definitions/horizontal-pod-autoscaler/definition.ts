import type { ResourceDefinition } from '../../definition.ts'
import type { Draft } from '../../object.ts'
import type { HorizontalPodAutoscaler } from '../../types/autoscaling-v2.gen.ts'
import { firstGeneration, nextGeneration } from '../generation.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { ALL_VERBS } from '../verbs.ts'
import { AUTOSCALER_COLUMNS } from './columns.ts'
import { dropVersionAnnotations } from './conversion.ts'
import { setAutoscalerDefaults } from './defaults.ts'
import { validateAutoscaler, validateAutoscalerStatus } from './validation.ts'

/** Names and places that both versions share. */
export const AUTOSCALER_NAMES = {
  group: 'autoscaling',
  resource: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  kind: 'HorizontalPodAutoscaler',
  listKind: 'HorizontalPodAutoscalerList',
  namespaced: true,
  shortNames: ['hpa'],
  categories: ['all'],
  verbs: ALL_VERBS,
  storagePrefix: '/registry/horizontalpodautoscalers',
  nameKind: 'subdomain',
  selectableFields: {},
  otherSubresources: [],
} as const

/** Horizontal pod autoscalers in their full form, which is also the stored one. */
export const HORIZONTAL_POD_AUTOSCALER: ResourceDefinition<HorizontalPodAutoscaler> = {
  ...AUTOSCALER_NAMES,
  version: 'v2',
  schema: 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  defaults(draft) {
    setAutoscalerDefaults(draft)
    // Only the older version needs them: here the fields themselves say it.
    dropVersionAnnotations(draft)
  },
  prepareForCreate(draft) {
    draft.status = { currentReplicas: 0, desiredReplicas: 0 }
    firstGeneration(draft)
  },
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<HorizontalPodAutoscaler['status']>
    nextGeneration(draft, previous, !semanticEqual(draft.spec, previous.spec))
  },
  validate: validateAutoscaler,
  validateUpdate: () => [],
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<HorizontalPodAutoscaler['spec']>
    },
    validateUpdate: validateAutoscalerStatus,
  },
  columns: AUTOSCALER_COLUMNS,
}
