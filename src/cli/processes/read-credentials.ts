import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** PEM texts with which a part of the cluster shows who it is and knows the others. */
export interface Credentials {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** The certificate `<name>` that the control plane has put into `<dataDir>/pki`. */
export function readCredentials(dataDir: string, name: string): Credentials {
  const read = (file: string): string => readFileSync(join(dataDir, 'pki', file), 'utf8')
  return { ca: read('ca.crt'), cert: read(`${name}.crt`), key: read(`${name}.key`) }
}
