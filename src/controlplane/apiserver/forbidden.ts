import { StatusError } from '../../api/status-error.ts'
import type { Attributes } from './authorizer.ts'

/** The refusal as kubectl users know it: who may not do what, and where. */
export function forbiddenError({ user, verb, resource, path }: Attributes, reason: string): StatusError {
  const why = reason === '' ? '' : `: ${reason}`
  if (resource === undefined)
    return new StatusError('Forbidden', `forbidden: User "${user.name}" cannot ${verb} path "${path}"${why}`, {})
  const { group, resource: name, subresource, namespace, name: object } = resource
  const what = subresource === '' ? name : `${name}/${subresource}`
  const qualified = group === '' ? name : `${name}.${group}`
  const quoted = object === '' ? '' : ` "${object}"`
  const where = namespace === '' ? ' at the cluster scope' : ` in the namespace "${namespace}"`
  return new StatusError(
    'Forbidden',
    `${qualified}${quoted} is forbidden: User "${user.name}" cannot ${verb} resource "${what}" in API group "${group}"${where}${why}`,
    { ...(object === '' ? {} : { name: object }), group, kind: name },
  )
}
