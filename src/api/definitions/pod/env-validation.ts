import { type FieldError, invalid, required } from '../../field-error.ts'
import { configMapKeyErrors, envVarNameErrors } from '../../names.ts'
import type { Container, EnvFromSource, EnvVar, EnvVarSource } from '../../types/core-v1.gen.ts'
import { validateFieldRef, validateResourceFieldRef } from './field-ref-validation.ts'

const SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]

function validateKeyRef(ref: { readonly key?: string; readonly name?: string }, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (!ref.name) errors.push(required(`${path}.name`))
  if (!ref.key) errors.push(required(`${path}.key`))
  else for (const text of configMapKeyErrors(ref.key)) errors.push(invalid(`${path}.key`, ref.key, text))
  return errors
}

function validateSource(source: EnvVarSource, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (source.fieldRef) errors.push(...validateFieldRef(source.fieldRef, `${path}.fieldRef`, ENV_FIELDS))
  if (source.resourceFieldRef)
    errors.push(...validateResourceFieldRef(source.resourceFieldRef, `${path}.resourceFieldRef`, false))
  if (source.configMapKeyRef) errors.push(...validateKeyRef(source.configMapKeyRef, `${path}.configMapKeyRef`))
  if (source.secretKeyRef) errors.push(...validateKeyRef(source.secretKeyRef, `${path}.secretKeyRef`))
  if (source.fileKeyRef)
    for (const field of ['volumeName', 'path', 'key'] as const)
      if (!source.fileKeyRef[field]) errors.push(required(`${path}.fileKeyRef.${field}`))
  return errors
}

function validateValueFrom(variable: EnvVar, path: string): readonly FieldError[] {
  if (variable.valueFrom === undefined) return []
  const errors = [...validateSource(variable.valueFrom, path)]
  const count = SOURCES.filter((name) => variable.valueFrom![name] !== undefined).length
  if (count === 0) {
    const text =
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'
    errors.push(invalid(path, '', text))
  } else if (variable.value) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (count > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
  return errors
}

function validateEnvFrom(source: EnvFromSource, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (source.prefix)
    for (const text of envVarNameErrors(source.prefix)) errors.push(invalid(`${path}.prefix`, source.prefix, text))
  const kinds = (['configMapRef', 'secretRef'] as const).filter((name) => source[name] !== undefined)
  if (kinds.length === 0) errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'))
  if (kinds.length > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
  for (const kind of kinds) if (!source[kind]!.name) errors.push(required(`${path}.${kind}.name`))
  return errors
}

/** Findings on where a container's environment comes from. */
export function validateEnvironment(
  container: Pick<Container, 'env' | 'envFrom'>,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [i, variable] of (container.env ?? []).entries()) {
    const at = `${path}.env[${i}]`
    if (!variable.name) errors.push(required(`${at}.name`))
    else for (const text of envVarNameErrors(variable.name)) errors.push(invalid(`${at}.name`, variable.name, text))
    errors.push(...validateValueFrom(variable, `${at}.valueFrom`))
  }
  for (const [i, source] of (container.envFrom ?? []).entries())
    errors.push(...validateEnvFrom(source, `${path}.envFrom[${i}]`))
  return errors
}
