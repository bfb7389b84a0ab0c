import { type FieldError, invalid } from '../../field-error.ts'
import type { Event } from '../../types/core-v1.gen.ts'

/**
 * An event lives beside what it is about; things without a namespace have theirs in `default` or `kube-system`. Nobody
 * may so write about another namespace's objects.
 */
export function validateInvolvedNamespace(
  eventNamespace: string | undefined,
  objectNamespace: string | undefined,
  path: string,
): readonly FieldError[] {
  const fits = objectNamespace
    ? eventNamespace === objectNamespace
    : eventNamespace === 'default' || eventNamespace === 'kube-system'
  return fits ? [] : [invalid(`${path}.namespace`, objectNamespace ?? '', 'does not match event.namespace')]
}

export function validateCoreEvent(event: Event): readonly FieldError[] {
  return validateInvolvedNamespace(event.metadata?.namespace, event.involvedObject?.namespace, 'involvedObject')
}
