import { StatusError } from '../../api/status-error.ts'

/** There is no such resource, group or path. */
export function pathNotFound(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource')
}

/** The path is there, but not for this method. */
export function methodNotAllowed(): StatusError {
  return new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
}
