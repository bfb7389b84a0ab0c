import type { HorizontalPodAutoscalerBehavior, HPAScalingRules } from '../../types/autoscaling-v2.gen.ts'

// Version 1 carries the behavior in the form of kube-apiserver's internal type: the fields' names begin with capitals.

/** Internal name → name in the API. */
const NAMES: Readonly<Record<string, string>> = {
  ScaleUp: 'scaleUp',
  ScaleDown: 'scaleDown',
  StabilizationWindowSeconds: 'stabilizationWindowSeconds',
  SelectPolicy: 'selectPolicy',
  Policies: 'policies',
  Tolerance: 'tolerance',
  Type: 'type',
  Value: 'value',
  PeriodSeconds: 'periodSeconds',
}
const BY_LOWER = new Map(Object.values(NAMES).map((name) => [name.toLowerCase(), name]))

function internalRules(rules: HPAScalingRules | undefined): unknown {
  if (rules === undefined) return null
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies: (rules.policies ?? []).map(({ type, value, periodSeconds }) => ({
      Type: type,
      Value: value,
      PeriodSeconds: periodSeconds,
    })),
    Tolerance: rules.tolerance ?? null,
  }
}

export function behaviorAnnotation(behavior: HorizontalPodAutoscalerBehavior): string {
  return JSON.stringify({ ScaleUp: internalRules(behavior.scaleUp), ScaleDown: internalRules(behavior.scaleDown) })
}

/** Names as the API has them, whatever their case, as Go reads JSON. Three levels are all there are. */
function renamed(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > 4) return value
  if (Array.isArray(value)) return value.map((item) => renamed(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [BY_LOWER.get(key.toLowerCase()) ?? key, renamed(inner, depth + 1)]),
  )
}

/** Reads the annotation's value, parsed; the result is still to be decoded. Undefined when it says nothing. */
export function behaviorOfAnnotation(value: unknown): unknown {
  const behavior = renamed(value) as HorizontalPodAutoscalerBehavior | null
  if (typeof behavior !== 'object' || behavior === null) return undefined
  return (behavior.scaleUp ?? behavior.scaleDown ?? undefined) === undefined ? undefined : behavior
}
