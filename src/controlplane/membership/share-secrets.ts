import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writePrivateFile } from '../apiserver/edge/atomic-file.ts'
import type { Store } from '../store/store.ts'
import { ensureServerToken, readServerToken } from './cluster-token.ts'
import { MembershipError } from './membership-error.ts'
import { type ClusterSecrets, openSecrets, sealSecrets } from './sealed-secrets.ts'

/** Not a resource: nobody's watch cache holds it. */
const KEY = '/registry/wherry.dev/secrets'

export interface ShareOptions {
  readonly store: Store
  readonly dataDir: string
  /** What a new cluster is to be. */
  readonly proposal: Pick<ClusterSecrets, 'clusterName' | 'octet' | 'runtime'>
  /** The server token, if the person has given one. */
  readonly token?: string
  /** True when there must be a cluster already: an emptied store is not made a new one. */
  readonly joins: boolean
  readonly nowMs: number
}

export interface SharedSecrets extends Pick<ClusterSecrets, 'clusterName' | 'octet' | 'runtime'> {
  readonly token: string
}

/** Which file of a data directory holds which secret. */
const FILES = {
  caCertificate: 'ca.crt',
  caKey: 'ca.key',
  serviceAccountKey: 'service-accounts.key',
  encryptionKey: 'encryption.key',
} as const
type FileSecrets = Pick<ClusterSecrets, keyof typeof FILES>
const NAMES = Object.keys(FILES) as (keyof typeof FILES)[]

function readOwn(dataDir: string): FileSecrets | undefined {
  const path = (name: keyof typeof FILES): string => join(dataDir, 'pki', FILES[name])
  if (!NAMES.every((name) => existsSync(path(name)))) return undefined
  return Object.fromEntries(NAMES.map((name) => [name, readFileSync(path(name), 'utf8')])) as unknown as FileSecrets
}

/** The CA's certificate last: with it the set is whole. */
function writeOwn(dataDir: string, secrets: FileSecrets): void {
  for (const name of [...NAMES].reverse()) writePrivateFile(join(dataDir, 'pki', FILES[name]), secrets[name])
}

async function newSecrets(clusterName: string, nowMs: number): Promise<FileSecrets> {
  const { createAuthority } = await import('../apiserver/edge/certificate-authority.ts')
  const ca = await createAuthority(`wherry-${clusterName}-ca`, nowMs)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    caCertificate: ca.cert,
    caKey: ca.key,
    serviceAccountKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    encryptionKey: `${randomBytes(32).toString('base64')}\n`,
  }
}

/**
 * Brings the data directory of a server and a shared store to hold the same secrets: the first server leaves its own in
 * the store, sealed with the server token; a further one reads them with that token. Rejects with MembershipError, or
 * StoreError.
 */
export async function shareSecrets(options: ShareOptions): Promise<SharedSecrets> {
  const { store, dataDir, proposal, joins, nowMs } = options
  for (;;) {
    const own = readOwn(dataDir)
    const found = await store.get(KEY)
    if (found !== undefined) {
      const token = options.token ?? readServerToken(dataDir)
      if (token === undefined)
        throw new MembershipError(
          'tokenMissing',
          'this etcd holds a cluster already, and its server token is not given',
        )
      const secrets = await openSecrets(found.value, token)
      if (secrets === undefined)
        throw new MembershipError('tokenWrong', 'the server token is not that of the cluster in this etcd')
      if (own === undefined) writeOwn(dataDir, secrets)
      const { clusterName, octet, runtime } = secrets
      return { token: ensureServerToken(dataDir, token), clusterName, octet, runtime }
    }
    if (joins) throw new MembershipError('nothingToJoin', 'this etcd holds no cluster that could be joined')
    // The token first: with it these secrets are found again, even if this process ends before it has written them.
    const token = ensureServerToken(dataDir, options.token)
    const secrets = { ...proposal, ...(own ?? (await newSecrets(proposal.clusterName, nowMs))) }
    const value = await sealSecrets(secrets, token)
    const { ok } = await store.commit({
      expect: [{ key: KEY, modRevision: 0n }],
      puts: [{ key: KEY, value }],
      deletes: [],
    })
    // Another server was faster: what is there counts.
    if (!ok) continue
    if (own === undefined) writeOwn(dataDir, secrets)
    return { token, ...proposal }
  }
}
