import type { ResourceDefinition, TableColumn } from '../../definition.ts'
import type { Draft, KubeObject } from '../../object.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../../types/autoscaling-v1.gen.ts'
import type { HorizontalPodAutoscaler } from '../../types/autoscaling-v2.gen.ts'
import { nextGeneration } from '../generation.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { AUTOSCALER_COLUMNS } from './columns.ts'
import { annotatedMetrics, fromAutoscalerV1, toAutoscalerV1 } from './conversion.ts'
import { DEFAULT_CPU_UTILIZATION } from './defaults.ts'
import { AUTOSCALER_NAMES, HORIZONTAL_POD_AUTOSCALER } from './definition.ts'
import { validateAutoscaler, validateAutoscalerStatus } from './validation.ts'
import { SPEC_ANNOTATIONS, STATUS_ANNOTATIONS } from './version-annotations.ts'

/** Columns must stand objects of which parts are missing. */
function complete(object: AutoscalerV1): HorizontalPodAutoscaler {
  return object.spec === undefined ? (object as unknown as HorizontalPodAutoscaler) : fromAutoscalerV1(object)
}

const columns = AUTOSCALER_COLUMNS.map(
  (column): TableColumn<AutoscalerV1> => ({ ...column, cell: (object, nowMs) => column.cell(complete(object), nowMs) }),
)

/** Takes over from `previous` what these annotations say; part of the object's spec or status lives in them. */
function carryAnnotations(draft: Draft<AutoscalerV1>, previous: AutoscalerV1, keys: readonly string[]): void {
  draft.metadata ??= {}
  const annotations: Record<string, string> = { ...draft.metadata.annotations }
  for (const key of keys) {
    const value = previous.metadata?.annotations?.[key]
    if (value === undefined) delete annotations[key]
    else annotations[key] = value
  }
  if (Object.keys(annotations).length === 0) delete draft.metadata.annotations
  else draft.metadata.annotations = annotations
}

function setDefaults(draft: Draft<AutoscalerV1>): void {
  draft.spec ??= {} as Draft<AutoscalerV1['spec']>
  const { spec } = draft
  spec.scaleTargetRef ??= { kind: '', name: '' }
  spec.maxReplicas ??= 0
  spec.minReplicas ??= 1
  if (spec.targetCPUUtilizationPercentage === undefined && annotatedMetrics(draft.metadata).length === 0)
    spec.targetCPUUtilizationPercentage = DEFAULT_CPU_UTILIZATION
  draft.status ??= { currentReplicas: 0, desiredReplicas: 0 }
  draft.status.currentReplicas ??= 0
  draft.status.desiredReplicas ??= 0
}

/** Horizontal pod autoscalers as version 1 shows them: the same objects as in version 2. */
export const HORIZONTAL_POD_AUTOSCALER_V1: ResourceDefinition<AutoscalerV1> = {
  ...AUTOSCALER_NAMES,
  version: 'v1',
  schema: 'io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler',
  storage: {
    definition: HORIZONTAL_POD_AUTOSCALER,
    toStorage: fromAutoscalerV1,
    fromStorage: (object: KubeObject) => toAutoscalerV1(object as HorizontalPodAutoscaler),
  },
  defaults: setDefaults,
  prepareForCreate(draft) {
    draft.status = { currentReplicas: 0, desiredReplicas: 0 }
    carryAnnotations(draft, {} as AutoscalerV1, STATUS_ANNOTATIONS)
    draft.metadata ??= {}
    draft.metadata.generation = 1
  },
  prepareForUpdate(draft, previous) {
    draft.status = previous.status as Draft<AutoscalerV1['status']>
    carryAnnotations(draft, previous, STATUS_ANNOTATIONS)
    const [next, before] = [fromAutoscalerV1(draft as AutoscalerV1), fromAutoscalerV1(previous)]
    nextGeneration(draft, previous, !semanticEqual(next.spec, before.spec))
  },
  validate: (object) => validateAutoscaler(fromAutoscalerV1(object)),
  validateUpdate: () => [],
  status: {
    prepareForUpdate(draft, previous) {
      draft.spec = previous.spec as Draft<AutoscalerV1['spec']>
      carryAnnotations(draft, previous, SPEC_ANNOTATIONS)
    },
    validateUpdate: (next) => validateAutoscalerStatus(fromAutoscalerV1(next)),
  },
  columns,
}
