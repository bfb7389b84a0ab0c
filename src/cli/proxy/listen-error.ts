import { UserError } from '../user-error.ts'

/** Why the proxy cannot do what it was told; of an address that cannot be listened on also what to do. */
export function listenError(error: NodeJS.ErrnoException): UserError {
  if (error instanceof UserError) return error
  const { code, message } = error
  // From a worker comes the text alone, which ends in the address.
  const where = /\S+$/.exec(message)?.[0] ?? 'an address'
  if (code === 'EADDRINUSE') {
    return new UserError(`${where} is taken by another program.`, 'Choose another port, or 0 for a free one.', {
      cause: error,
    })
  }
  if (code === 'EACCES') {
    return new UserError(`This user may not listen on ${where}.`, 'Choose a port from 1024 up.', { cause: error })
  }
  if (code === 'EADDRNOTAVAIL') {
    return new UserError(`${where} is no address of this machine.`, undefined, { cause: error })
  }
  return new UserError(`The proxy cannot do that: ${message}`, undefined, { cause: error })
}
