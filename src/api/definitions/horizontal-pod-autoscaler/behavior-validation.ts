import { type FieldError, invalid, notSupported, required } from '../../field-error.ts'
import { parseQuantity } from '../../quantity.ts'
import type {
  HorizontalPodAutoscalerBehavior,
  HPAScalingPolicy,
  HPAScalingRules,
} from '../../types/autoscaling-v2.gen.ts'

const PERIOD_SECONDS_MAX = 1_800
const WINDOW_SECONDS_MAX = 3_600
const SELECT_POLICIES = ['Disabled', 'Max', 'Min']
const POLICY_TYPES = ['Percent', 'Pods']

function validatePolicy({ type, value, periodSeconds }: HPAScalingPolicy, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (!POLICY_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type ?? '', POLICY_TYPES))
  if (!(value > 0)) errors.push(invalid(`${path}.value`, value ?? 0, 'must be greater than zero'))
  if (!(periodSeconds > 0))
    errors.push(invalid(`${path}.periodSeconds`, periodSeconds ?? 0, 'must be greater than zero'))
  else if (periodSeconds > PERIOD_SECONDS_MAX) {
    const text = `must be less than or equal to ${PERIOD_SECONDS_MAX}`
    errors.push(invalid(`${path}.periodSeconds`, periodSeconds, text))
  }
  return errors
}

function validateRules(rules: HPAScalingRules | undefined, path: string): readonly FieldError[] {
  if (rules === undefined) return []
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules
  const errors: FieldError[] = []
  if (window !== undefined && window < 0)
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'))
  if (window !== undefined && window > WINDOW_SECONDS_MAX) {
    const text = `must be less than or equal to ${WINDOW_SECONDS_MAX}`
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, text))
  }
  if (selectPolicy !== undefined && !SELECT_POLICIES.includes(selectPolicy))
    errors.push(notSupported(`${path}.selectPolicy`, selectPolicy, SELECT_POLICIES))
  if (policies.length === 0) errors.push(required(`${path}.policies`, 'must specify at least one Policy'))
  for (const [i, policy] of policies.entries()) errors.push(...validatePolicy(policy, `${path}.policies[${i}]`))
  if (tolerance !== undefined && parseQuantity(tolerance).nano < 0n)
    errors.push(invalid(`${path}.tolerance`, tolerance, 'must be greater than or equal to 0'))
  return errors
}

/** Findings on how fast and how patiently an autoscaler acts. */
export function validateBehavior(
  behavior: HorizontalPodAutoscalerBehavior | undefined,
  path: string,
): readonly FieldError[] {
  return [
    ...validateRules(behavior?.scaleUp, `${path}.scaleUp`),
    ...validateRules(behavior?.scaleDown, `${path}.scaleDown`),
  ]
}
