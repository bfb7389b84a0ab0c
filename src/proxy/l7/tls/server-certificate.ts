import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { certificateNames } from './certificate-names.ts'

/**
 * With forward secrecy and authenticated encryption alone, as Mozilla's "intermediate" list has them (version 5.7). The
 * client's order counts: it knows whether it has AES in hardware.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** A certificate with its key, ready to be shown. */
export interface ServerCertificate {
  readonly serverNames: readonly string[]
  readonly notAfterMs: number
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

/** Throws when the PEM texts are none, or do not belong together. `serverNames`: in place of the certificate's own. */
export function createServerCertificate(
  certificate: Buffer,
  key: Buffer,
  minVersion: 'TLSv1.2' | 'TLSv1.3',
  serverNames?: readonly string[],
): ServerCertificate {
  const x509 = new X509Certificate(certificate)
  const options: SecureContextOptions = {
    cert: certificate,
    key,
    minVersion,
    ciphers: CIPHERS,
    honorCipherOrder: false,
    // A new handshake within a connection costs us more than the client that asks for it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  }
  return {
    serverNames: serverNames?.map((name) => name.toLowerCase()) ?? certificateNames(x509),
    notAfterMs: x509.validToDate.getTime(),
    options,
    context: createSecureContext(options),
  }
}
