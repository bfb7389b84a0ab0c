import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writePrivateFile } from './atomic-file.ts'

/** What stands between an object's bytes and the store's. `key` is the full storage key. */
export interface ValueTransformer {
  toStorage(key: string, plaintext: Uint8Array): Uint8Array
  fromStorage(key: string, stored: Uint8Array): Uint8Array
}

const ENCRYPTED = 'k8s:enc:'
const NONCE_LENGTH = 12
const TAG_LENGTH = 16

interface NamedKey {
  readonly name: string
  readonly secret: Uint8Array
}

/**
 * AES-256-GCM as kube-apiserver's encryption configuration stores it: `k8s:enc:aesgcm:v1:<key name>:`, 12-byte nonce,
 * ciphertext, 16-byte tag, with the storage key as additional data, so that a value moved to another key does not
 * decrypt. The first key writes, all read. Only keys under `prefixes` are encrypted; elsewhere a value that carries an
 * encryption prefix is refused, as the identity provider does.
 */
export function createAesGcmTransformer(keys: readonly NamedKey[], prefixes: readonly string[]): ValueTransformer {
  const encrypts = (key: string): boolean => prefixes.some((prefix) => key.startsWith(prefix))
  const writer = keys[0]!
  return {
    toStorage(key, plaintext) {
      if (!encrypts(key)) return plaintext
      const nonce = randomBytes(NONCE_LENGTH)
      const cipher = createCipheriv('aes-256-gcm', writer.secret, nonce)
      cipher.setAAD(Buffer.from(key))
      return Buffer.concat([
        Buffer.from(`${ENCRYPTED}aesgcm:v1:${writer.name}:`),
        nonce,
        cipher.update(plaintext),
        cipher.final(),
        cipher.getAuthTag(),
      ])
    },
    fromStorage(key, stored) {
      const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
      if (bytes.toString('latin1', 0, ENCRYPTED.length) !== ENCRYPTED) return stored
      const provider = keys.find(({ name }) =>
        bytes.toString('latin1', 0, 64 + name.length).startsWith(`${ENCRYPTED}aesgcm:v1:${name}:`),
      )
      if (!encrypts(key) || provider === undefined)
        throw new Error(`the value at ${key} is encrypted with a key this cluster does not have`)
      const start = ENCRYPTED.length + 'aesgcm:v1::'.length + provider.name.length
      const decipher = createDecipheriv('aes-256-gcm', provider.secret, bytes.subarray(start, start + NONCE_LENGTH))
      decipher.setAAD(Buffer.from(key))
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_LENGTH))
      return Buffer.concat([
        decipher.update(bytes.subarray(start + NONCE_LENGTH, bytes.length - TAG_LENGTH)),
        decipher.final(),
      ])
    },
  }
}

/** Encryption of Secrets with the cluster's own key, made at the first start in `<dataDir>/pki/encryption.key`. */
export function ensureSecretEncryption(dataDir: string): ValueTransformer {
  const path = join(dataDir, 'pki', 'encryption.key')
  if (!existsSync(path)) writePrivateFile(path, `${randomBytes(32).toString('base64')}\n`)
  const secret = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
  if (secret.length !== 32) throw new Error(`${path} does not hold a key of 32 bytes; put back the file from a backup`)
  return createAesGcmTransformer([{ name: 'key1', secret }], ['/registry/secrets/'])
}
