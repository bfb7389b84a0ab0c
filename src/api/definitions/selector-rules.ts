import { type FieldError, invalid, required } from '../field-error.ts'
import { validateLabelSelector } from '../label-selector.ts'
import type { LabelSelector } from '../types/meta-v1.gen.ts'

/** Findings on the selector of a controller's pods: there has to be one, and it may not take every pod there is. */
export function validateOwnerSelector(selector: LabelSelector | undefined, path: string): readonly FieldError[] {
  if (selector === undefined) return [required(path)]
  const errors = [...validateLabelSelector(selector, path)]
  const empty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0
  if (empty) errors.push(invalid(path, selector, 'empty selector is invalid for deployment'))
  return errors
}
