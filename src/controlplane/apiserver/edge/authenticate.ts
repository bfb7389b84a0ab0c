import type { TLSSocket } from 'node:tls'
import { StatusError } from '../../../api/status-error.ts'
import { certificateUser } from '../../../client/certificate-user.ts'
import { ANONYMOUS, type User } from '../user.ts'

/** Finds out who makes a request; throws 401 for credentials that do not hold, never lets them pass as anonymous. */
export type Authenticate = (socket: TLSSocket, headers: Readonly<Record<string, string | undefined>>) => Promise<User>

function unauthorized(): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized')
}

/**
 * Client certificates first (once for each connection), then bearer tokens, else anonymous. `verifyToken` resolves to
 * undefined for a token that is not good.
 */
export function createAuthenticate(verifyToken: (token: string) => Promise<User | undefined>): Authenticate {
  const known = new WeakMap<TLSSocket, User | 'none'>()
  return async (socket, headers) => {
    let user = known.get(socket)
    if (user === undefined) {
      const shown = certificateUser(socket)
      if (shown === 'bad') throw unauthorized()
      user = shown
      known.set(socket, user)
    }
    if (user !== 'none') return user
    const { authorization } = headers
    if (authorization === undefined) return ANONYMOUS
    const match = /^Bearer +(\S+)$/i.exec(authorization)
    const bearer = match === null ? undefined : await verifyToken(match[1]!)
    if (bearer === undefined) throw unauthorized()
    return bearer
  }
}
