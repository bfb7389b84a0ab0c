import { type FieldError, forbidden, invalid, required } from '../../field-error.ts'
import { validateLabelSelector } from '../../label-selector.ts'
import { dns1123LabelErrors, dns1123SubdomainErrors, qualifiedNameErrors } from '../../names.ts'
import type {
  Affinity,
  NodeAffinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
} from '../../types/core-v1.gen.ts'

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution'

function validateExpression(expression: NodeSelectorRequirement, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const { key = '', operator = '', values = [] } = expression
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1)
      errors.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
  } else errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
  for (const text of qualifiedNameErrors(key)) errors.push(invalid(`${path}.key`, key, text))
  return errors
}

function validateField(field: NodeSelectorRequirement, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const { key = '', operator = '', values = [] } = field
  if (operator !== 'In' && operator !== 'NotIn')
    errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
  else if (values.length !== 1) {
    const text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
    errors.push(required(`${path}.values`, text))
  }
  if (key !== 'metadata.name') errors.push(invalid(`${path}.key`, key, 'not a valid field selector key'))
  else
    for (const [i, value] of values.entries())
      for (const text of dns1123SubdomainErrors(value)) errors.push(invalid(`${path}.values[${i}]`, value, text))
  return errors
}

function validateNodeTerm(term: NodeSelectorTerm | undefined, path: string): readonly FieldError[] {
  return [
    ...(term?.matchExpressions ?? []).flatMap((e, i) => validateExpression(e, `${path}.matchExpressions[${i}]`)),
    ...(term?.matchFields ?? []).flatMap((f, i) => validateField(f, `${path}.matchFields[${i}]`)),
  ]
}

function validateWeight(weight: number | undefined, path: string): readonly FieldError[] {
  const value = weight ?? 0
  return value < 1 || value > 100 ? [invalid(`${path}.weight`, value, 'must be in the range 1-100')] : []
}

function validateNodeAffinity(affinity: NodeAffinity, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const needed = affinity[REQUIRED]
  if (needed !== undefined) {
    const at = `${path}.${REQUIRED}.nodeSelectorTerms`
    if (!needed.nodeSelectorTerms?.length) errors.push(required(at, 'must have at least one node selector term'))
    for (const [i, term] of (needed.nodeSelectorTerms ?? []).entries())
      errors.push(...validateNodeTerm(term, `${at}[${i}]`))
  }
  for (const [i, { weight, preference }] of (affinity[PREFERRED] ?? []).entries()) {
    const at = `${path}.${PREFERRED}[${i}]`
    errors.push(...validateWeight(weight, at), ...validateNodeTerm(preference, `${at}.preference`))
  }
  return errors
}

function validatePodTerm(term: PodAffinityTerm | undefined, path: string): readonly FieldError[] {
  const errors = [
    ...validateLabelSelector(term?.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term?.namespaceSelector, `${path}.namespaceSelector`),
  ]
  for (const [i, name] of (term?.namespaces ?? []).entries())
    for (const text of dns1123LabelErrors(name)) errors.push(invalid(`${path}.namespaces[${i}]`, name, text))
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const)
    if (term?.[field]?.length && term.labelSelector === undefined)
      errors.push(forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
  if (!term?.topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  else
    for (const text of qualifiedNameErrors(term.topologyKey))
      errors.push(invalid(`${path}.topologyKey`, term.topologyKey, text))
  return errors
}

function validatePodAffinity(affinity: PodAffinity, path: string): readonly FieldError[] {
  return [
    ...(affinity[REQUIRED] ?? []).flatMap((term, i) => validatePodTerm(term, `${path}.${REQUIRED}[${i}]`)),
    ...(affinity[PREFERRED] ?? []).flatMap(({ weight, podAffinityTerm }, i) => {
      const at = `${path}.${PREFERRED}[${i}]`
      return [...validateWeight(weight, at), ...validatePodTerm(podAffinityTerm, `${at}.podAffinityTerm`)]
    }),
  ]
}

/** Findings on where a pod wants to be. */
export function validateAffinity(affinity: Affinity | undefined, path: string): readonly FieldError[] {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {}
  return [
    ...(nodeAffinity === undefined ? [] : validateNodeAffinity(nodeAffinity, `${path}.nodeAffinity`)),
    ...(podAffinity === undefined ? [] : validatePodAffinity(podAffinity, `${path}.podAffinity`)),
    ...(podAntiAffinity === undefined ? [] : validatePodAffinity(podAntiAffinity, `${path}.podAntiAffinity`)),
  ]
}
