import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123LabelErrors } from '../../names.ts'
import type { Container, EphemeralContainer, PodSpec, Volume } from '../../types/core-v1.gen.ts'
import { validateContainerPorts, validateHostPorts } from './container-port-validation.ts'
import { validateEnvironment } from './env-validation.ts'
import { validateMounts } from './mount-validation.ts'
import { validateLifecycle, validateProbes } from './probe-validation.ts'
import { validateResources } from './resource-validation.ts'
import { validateContainerSecurity } from './security-validation.ts'

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']
const MESSAGE_POLICIES = ['FallbackToLogsOnError', 'File']
const RESTART_POLICIES = ['Always', 'Never', 'OnFailure']
const RESIZABLE = ['cpu', 'memory']
const RESIZE_POLICIES = ['NotRequired', 'RestartContainer']

interface Surroundings {
  readonly volumes: ReadonlyMap<string, Volume>
  readonly hostNetwork: boolean
  readonly graceSeconds: number
}

function oneOf(value: string | undefined, path: string, choices: readonly string[]): readonly FieldError[] {
  if (!value) return [required(path)]
  return choices.includes(value) ? [] : [notSupported(path, value, choices)]
}

function validateResizePolicies(container: Container, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, { resourceName, restartPolicy }] of (container.resizePolicy ?? []).entries()) {
    if (seen.has(resourceName)) errors.push(duplicate(`${path}[${i}]`, resourceName))
    seen.add(resourceName)
    errors.push(
      ...oneOf(resourceName, `${path}[${i}]`, RESIZABLE),
      ...oneOf(restartPolicy, `${path}[${i}]`, RESIZE_POLICIES),
    )
  }
  return errors
}

function validateRestartRules(container: Container, path: string): readonly FieldError[] {
  const rules = container.restartPolicyRules ?? []
  if (rules.length === 0) return []
  const errors: FieldError[] = []
  if (!container.restartPolicy)
    errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
  for (const [i, { action, exitCodes }] of rules.entries()) {
    const at = `${path}.restartPolicyRules[${i}]`
    errors.push(...oneOf(action, `${at}.action`, ['Restart', 'RestartAllContainers']))
    if (exitCodes === undefined) errors.push(required(`${at}.exitCodes`, 'must be specified'))
    else errors.push(...oneOf(exitCodes.operator, `${at}.exitCodes.operator`, ['In', 'NotIn']))
  }
  return errors
}

/** What holds for every kind of container. */
function validateCommon(container: Container, path: string, around: Surroundings): readonly FieldError[] {
  const errors: FieldError[] = []
  if (!container.name) errors.push(required(`${path}.name`))
  else for (const text of dns1123LabelErrors(container.name)) errors.push(invalid(`${path}.name`, container.name, text))
  const image = container.image ?? ''
  if (image === '') errors.push(required(`${path}.image`))
  else if (image.trim() !== image)
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
  errors.push(
    ...oneOf(container.terminationMessagePolicy, `${path}.terminationMessagePolicy`, MESSAGE_POLICIES),
    ...oneOf(container.imagePullPolicy, `${path}.imagePullPolicy`, PULL_POLICIES),
    ...validateContainerPorts(container.ports ?? [], `${path}.ports`, around.hostNetwork),
    ...validateEnvironment(container, path),
    ...validateMounts(container, around.volumes, path),
    ...validateResources(container.resources, `${path}.resources`),
    ...validateResizePolicies(container, `${path}.resizePolicy`),
    ...validateContainerSecurity(container.securityContext, `${path}.securityContext`),
    ...validateRestartRules(container, path),
  )
  if (container.restartPolicy !== undefined)
    errors.push(...oneOf(container.restartPolicy, `${path}.restartPolicy`, RESTART_POLICIES))
  return errors
}

/** Init containers that are no sidecars end before the others start, so nothing watches over them. */
function validateInit(container: Container, path: string, around: Surroundings): readonly FieldError[] {
  if (container.restartPolicy === 'Always')
    return [
      ...validateLifecycle(container.lifecycle, `${path}.lifecycle`, around.graceSeconds),
      ...validateProbes(container, path),
    ]
  return (['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    .filter((field) => container[field] !== undefined)
    .map((field) => forbidden(`${path}.${field}`, 'may not be set for init containers without restartPolicy=Always'))
}

const NOT_EPHEMERAL = ['lifecycle', 'livenessProbe', 'ports', 'readinessProbe', 'startupProbe'] as const

function validateEphemeral(container: EphemeralContainer, path: string, spec: PodSpec): readonly FieldError[] {
  const errors = NOT_EPHEMERAL.filter((field) => container[field] !== undefined).map((field) =>
    forbidden(`${path}.${field}`, 'cannot be set for an Ephemeral Container'),
  )
  const target = container.targetContainerName
  const all = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  if (target && !all.some(({ name }) => name === target))
    errors.push({ path: `${path}.targetContainerName`, reason: 'FieldValueNotFound', value: target, detail: '' })
  return errors
}

/** Findings on all containers of a pod; `path` is the spec's. */
export function validateContainers(spec: PodSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const around: Surroundings = {
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    hostNetwork: spec.hostNetwork === true,
    graceSeconds: spec.terminationGracePeriodSeconds ?? 30,
  }
  const names = new Set<string>()
  const checkName = (name: string | undefined, at: string): void => {
    if (name && names.has(name)) errors.push(duplicate(`${at}.name`, name))
    if (name) names.add(name)
  }
  if (!spec.containers?.length) errors.push(required(`${path}.containers`))
  for (const [i, container] of (spec.containers ?? []).entries()) {
    const at = `${path}.containers[${i}]`
    errors.push(...validateCommon(container, at, around))
    checkName(container.name, at)
    errors.push(
      ...validateLifecycle(container.lifecycle, `${at}.lifecycle`, around.graceSeconds),
      ...validateProbes(container, at),
    )
  }
  for (const [i, container] of (spec.initContainers ?? []).entries()) {
    const at = `${path}.initContainers[${i}]`
    errors.push(...validateCommon(container, at, around))
    checkName(container.name, at)
    errors.push(...validateInit(container, at, around), ...validateHostPorts([container], `${path}.initContainers`))
  }
  for (const [i, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${path}.ephemeralContainers[${i}]`
    errors.push(...validateCommon(container as Container, at, around))
    checkName(container.name, at)
    errors.push(...validateEphemeral(container, at, spec))
  }
  return [...errors, ...validateHostPorts(spec.containers ?? [], `${path}.containers`)]
}
