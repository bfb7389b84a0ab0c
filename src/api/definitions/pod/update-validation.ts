import { type FieldError, forbidden, invalid } from '../../field-error.ts'
import type { Draft } from '../../object.ts'
import type { Pod, PodSpec, Toleration } from '../../types/core-v1.gen.ts'
import { semanticEqual } from '../semantic-equal.ts'

const OTHERS =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

function validateDeadline(next: PodSpec, previous: PodSpec): readonly FieldError[] {
  const [now, before] = [next.activeDeadlineSeconds, previous.activeDeadlineSeconds]
  const path = 'spec.activeDeadlineSeconds'
  if (before === undefined || now === before) return []
  if (now === undefined) return [invalid(path, null, 'must not update from a positive integer to nil value')]
  return now > before ? [invalid(path, now, 'must be less than or equal to previous value')] : []
}

function withoutSeconds({ tolerationSeconds: _, ...rest }: Toleration): Toleration {
  return rest
}

function validateAddedTolerations(next: PodSpec, previous: PodSpec): readonly FieldError[] {
  const now = (next.tolerations ?? []).map(withoutSeconds)
  const kept = (previous.tolerations ?? []).map(withoutSeconds)
  return kept.every((old) => now.some((toleration) => semanticEqual(toleration, old)))
    ? []
    : [forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')]
}

function validateClearedGates(next: PodSpec, previous: PodSpec): readonly FieldError[] {
  const before = new Set((previous.schedulingGates ?? []).map(({ name }) => name))
  const added = (next.schedulingGates ?? []).find(({ name }) => !before.has(name))
  return added === undefined
    ? []
    : [forbidden('spec.schedulingGates', `only deletion is allowed, but found new scheduling gate '${added.name}'`)]
}

/** The next spec with everything that may change taken from the previous one. */
function withAllowedChanges(next: PodSpec, previous: PodSpec): PodSpec {
  const spec = { ...next } as Draft<PodSpec>
  const before = previous as Draft<PodSpec>
  for (const field of ['containers', 'initContainers'] as const) {
    const old = before[field] ?? []
    if (spec[field] !== undefined)
      spec[field] = spec[field].map((container, i) => ({ ...container, image: old[i]?.image }))
  }
  spec.activeDeadlineSeconds = before.activeDeadlineSeconds
  spec.tolerations = before.tolerations
  spec.schedulingGates = before.schedulingGates
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1)
    spec.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds
  return spec as PodSpec
}

/** What may change in a pod's spec once it exists: very little. */
export function validatePodUpdate(next: Pod, previous: Pod): readonly FieldError[] {
  const [now, before] = [next.spec!, previous.spec!]
  const errors: FieldError[] = []
  for (const field of ['containers', 'initContainers', 'ephemeralContainers'] as const)
    if ((now[field]?.length ?? 0) !== (before[field]?.length ?? 0))
      errors.push(forbidden(`spec.${field}`, 'pod updates may not add or remove containers'))
  if (errors.length > 0) return errors
  errors.push(
    ...validateDeadline(now, before),
    ...validateClearedGates(now, before),
    ...validateAddedTolerations(now, before),
  )
  if (!semanticEqual(withAllowedChanges(now, before), before)) errors.push(forbidden('spec', OTHERS))
  return errors
}
