import { type FieldError, forbidden, invalid, required } from './field-error.ts'
import {
  dns1035LabelErrors,
  dns1123LabelErrors,
  dns1123SubdomainErrors,
  labelValueErrors,
  pathSegmentErrors,
  qualifiedNameErrors,
} from './names.ts'
import type { ObjectMeta } from './types/meta-v1.gen.ts'

export type NameKind = 'subdomain' | 'label' | 'label1035' | 'path-segment'

const NAME_CHECKS: Readonly<Record<NameKind, (name: string) => readonly string[]>> = {
  subdomain: dns1123SubdomainErrors,
  label: dns1123LabelErrors,
  label1035: dns1035LabelErrors,
  'path-segment': pathSegmentErrors,
}

const ANNOTATIONS_BYTES_MAX = 256 * 1024

export interface ObjectMetaRules {
  readonly namespaced: boolean
  readonly nameKind: NameKind
  /** `metadata` */
  readonly path: string
}

/** Findings on labels; also for templates. */
export function validateLabels(
  labels: Readonly<Record<string, string>> | undefined,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const text of qualifiedNameErrors(key)) errors.push(invalid(path, key, text))
    for (const text of labelValueErrors(value)) errors.push(invalid(path, value, text))
  }
  return errors
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = []
  let size = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const text of qualifiedNameErrors(key.toLowerCase())) errors.push(invalid(path, key, text))
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (size > ANNOTATIONS_BYTES_MAX)
    errors.push({
      path,
      reason: 'FieldValueTooLong',
      value: '',
      detail: `may not be more than ${ANNOTATIONS_BYTES_MAX} bytes`,
    })
  return errors
}

function validateOwners(meta: ObjectMeta, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  let controller: string | undefined
  for (const [i, owner] of (meta.ownerReferences ?? []).entries()) {
    const at = `${path}.ownerReferences[${i}]`
    if (!owner.apiVersion) errors.push(invalid(`${at}.apiVersion`, owner.apiVersion, 'version must not be empty'))
    for (const field of ['kind', 'name', 'uid'] as const)
      if (!owner[field]) errors.push(invalid(`${at}.${field}`, owner[field], 'must not be empty'))
    if (owner.controller !== true) continue
    if (controller === undefined) controller = owner.name
    else
      errors.push(
        invalid(
          `${path}.ownerReferences`,
          meta.ownerReferences,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.name}`,
        ),
      )
  }
  return errors
}

/** Findings on an object's metadata, whatever its kind. */
export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules): readonly FieldError[] {
  const { path } = rules
  const errors: FieldError[] = []
  const check = NAME_CHECKS[rules.nameKind]
  if (meta.generateName) {
    // What comes behind is always good at the end, so only the start is checked.
    for (const text of check(meta.generateName.replace(/[-.]+$/, '')))
      errors.push(invalid(`${path}.generateName`, meta.generateName, text))
  }
  if (!meta.name) errors.push(required(`${path}.name`, 'name or generateName is required'))
  else for (const text of check(meta.name)) errors.push(invalid(`${path}.name`, meta.name, text))
  if (rules.namespaced) {
    if (!meta.namespace) errors.push(required(`${path}.namespace`))
    else
      for (const text of dns1123LabelErrors(meta.namespace))
        errors.push(invalid(`${path}.namespace`, meta.namespace, text))
  } else if (meta.namespace) errors.push(forbidden(`${path}.namespace`, 'not allowed on this type'))
  errors.push(
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwners(meta, path),
  )
  for (const [i, finalizer] of (meta.finalizers ?? []).entries()) {
    for (const text of qualifiedNameErrors(finalizer)) errors.push(invalid(`${path}.finalizers[${i}]`, finalizer, text))
  }
  return errors
}

/** Findings on what an update may not change in metadata. */
export function validateObjectMetaUpdate(
  next: ObjectMeta,
  previous: ObjectMeta,
  path = 'metadata',
): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const field of [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    if (next[field] !== previous[field])
      errors.push(invalid(`${path}.${field}`, next[field] ?? '', 'field is immutable'))
  }
  if (previous.deletionTimestamp !== undefined) {
    const added = (next.finalizers ?? []).filter((finalizer) => !(previous.finalizers ?? []).includes(finalizer))
    if (added.length > 0)
      errors.push(
        forbidden(
          `${path}.finalizers`,
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((f) => JSON.stringify(f)).join(', ')}}`,
        ),
      )
  }
  return errors
}
