import type { TLSSocket } from 'node:tls'
import { StatusError } from '../../../api/status-error.ts'
import { ANONYMOUS, type User } from '../user.ts'

/** Finds out who makes a request; throws 401 for credentials that do not hold, never lets them pass as anonymous. */
export type Authenticate = (socket: TLSSocket, headers: Readonly<Record<string, string | undefined>>) => Promise<User>

function unauthorized(): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized')
}

/** The user a client certificate stands for: common name and organizations. Undefined when the client showed none. */
function certificateUser(socket: TLSSocket): User | undefined {
  // Null, whatever the types say, once the connection is gone.
  const { subject } = (socket.getPeerCertificate() as ReturnType<TLSSocket['getPeerCertificate']> | null) ?? {}
  if (subject === undefined) return undefined
  if (!socket.authorized) throw unauthorized()
  const organizations = (subject.O ?? []) as string | readonly string[]
  const groups = typeof organizations === 'string' ? [organizations] : organizations
  return { name: String(subject.CN ?? ''), groups: [...groups, 'system:authenticated'] }
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
      user = certificateUser(socket) ?? 'none'
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
