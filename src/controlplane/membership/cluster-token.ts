import { createHash, createHmac, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatAgentToken } from '../../api/machine-join.ts'
import { writePrivateFile } from '../apiserver/edge/atomic-file.ts'

/** A shorter one given by a person could be guessed from what stands sealed in etcd. */
export const TOKEN_LENGTH_MIN = 16

/** The file with which further servers join; whoever reads it can read the cluster's keys from its store. */
export function serverTokenFile(dataDir: string): string {
  return join(dataDir, 'server-token')
}

/** The file with which machines join; it opens no key of the cluster. */
export function agentTokenFile(dataDir: string): string {
  return join(dataDir, 'agent-token')
}

export function readServerToken(dataDir: string): string | undefined {
  const path = serverTokenFile(dataDir)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/** The server token of this data directory: the one given, the one that is there, or a new one of 256 bits. */
export function ensureServerToken(dataDir: string, given?: string): string {
  const token = given ?? readServerToken(dataDir) ?? randomBytes(32).toString('base64url')
  if (readServerToken(dataDir) !== token) writePrivateFile(serverTokenFile(dataDir), `${token}\n`)
  return token
}

/** What machines show: follows from the server token, which does not follow from it. */
export function agentSecret(serverToken: string): string {
  return createHmac('sha256', serverToken).update('wherry agent').digest('base64url')
}

/** Compares in a time that says nothing about where they differ. */
export function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/** SHA-256 of a certificate's DER, hexadecimal. */
export function certificateHash(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')
}

export function agentToken(serverToken: string, caPem: string): string {
  return formatAgentToken({ caHash: certificateHash(caPem), secret: agentSecret(serverToken) })
}

/** Keeps the agent token where a person finds it. */
export function ensureAgentToken(dataDir: string, serverToken: string, caPem: string): void {
  const path = agentTokenFile(dataDir)
  const text = `${agentToken(serverToken, caPem)}\n`
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writePrivateFile(path, text)
}
