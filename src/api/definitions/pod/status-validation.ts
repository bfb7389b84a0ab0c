import { type FieldError, invalid } from '../../field-error.ts'
import type { Pod } from '../../types/core-v1.gen.ts'
import { immutableField } from '../immutable-field.ts'
import { CLUSTER_LOOPBACK, validateEndpointAddress } from '../ip-rules.ts'

/** Findings on what an agent writes: endpoints and proxies follow the addresses, so these must not point elsewhere. */
export function validatePodStatus(next: Pod, previous: Pod): readonly FieldError[] {
  const errors: FieldError[] = []
  for (const [i, { ip = '' }] of (next.status?.podIPs ?? []).entries())
    for (const text of validateEndpointAddress(ip, CLUSTER_LOOPBACK))
      errors.push(invalid(`status.podIPs[${i}]`, ip, text))
  if (previous.status?.qosClass)
    errors.push(...immutableField(next.status?.qosClass, previous.status.qosClass, 'status.qosClass'))
  return errors
}
