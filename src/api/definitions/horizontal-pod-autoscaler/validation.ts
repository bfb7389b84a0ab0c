import { type FieldError, forbidden, invalid } from '../../field-error.ts'
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec } from '../../types/autoscaling-v2.gen.ts'
import { nonNegative } from '../number-rules.ts'
import { validateBehavior } from './behavior-validation.ts'
import { validateMetric } from './metric-validation.ts'
import { validateReference } from './reference-validation.ts'

/** To scale to nothing and back, something must be measured that is not in the pods. */
function validateScaleToZero({ minReplicas, metrics = [] }: HorizontalPodAutoscalerSpec): readonly FieldError[] {
  if (minReplicas !== 0 || metrics.some(({ type }) => type === 'Object' || type === 'External')) return []
  const text = 'must specify at least one Object or External metric to support scaling to zero replicas'
  return [forbidden('spec.metrics', text)]
}

export function validateAutoscaler({ spec }: HorizontalPodAutoscaler): readonly FieldError[] {
  const { minReplicas, maxReplicas, metrics = [] } = spec
  const errors = [...nonNegative(minReplicas, 'spec.minReplicas')]
  if (!(maxReplicas >= 1)) errors.push(invalid('spec.maxReplicas', maxReplicas ?? 0, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  return [
    ...errors,
    ...validateReference(spec.scaleTargetRef, 'spec.scaleTargetRef'),
    ...metrics.flatMap((metric, i) => validateMetric(metric, `spec.metrics[${i}]`)),
    ...validateScaleToZero(spec),
    ...validateBehavior(spec.behavior, 'spec.behavior'),
  ]
}

export function validateAutoscalerStatus({ status }: HorizontalPodAutoscaler): readonly FieldError[] {
  return [
    ...nonNegative(status?.currentReplicas, 'status.currentReplicas'),
    ...nonNegative(status?.desiredReplicas, 'status.desiredReplicas'),
  ]
}
