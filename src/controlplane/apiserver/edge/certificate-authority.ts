import type { webcrypto } from 'node:crypto'
// The decorators that x509 is built on throw unless this comes first.
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const YEAR_MS = 365 * 24 * 3_600_000
/** Clocks differ: certificates are good from a little before they are made. */
const SKEW_MS = 5 * 60_000

export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

export interface LeafRequest {
  readonly commonName: string
  readonly organizations: readonly string[]
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly usages: readonly ('server' | 'client')[]
}

export interface CertificateAuthority {
  readonly ca: KeyAndCertificate
  issue(request: LeafRequest, nowMs: number): Promise<KeyAndCertificate>
  /** A certificate for a key that is somebody else's: its public half, P-256, SPKI as PEM. Rejects for any other key. */
  certify(publicKeyPem: string, request: LeafRequest, nowMs: number): Promise<string>
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

function fromPem(text: string): Buffer {
  return Buffer.from(text.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
}

function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  // A positive number without a leading zero byte, as RFC 5280 §4.1.2.2 asks.
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return Buffer.from(bytes).toString('hex')
}

/** A new self-signed authority, good for ten years. */
export async function createAuthority(commonName: string, nowMs: number): Promise<KeyAndCertificate> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${commonName}`,
    notBefore: new Date(nowMs - SKEW_MS),
    notAfter: new Date(nowMs + 10 * YEAR_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { key: await pem(keys.privateKey), cert: `${certificate.toString('pem')}\n` }
}

/** Opens an authority to issue leaf certificates with, each good for one year. */
export async function openAuthority(ca: KeyAndCertificate): Promise<CertificateAuthority> {
  const issuer = new x509.X509Certificate(ca.cert)
  const signingKey = await crypto.subtle.importKey('pkcs8', fromPem(ca.key), ALGORITHM, false, ['sign'])
  const certificateFor = async (
    publicKey: webcrypto.CryptoKey,
    request: LeafRequest,
    nowMs: number,
  ): Promise<string> => {
    const names = [
      ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ...request.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
    ]
    const usages = request.usages.map((usage) =>
      usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
    )
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: new x509.Name([
        ...request.organizations.map((o) => ({ O: [o] })),
        { CN: [request.commonName] },
      ]).toString(),
      issuer: issuer.subject,
      notBefore: new Date(nowMs - SKEW_MS),
      notAfter: new Date(nowMs + YEAR_MS),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(usages),
        await x509.AuthorityKeyIdentifierExtension.create(issuer),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ],
    })
    return `${certificate.toString('pem')}\n`
  }
  return {
    ca,
    async issue(request, nowMs) {
      const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
      return { key: await pem(keys.privateKey), cert: await certificateFor(keys.publicKey, request, nowMs) }
    },
    async certify(publicKeyPem, request, nowMs) {
      const publicKey = await crypto.subtle.importKey('spki', fromPem(publicKeyPem), ALGORITHM, true, ['verify'])
      return certificateFor(publicKey, request, nowMs)
    },
  }
}
