import type { TLSSocket } from 'node:tls'
import { PROXY_ERRORS, type ProxyError } from './proxy-error.ts'

/** Why there is no connection to an endpoint; `tls` is what it was to be encrypted by, if it was. */
export function connectError(tls: TLSSocket | undefined): ProxyError {
  // Undefined or null while nothing has been found against the certificate.
  const isRejected = (tls?.authorizationError ?? null) !== null
  return isRejected ? PROXY_ERRORS.certificateRejected : PROXY_ERRORS.connectFailed
}
