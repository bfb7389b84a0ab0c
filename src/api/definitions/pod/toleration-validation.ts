import { type FieldError, invalid, notSupported } from '../../field-error.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../names.ts'
import type { Toleration } from '../../types/core-v1.gen.ts'
import { TAINT_EFFECTS } from '../taint-rules.ts'

/** Findings on which taints a pod bears. */
export function validateTolerations(tolerations: readonly Toleration[], path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [i, toleration] of tolerations.entries()) {
    const at = `${path}[${i}]`
    const { key, operator = '', value = '', effect, tolerationSeconds } = toleration
    if (key) for (const text of qualifiedNameErrors(key)) errors.push(invalid(`${at}.key`, key, text))
    else if (operator !== 'Exists') {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
      errors.push(invalid(`${at}.operator`, operator, text))
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.push(invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if (operator === 'Equal' || operator === '')
      for (const text of labelValueErrors(value)) errors.push(invalid(`${at}.operator`, value, text))
    else if (operator === 'Exists') {
      if (value !== '')
        errors.push(invalid(`${at}.operator`, toleration, "value must be empty when `operator` is 'Exists'"))
    } else errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']))
    if (effect && !TAINT_EFFECTS.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, TAINT_EFFECTS))
  }
  return errors
}
