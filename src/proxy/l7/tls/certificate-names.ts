import type { X509Certificate } from 'node:crypto'

const DNS_NAME = /^DNS:((?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/i

/** The DNS names a certificate is for, in lower case. Names in its subject count for nothing (RFC 9525 §2). */
export function certificateNames(certificate: X509Certificate): readonly string[] {
  const names: string[] = []
  // Node.js puts names that could be taken for several into quotation marks, and those are no DNS names.
  for (const entry of certificate.subjectAltName?.split(', ') ?? []) {
    const name = DNS_NAME.exec(entry)?.[1]
    if (name !== undefined) names.push(name.toLowerCase())
  }
  return names
}
