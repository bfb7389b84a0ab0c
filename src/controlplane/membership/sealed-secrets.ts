import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'

/** What every server of a cluster must have in common. */
export interface ClusterSecrets {
  readonly clusterName: string
  /** Second octet of its range of addresses. */
  readonly octet: number
  /** How its containers run: the range of addresses goes with it. */
  readonly runtime: 'process' | 'docker'
  /** PEM texts. */
  readonly caCertificate: string
  readonly caKey: string
  readonly serviceAccountKey: string
  /** With which Secrets are encrypted at rest: 32 bytes, base64. */
  readonly encryptionKey: string
}

/** scrypt at 32 MiB: about 80 ms, once for each server that joins. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const
const ADDITIONAL = Buffer.from('wherry cluster secrets 1')

interface Sealed {
  readonly version: 1
  readonly salt: string
  readonly nonce: string
  readonly tag: string
  readonly data: string
}

function keyOf(token: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(token, salt, 32, COST, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}

/** AES-256-GCM under a key that follows from the token (scrypt, RFC 7914), as JSON text. */
export async function sealSecrets(secrets: ClusterSecrets, token: string): Promise<Buffer> {
  const [salt, nonce] = [randomBytes(16), randomBytes(12)]
  const cipher = createCipheriv('aes-256-gcm', await keyOf(token, salt), nonce)
  cipher.setAAD(ADDITIONAL)
  const data = Buffer.concat([cipher.update(JSON.stringify(secrets)), cipher.final()])
  const text = (bytes: Buffer): string => bytes.toString('base64')
  const sealed: Sealed = {
    version: 1,
    salt: text(salt),
    nonce: text(nonce),
    tag: text(cipher.getAuthTag()),
    data: text(data),
  }
  return Buffer.from(JSON.stringify(sealed))
}

/** Undefined when the token is another one, or the bytes are not whole. Throws when another version wrote them. */
export async function openSecrets(bytes: Uint8Array, token: string): Promise<ClusterSecrets | undefined> {
  const sealed = JSON.parse(Buffer.from(bytes).toString()) as Sealed
  if (sealed.version !== 1) throw new Error(`the cluster's secrets are of version ${sealed.version}: update wherry`)
  const of = (text: string): Buffer => Buffer.from(text, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', await keyOf(token, of(sealed.salt)), of(sealed.nonce))
  decipher.setAAD(ADDITIONAL)
  decipher.setAuthTag(of(sealed.tag))
  try {
    return JSON.parse(Buffer.concat([decipher.update(of(sealed.data)), decipher.final()]).toString())
  } catch {
    return undefined
  }
}
