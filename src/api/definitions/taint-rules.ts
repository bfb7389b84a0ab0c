import { duplicate, type FieldError, invalid, notSupported, required } from '../field-error.ts'
import { labelValueErrors, qualifiedNameErrors } from '../names.ts'
import type { Taint } from '../types/core-v1.gen.ts'

export const TAINT_EFFECTS: readonly string[] = ['NoExecute', 'NoSchedule', 'PreferNoSchedule']

/** Findings on a node's taints: one of a key and effect. */
export function validateTaints(taints: readonly Taint[], path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, taint] of taints.entries()) {
    const at = `${path}[${i}]`
    for (const text of qualifiedNameErrors(taint.key ?? '')) errors.push(invalid(`${at}.key`, taint.key ?? '', text))
    for (const text of labelValueErrors(taint.value ?? '')) errors.push(invalid(`${at}.value`, taint.value, text))
    if (!taint.effect) errors.push(required(`${at}.effect`))
    else if (!TAINT_EFFECTS.includes(taint.effect))
      errors.push(notSupported(`${at}.effect`, taint.effect, TAINT_EFFECTS))
    const identity = `${taint.effect}\0${taint.key}`
    if (seen.has(identity))
      errors.push({ ...duplicate(at, taint), detail: 'taints must be unique by key and effect pair' })
    seen.add(identity)
  }
  return errors
}
