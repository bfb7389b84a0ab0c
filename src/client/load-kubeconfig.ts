import { readFileSync } from 'node:fs'
import type { HttpTransportOptions } from './http-transport.ts'

const FIELDS = ['server', 'certificate-authority-data', 'client-certificate-data', 'client-key-data'] as const

/**
 * Reads a kubeconfig of the form that wherry writes: one cluster, one user, one context, everything inside. No YAML
 * parser, which would cost more at start-up than the rest of a client. Throws for any other form.
 */
export function loadKubeconfig(path: string): HttpTransportOptions {
  const text = readFileSync(path, 'utf8')
  const [server, ca, cert, key] = FIELDS.map((field) => {
    const found = [...text.matchAll(new RegExp(`^ +${field}: *"?([^\\s"]+)"?$`, 'gm'))]
    if (found.length !== 1)
      throw new Error(`${path} is no kubeconfig that wherry wrote: it has ${found.length} "${field}"`)
    return found[0]![1]!
  }) as [string, string, string, string]
  const decode = (data: string): string => Buffer.from(data, 'base64').toString()
  return { server, ca: decode(ca), cert: decode(cert), key: decode(key) }
}
