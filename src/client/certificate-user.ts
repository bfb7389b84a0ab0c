import type { TLSSocket } from 'node:tls'

export interface CertificateUser {
  readonly name: string
  readonly groups: readonly string[]
}

/**
 * The user a client certificate stands for: common name and organizations, as everywhere in Kubernetes. `none`: the
 * client showed no certificate; `bad`: one that does not hold, which must never pass as none.
 */
export function certificateUser(socket: TLSSocket): CertificateUser | 'none' | 'bad' {
  // Null, whatever the types say, once the connection is gone.
  const { subject } = (socket.getPeerCertificate() as ReturnType<TLSSocket['getPeerCertificate']> | null) ?? {}
  if (subject === undefined) return 'none'
  if (!socket.authorized) return 'bad'
  const organizations = (subject.O ?? []) as string | readonly string[]
  const groups = typeof organizations === 'string' ? [organizations] : organizations
  return { name: String(subject.CN ?? ''), groups: [...groups, 'system:authenticated'] }
}
