import { type FieldError, invalid, notSupported, required } from '../../field-error.ts'
import { validateLabelSelector } from '../../label-selector.ts'
import { qualifiedNameErrors } from '../../names.ts'
import type { TopologySpreadConstraint } from '../../types/core-v1.gen.ts'

const ACTIONS = ['DoNotSchedule', 'ScheduleAnyway']
const POLICIES = ['Honor', 'Ignore']

function validateOne(constraint: TopologySpreadConstraint, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const { maxSkew = 0, topologyKey, whenUnsatisfiable: action = '', minDomains } = constraint
  if (maxSkew <= 0) errors.push(invalid(`${path}.maxSkew`, maxSkew, 'must be greater than zero'))
  if (!topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  else
    for (const text of qualifiedNameErrors(topologyKey)) errors.push(invalid(`${path}.topologyKey`, topologyKey, text))
  if (!ACTIONS.includes(action)) errors.push(notSupported(`${path}.whenUnsatisfiable`, action, ACTIONS))
  if (minDomains !== undefined) {
    if (minDomains <= 0) errors.push(invalid(`${path}.minDomains`, minDomains, 'must be greater than zero'))
    if (action !== 'DoNotSchedule') {
      const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`
      errors.push(invalid(`${path}.minDomains`, minDomains, text))
    }
  }
  for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
    const policy = constraint[field]
    if (policy !== undefined && !POLICIES.includes(policy))
      errors.push(notSupported(`${path}.${field}`, policy, POLICIES))
  }
  for (const [i, key] of (constraint.matchLabelKeys ?? []).entries())
    for (const text of qualifiedNameErrors(key)) errors.push(invalid(`${path}.matchLabelKeys[${i}]`, key, text))
  return [...errors, ...validateLabelSelector(constraint.labelSelector, `${path}.labelSelector`)]
}

/** Findings on how a pod's kind is to spread. */
export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[],
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, constraint] of constraints.entries()) {
    errors.push(...validateOne(constraint, `${path}[${i}]`))
    const pair = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`
    if (seen.has(pair)) {
      const at = `${path}[${i}].{topologyKey, whenUnsatisfiable}`
      errors.push({ path: at, reason: 'FieldValueDuplicate', value: pair, detail: '' })
    }
    seen.add(pair)
  }
  return errors
}
