import { type FieldError, invalid, required } from '../../field-error.ts'
import { pathSegmentErrors } from '../../names.ts'
import type { CrossVersionObjectReference } from '../../types/autoscaling-v2.gen.ts'

function validateSegment(value: string | undefined, path: string): readonly FieldError[] {
  if (!value) return [required(path)]
  return pathSegmentErrors(value).map((text) => invalid(path, value, text))
}

/** Findings on the name of another object: what is scaled, or what a metric is about. */
export function validateReference(
  reference: Partial<CrossVersionObjectReference> | undefined,
  path: string,
): readonly FieldError[] {
  const { apiVersion, kind, name } = reference ?? {}
  const errors = [...validateSegment(kind, `${path}.kind`), ...validateSegment(name, `${path}.name`)]
  if (apiVersion !== undefined && apiVersion.split('/').length > 2)
    errors.push(invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  return errors
}
