import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123SubdomainErrors, qualifiedNameErrors } from '../../names.ts'
import { validateLabels } from '../../object-meta-validation.ts'
import type { PodSpec } from '../../types/core-v1.gen.ts'
import { validateAffinity } from './affinity-validation.ts'
import { validateContainers } from './container-validation.ts'
import { validatePodDns } from './dns-validation.ts'
import { validateResourceList, validateResources } from './resource-validation.ts'
import { validatePodSecurity } from './security-validation.ts'
import { validateTolerations } from './toleration-validation.ts'
import { validateTopologySpread } from './topology-spread-validation.ts'
import { validateVolumes } from './volume-validation.ts'

const RESTART_POLICIES = ['Always', 'Never', 'OnFailure']
const PREEMPTION_POLICIES = ['Never', 'PreemptLowerPriority']
const SECONDS_MAX = 2 ** 31 - 1

function validateNames(spec: PodSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['nodeName', 'serviceAccountName', 'priorityClassName', 'runtimeClassName'] as const) {
    const value = spec[field]
    if (value) for (const text of dns1123SubdomainErrors(value)) errors.push(invalid(`${path}.${field}`, value, text))
  }
  for (const [i, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!name) errors.push(required(`${path}.imagePullSecrets[${i}].name`))
  return errors
}

/** Findings on what decides when a pod may run and when it counts. */
function validateGates(spec: PodSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [i, { conditionType }] of (spec.readinessGates ?? []).entries())
    for (const text of qualifiedNameErrors(conditionType ?? ''))
      errors.push(invalid(`${path}.readinessGates[${i}].conditionType`, conditionType, text))
  const seen = new Set<string>()
  for (const [i, { name = '' }] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${i}]`
    for (const text of qualifiedNameErrors(name)) errors.push(invalid(at, name, text))
    if (seen.has(name)) errors.push(duplicate(at, name))
    seen.add(name)
  }
  if (seen.size > 0 && spec.nodeName)
    errors.push(forbidden(`${path}.nodeName`, 'cannot be set until all schedulingGates have been cleared'))
  return errors
}

function validateHostAccess(spec: PodSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    const text = 'ShareProcessNamespace and HostPID cannot both be enabled'
    errors.push(invalid(`${path}.securityContext.shareProcessNamespace`, true, text))
  }
  if (spec.hostUsers === false)
    for (const field of ['hostPID', 'hostIPC'] as const)
      if (spec[field] === true) errors.push(forbidden(`${path}.${field}`, 'when `hostUsers` is false'))
  return errors
}

function oneOf(value: string | undefined, path: string, choices: readonly string[]): readonly FieldError[] {
  return value === undefined || choices.includes(value) ? [] : [notSupported(path, value, choices)]
}

/** Findings on a pod's spec; `path` is `spec` for pods and `spec.template.spec` for templates. */
export function validatePodSpec(spec: PodSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = [
    ...validateVolumes(spec.volumes ?? [], `${path}.volumes`),
    ...validateContainers(spec, path),
    ...(spec.restartPolicy
      ? oneOf(spec.restartPolicy, `${path}.restartPolicy`, RESTART_POLICIES)
      : [required(`${path}.restartPolicy`)]),
    ...validatePodDns(spec, path),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurity(spec.securityContext, `${path}.securityContext`, spec.hostNetwork === true),
    ...validateHostAccess(spec, path),
    ...validateNames(spec, path),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateGates(spec, path),
    ...validateTolerations(spec.tolerations ?? [], `${path}.tolerations`),
    ...validateTopologySpread(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`),
    ...validateResourceList(spec.overhead, `${path}.overhead`),
    ...validateResources(spec.resources, `${path}.resources`),
    ...oneOf(spec.preemptionPolicy, `${path}.preemptionPolicy`, PREEMPTION_POLICIES),
    ...oneOf(spec.os?.name, `${path}.os.name`, ['linux', 'windows']),
  ]
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > SECONDS_MAX))
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${SECONDS_MAX}, inclusive`))
  return errors
}
