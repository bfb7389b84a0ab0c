import type { ConfigMap, Container, EnvVarSource, Pod, Secret, Service } from '../../api/types/core-v1.gen.ts'
import { expandVariables } from './expand-variables.ts'
import { podField, resourceField } from './field-ref.ts'
import { serviceVariables } from './service-variables.ts'

export interface EnvironmentInput {
  readonly pod: Pod
  readonly container: Container
  readonly podIp: string
  readonly hostIp: string
  readonly hostname: string
  /** The node's, for limits that are not set. */
  readonly allocatable: Readonly<Record<string, string>>
  /** Those of the pod's namespace and `default/kubernetes`; others are passed over. */
  readonly services: readonly Service[]
  /** By name, in the pod's namespace; a missing one does not exist. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>
  readonly secrets: ReadonlyMap<string, Secret>
}

export interface Environment {
  readonly variables: ReadonlyMap<string, string>
  /** Keys that cannot be names of variables and were left out, by where they come from. */
  readonly skipped: readonly { readonly source: string; readonly keys: readonly string[] }[]
}

/** Something the container's configuration refers to is not there; shows as CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ContainerConfigError'
  }
}

/** The ConfigMaps and Secrets that a container's environment refers to. */
export function environmentReferences(container: Container): {
  readonly configMaps: ReadonlySet<string>
  readonly secrets: ReadonlySet<string>
} {
  const configMaps = new Set<string>()
  const secrets = new Set<string>()
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name !== undefined) configMaps.add(configMapRef.name)
    if (secretRef?.name !== undefined) secrets.add(secretRef.name)
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name !== undefined) configMaps.add(valueFrom.configMapKeyRef.name)
    if (valueFrom?.secretKeyRef?.name !== undefined) secrets.add(valueFrom.secretKeyRef.name)
  }
  return { configMaps, secrets }
}

/** Printable ASCII but for `=` (KEP-4369). */
const VARIABLE_NAME = /^[\x20-\x3c\x3e-\x7e]+$/

function decodeSecret(text: string): string {
  return Buffer.from(text, 'base64').toString()
}

function own<T>(values: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return values !== undefined && Object.hasOwn(values, key) ? values[key] : undefined
}

/**
 * The environment of a container: Services, then what wherry tells every pod of itself (POD_IP, HOST to bind to,
 * HOSTNAME, POD_NAME, POD_NAMESPACE), then envFrom in order, then env in order; later ones win. `$(NAME)` in a value
 * refers to what stands before it. Throws ContainerConfigError when something that is not optional is missing.
 */
export function buildEnvironment(input: EnvironmentInput): Environment {
  const { pod, container, podIp } = input
  const namespace = pod.metadata?.namespace ?? ''
  const variables = new Map(serviceVariables(input.services, namespace, pod.spec?.enableServiceLinks !== false))
  variables.set('POD_IP', podIp)
  variables.set('HOST', podIp)
  variables.set('HOSTNAME', input.hostname)
  variables.set('POD_NAME', pod.metadata?.name ?? '')
  variables.set('POD_NAMESPACE', namespace)
  const skipped: { source: string; keys: string[] }[] = []

  const addAll = (source: string, prefix: string, entries: readonly (readonly [string, string])[]): void => {
    const keys: string[] = []
    for (const [key, value] of entries) {
      const name = `${prefix}${key}`
      if (VARIABLE_NAME.test(name)) variables.set(name, value)
      else keys.push(key)
    }
    if (keys.length > 0) skipped.push({ source, keys: keys.sort() })
  }
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) {
      const name = configMapRef.name ?? ''
      const found = input.configMaps.get(name)
      if (found === undefined && configMapRef.optional !== true)
        throw new ContainerConfigError(`configmap "${name}" not found`)
      addAll(`configMap ${namespace}/${name}`, prefix, Object.entries(found?.data ?? {}))
    }
    if (secretRef !== undefined) {
      const name = secretRef.name ?? ''
      const found = input.secrets.get(name)
      if (found === undefined && secretRef.optional !== true)
        throw new ContainerConfigError(`secret "${name}" not found`)
      const entries = Object.entries(found?.data ?? {}).map(([key, text]) => [key, decodeSecret(text)] as const)
      addAll(`secret ${namespace}/${name}`, prefix, entries)
    }
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const text = valueFrom === undefined ? expandVariables(value ?? '', variables) : referredValue(valueFrom, input)
    if (text !== undefined) variables.set(name, text)
  }
  return { variables, skipped }
}

/** The value of one `valueFrom`; undefined when it is optional and not there. */
function referredValue(source: EnvVarSource, input: EnvironmentInput): string | undefined {
  const { pod, container } = input
  const namespace = pod.metadata?.namespace ?? ''
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = source
  if (configMapKeyRef !== undefined) {
    const { name = '', key, optional } = configMapKeyRef
    const found = input.configMaps.get(name)
    const value = own(found?.data, key)
    if (value !== undefined || optional === true) return value
    if (found === undefined) throw new ContainerConfigError(`configmap "${name}" not found`)
    throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`)
  }
  if (secretKeyRef !== undefined) {
    const { name = '', key, optional } = secretKeyRef
    const found = input.secrets.get(name)
    const value = own(found?.data, key)
    if (value !== undefined) return decodeSecret(value)
    if (optional === true) return undefined
    if (found === undefined) throw new ContainerConfigError(`secret "${name}" not found`)
    throw new ContainerConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`)
  }
  if (fieldRef !== undefined) {
    const value = podField(pod, fieldRef.fieldPath, input)
    if (value === undefined) throw new ContainerConfigError(`unsupported fieldPath: ${fieldRef.fieldPath}`)
    return value
  }
  if (resourceFieldRef !== undefined) {
    const name = resourceFieldRef.containerName ?? container.name
    const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
    const other = all.find((c) => c.name === name)
    const value = other === undefined ? undefined : resourceField(other, resourceFieldRef, input.allocatable)
    if (value === undefined)
      throw new ContainerConfigError(`unsupported container resource: ${resourceFieldRef.resource} of ${name}`)
    return value
  }
  throw new ContainerConfigError('valueFrom.fileKeyRef is not supported')
}
