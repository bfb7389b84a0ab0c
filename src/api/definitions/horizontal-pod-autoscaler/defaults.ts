import type { Draft } from '../../object.ts'
import type { HorizontalPodAutoscaler, HPAScalingRules, MetricSpec } from '../../types/autoscaling-v2.gen.ts'

/** Per cent of the CPU that pods request, when an autoscaler names no metric. */
export const DEFAULT_CPU_UTILIZATION = 80

/** The metric of an autoscaler that names none. */
export function cpuUtilizationMetric(percent: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }
}

/** At once, by 4 pods or to twice as many in 15 s, whichever is more. */
export const DEFAULT_SCALE_UP = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
} as const satisfies HPAScalingRules

/** To whatever is wanted; how long to wait for that (5 minutes) is the controller's to say. */
export const DEFAULT_SCALE_DOWN = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
} as const satisfies HPAScalingRules

function completeRules(rules: Draft<HPAScalingRules> | undefined, defaults: HPAScalingRules): Draft<HPAScalingRules> {
  const given = Object.fromEntries(Object.entries(rules ?? {}).filter(([, value]) => value !== undefined))
  return { ...(structuredClone(defaults) as Draft<HPAScalingRules>), ...given }
}

/** Fills both directions as soon as one of them is spoken of. */
export function setBehaviorDefaults(spec: Draft<HorizontalPodAutoscaler['spec']>): void {
  if (spec.behavior === undefined) return
  spec.behavior.scaleUp = completeRules(spec.behavior.scaleUp, DEFAULT_SCALE_UP)
  spec.behavior.scaleDown = completeRules(spec.behavior.scaleDown, DEFAULT_SCALE_DOWN)
}

export function setAutoscalerDefaults(draft: Draft<HorizontalPodAutoscaler>): void {
  draft.spec ??= {} as Draft<HorizontalPodAutoscaler['spec']>
  const { spec } = draft
  spec.scaleTargetRef ??= { kind: '', name: '' }
  spec.maxReplicas ??= 0
  spec.minReplicas ??= 1
  if ((spec.metrics ?? []).length === 0)
    spec.metrics = [cpuUtilizationMetric(DEFAULT_CPU_UTILIZATION) as Draft<MetricSpec>]
  setBehaviorDefaults(spec)
  draft.status ??= { desiredReplicas: 0 }
  draft.status.desiredReplicas ??= 0
  draft.status.currentReplicas ??= 0
}
