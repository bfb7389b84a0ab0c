import { type FieldError, invalid, required } from '../../field-error.ts'
import type { ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '../../types/core-v1.gen.ts'
import { isStandardQuotaName } from '../quota-resource-names.ts'

const PODS = ['pods']
const POD_COMPUTE = ['pods', 'cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'] as const

/** Each scope with the resources that it makes sense for. */
const SCOPES: Readonly<Record<string, readonly string[]>> = {
  Terminating: POD_COMPUTE,
  NotTerminating: POD_COMPUTE,
  BestEffort: PODS,
  NotBestEffort: POD_COMPUTE,
  PriorityClass: POD_COMPUTE,
  CrossNamespacePodAffinity: POD_COMPUTE,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage'],
}
const CONFLICTING = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const
/** Scopes that an object is in or not; they have no values. */
const ONLY_EXISTS = new Set([
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
])
const ONLY_EXISTS_TEXT =
  "must be 'Exist' only operator when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"

/** How many of the limited resources have nothing to do with the scope. */
function misapplied(scope: string, hard: readonly string[]): readonly string[] {
  const valid = Object.hasOwn(SCOPES, scope) ? SCOPES[scope]! : undefined
  if (valid === undefined) return []
  return hard.filter((name) => isStandardQuotaName(name) && !valid.includes(name))
}

function conflicts(scopes: readonly string[]): number {
  return CONFLICTING.filter((pair) => pair.every((scope) => scopes.includes(scope))).length
}

function validateRequirement(requirement: ScopedResourceSelectorRequirement, path: string): readonly FieldError[] {
  const { scopeName, operator, values = [] } = requirement
  const errors: FieldError[] = []
  if (!Object.hasOwn(SCOPES, scopeName)) errors.push(invalid(`${path}.scopeName`, scopeName, 'unsupported scope'))
  if (ONLY_EXISTS.has(scopeName) && operator !== 'Exists')
    errors.push(invalid(`${path}.operator`, operator, ONLY_EXISTS_TEXT))
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.push(
          required(
            `${path}.values`,
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
          ),
        )
      return errors
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.push(
          invalid(
            `${path}.values`,
            values,
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
          ),
        )
      return errors
    default:
      return [...errors, invalid(`${path}.operator`, operator, 'not a valid selector operator')]
  }
}

/** Findings on the scopes of a quota, in both ways to write them. */
export function validateScopes(spec: ResourceQuotaSpec): readonly FieldError[] {
  const { scopes = [], scopeSelector } = spec
  const hard = Object.keys(spec.hard ?? {}).sort()
  const errors: FieldError[] = []
  for (const scope of scopes) {
    if (!Object.hasOwn(SCOPES, scope)) errors.push(invalid('spec.scopes', scopes, 'unsupported scope'))
    for (const _ of misapplied(scope, hard))
      errors.push(invalid('spec.scopes', scopes, 'unsupported scope applied to resource'))
  }
  for (let i = conflicts(scopes); i > 0; i--) errors.push(invalid('spec.scopes', scopes, 'conflicting scopes'))
  const requirements = scopeSelector?.matchExpressions ?? []
  const path = 'spec.scopeSelector.matchExpressions'
  for (const requirement of requirements) {
    errors.push(...validateRequirement(requirement, path))
    for (const _ of misapplied(requirement.scopeName, hard))
      errors.push(invalid(path, scopeSelector, 'unsupported scope applied to resource'))
  }
  const named = requirements.map(({ scopeName }) => scopeName)
  for (let i = conflicts(named); i > 0; i--) errors.push(invalid(path, scopes, 'conflicting scopes'))
  return errors
}
