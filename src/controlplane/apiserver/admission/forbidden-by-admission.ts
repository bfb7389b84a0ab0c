import { StatusError } from '../../../api/status-error.ts'
import type { AdmissionRequest } from '../admission.ts'

/** The refusal of a write by what else there is, as kubectl users know it: `pods "web" is forbidden: exceeded quota: …`. */
export function forbiddenByAdmission(
  { definition, name }: Pick<AdmissionRequest, 'definition' | 'name'>,
  why: string,
): StatusError {
  const { group, resource } = definition
  const qualified = group === '' ? resource : `${resource}.${group}`
  return new StatusError('Forbidden', `${qualified} "${name}" is forbidden: ${why}`, { name, group, kind: resource })
}
