import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { API_SERVER_CLIENT, MONITORING_GROUP, PROXY_USER } from '../../../api/component-users.ts'
import { PROXY_SERVICE } from '../../../api/proxy-endpoints.ts'
import type { Clock } from '../../../base/clock.ts'
import { writePrivateFile } from './atomic-file.ts'
import type { CertificateAuthority, KeyAndCertificate, LeafRequest } from './certificate-authority.ts'

export interface PkiOptions {
  readonly dataDir: string
  readonly clusterName: string
  /** Addresses the API server is reached at, beside 127.0.0.1. */
  readonly apiAddresses: readonly string[]
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  readonly clock: Clock
}

export interface Pki {
  /** The cluster's CA certificate. */
  readonly caPem: string
  readonly apiServer: KeyAndCertificate
  /** The person's own: user `wherry-admin`, group `wherry:admins`; it can be revoked, unlike `system:masters`. */
  readonly admin: KeyAndCertificate
  /** What the API server shows to the agents' node API. */
  readonly kubeletClient: KeyAndCertificate
  /** Client and serving certificate in one. */
  readonly proxy: KeyAndCertificate
  /** For whoever scrapes the cluster from outside: may read series and find out where they are served. */
  readonly prometheus: KeyAndCertificate
  /** By node name: client and serving certificate in one. */
  readonly nodes: ReadonlyMap<string, KeyAndCertificate>
  /** ES256 private key for service-account tokens, PEM. */
  readonly serviceAccountKey: string
}

/** Renewed at a start when less than this is left of a certificate's year. */
const RENEW_BEFORE_MS = 60 * 24 * 3_600_000

interface Leaf extends LeafRequest {
  readonly file: string
}

function leaves(options: PkiOptions): readonly Leaf[] {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
  const none = { organizations: [], dnsNames: [], ipAddresses: [] }
  return [
    {
      ...none,
      file: 'apiserver',
      commonName: 'kube-apiserver',
      dnsNames: ['localhost', ...service],
      ipAddresses: ['127.0.0.1', ...options.apiAddresses],
      usages: ['server'],
    },
    { ...none, file: 'admin', commonName: 'wherry-admin', organizations: ['wherry:admins'], usages: ['client'] },
    { ...none, file: 'kubelet-client', commonName: API_SERVER_CLIENT, usages: ['client'] },
    {
      ...none,
      file: 'proxy',
      commonName: PROXY_USER,
      dnsNames: [PROXY_SERVICE.name],
      ipAddresses: options.nodes.slice(0, 1).map(({ address }) => address),
      usages: ['server', 'client'],
    },
    { ...none, file: 'prometheus', commonName: 'prometheus', organizations: [MONITORING_GROUP], usages: ['client'] },
    ...options.nodes.map(
      (node): Leaf => ({
        file: `node-${node.name}`,
        commonName: `system:node:${node.name}`,
        organizations: ['system:nodes'],
        dnsNames: [node.name],
        ipAddresses: [node.address],
        usages: ['server', 'client'],
      }),
    ),
  ]
}

/** True when the certificate is by this CA, lasts long enough, and names everything asked for. */
function isGood(pair: KeyAndCertificate, leaf: Leaf, ca: X509Certificate, nowMs: number): boolean {
  try {
    const certificate = new X509Certificate(pair.cert)
    const lasts = Date.parse(certificate.validTo) - nowMs > RENEW_BEFORE_MS
    const named =
      leaf.dnsNames.every((name) => certificate.checkHost(name)) &&
      leaf.ipAddresses.every((ip) => certificate.checkIP(ip))
    return lasts && named && certificate.checkIssued(ca) && certificate.verify(ca.publicKey)
  } catch {
    return false
  }
}

function readPair(directory: string, file: string): KeyAndCertificate | undefined {
  const [key, cert] = [join(directory, `${file}.key`), join(directory, `${file}.crt`)]
  return existsSync(key) && existsSync(cert)
    ? { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
    : undefined
}

function writePair(directory: string, file: string, pair: KeyAndCertificate): void {
  writePrivateFile(join(directory, `${file}.key`), pair.key)
  writePrivateFile(join(directory, `${file}.crt`), pair.cert)
}

/**
 * Every key and certificate of the cluster, from `<dataDir>/pki`; what is missing, about to expire or made for other
 * addresses is made anew. The certificate library is loaded only then: it costs more than the rest of this together.
 */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const directory = join(options.dataDir, 'pki')
  const nowMs = options.clock.now()
  let ca = readPair(directory, 'ca')
  let authority: CertificateAuthority | undefined
  if (ca === undefined) {
    const { createAuthority } = await import('./certificate-authority.ts')
    ca = await createAuthority(`wherry-${options.clusterName}-ca`, nowMs)
    writePair(directory, 'ca', ca)
  }
  const caCertificate = new X509Certificate(ca.cert)

  const pairs = new Map<string, KeyAndCertificate>()
  for (const leaf of leaves(options)) {
    let pair = readPair(directory, leaf.file)
    if (pair === undefined || !isGood(pair, leaf, caCertificate, nowMs)) {
      authority ??= await (await import('./certificate-authority.ts')).openAuthority(ca)
      pair = await authority.issue(leaf, nowMs)
      writePair(directory, leaf.file, pair)
    }
    pairs.set(leaf.file, pair)
  }
  return {
    caPem: ca.cert,
    apiServer: pairs.get('apiserver')!,
    admin: pairs.get('admin')!,
    kubeletClient: pairs.get('kubelet-client')!,
    proxy: pairs.get('proxy')!,
    prometheus: pairs.get('prometheus')!,
    nodes: new Map(options.nodes.map(({ name }) => [name, pairs.get(`node-${name}`)!])),
    serviceAccountKey: ensureSigningKey(join(directory, 'service-accounts.key')),
  }
}

function ensureSigningKey(path: string): string {
  if (existsSync(path)) return readFileSync(path, 'utf8')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  writePrivateFile(path, text)
  return text
}
