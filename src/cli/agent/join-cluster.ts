import { randomBytes, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { JOIN_PATH, type JoinAnswer, type JoinRequest, parseAgentToken } from '../../api/machine-join.ts'
import { addressLayout } from '../../base/address-layout.ts'
import { ApiServers } from '../../client/api-servers.ts'
import { statusErrorOf } from '../../client/create-client.ts'
import { createHttpTransport } from '../../client/http-transport.ts'
import { writePrivateFile } from '../../controlplane/apiserver/edge/atomic-file.ts'
import { UserError } from '../user-error.ts'
import { fetchCa } from './fetch-ca.ts'
import { newPrivateKey, provenKey } from './machine-keys.ts'

export interface JoinClusterOptions {
  readonly dataDir: string
  readonly machine: string
  readonly servers: readonly [string, ...string[]]
  /** The agent token as text. */
  readonly token: string
  readonly nodes: number
  /** Called while no server can be asked; joining is tried on. */
  readonly onWaiting: (reason: string) => void
}

const WAIT_MS = 1_000
const DAY_MS = 24 * 3_600_000
const RENEW_BEFORE_MS = 60 * DAY_MS

/** The machine's own secret, made once: with it a server knows that the same machine asks again. */
function machineSecret(dataDir: string): string {
  const path = join(dataDir, 'pki', 'machine-secret')
  if (!existsSync(path)) writePrivateFile(path, randomBytes(32).toString('base64url'))
  return readFileSync(path, 'utf8')
}

/** True when every certificate is there and good for some time: then nobody has to be asked. */
export function hasCertificates(dataDir: string, nodeNames: readonly string[], nowMs: number): boolean {
  const files = ['proxy', ...nodeNames.map((name) => `node-${name}`)]
  return files.every((file) => {
    const [cert, key] = ['crt', 'key'].map((end) => join(dataDir, 'pki', `${file}.${end}`)) as [string, string]
    if (!existsSync(cert) || !existsSync(key)) return false
    return Date.parse(new X509Certificate(readFileSync(cert)).validTo) - nowMs > RENEW_BEFORE_MS
  })
}

async function caOf({ servers, onWaiting }: JoinClusterOptions, caHash: string): Promise<string> {
  for (;;) {
    const found = await fetchCa(servers, caHash)
    if (found.kind === 'found') return found.pem
    if (found.kind === 'other')
      throw new UserError(
        `${found.server} is no server of the cluster that the token is of`,
        'compare --server with the token: it stands in the file `agent-token` in the data directory of each server',
      )
    onWaiting(found.reason)
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
}

async function askToJoin(
  { servers, onWaiting }: JoinClusterOptions,
  ca: string,
  secret: string,
  request: JoinRequest,
): Promise<JoinAnswer> {
  const transport = createHttpTransport({
    server: new ApiServers(servers),
    ca,
    token: secret,
    userAgent: 'wherry-agent',
  })
  try {
    for (;;) {
      try {
        const { status, body } = await transport.request({ method: 'POST', path: JOIN_PATH, body: request })
        if (status === 200) return body as JoinAnswer
        const error = statusErrorOf(status, body)
        if (status < 500)
          throw new UserError(
            `the cluster does not take this machine: ${error.message}`,
            status === 401
              ? 'the token stands in the file `agent-token` in the data directory of each server'
              : undefined,
          )
        onWaiting(error.message)
      } catch (error) {
        // The same request again does no harm: the machine gets the same nodes.
        if (error instanceof UserError) throw error
        onWaiting((error as Error).message)
      }
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
    }
  } finally {
    await transport.close()
  }
}

/**
 * Joins a cluster, or renews what joining gave: keys are made here and stay here, the server gives numbers and
 * certificates. All files are written before this resolves. Rejects with UserError when the cluster says no.
 */
export async function joinCluster(options: JoinClusterOptions): Promise<JoinAnswer> {
  const { dataDir, machine, nodes } = options
  const token = parseAgentToken(options.token)
  if (token === undefined)
    throw new UserError(
      'this is no agent token',
      'it begins with wherry-agent. and stands in the file `agent-token` in the data directory of each server',
    )
  const ca = await caOf(options, token.caHash)
  const keys = Array.from({ length: nodes }, newPrivateKey)
  const proxyKey = newPrivateKey()
  const answer = await askToJoin(options, ca, token.secret, {
    machine,
    secret: machineSecret(dataDir),
    nodeKeys: keys.map((key) => provenKey(key, token.caHash, machine)),
    proxyKey: provenKey(proxyKey, token.caHash, machine),
  })
  const numbers = answer.nodes.map(({ number }) => number)
  const layout = addressLayout(answer.octet, answer.clusterName, numbers)
  const write = (file: string, text: string): void => writePrivateFile(join(dataDir, 'pki', file), text)
  for (const [i, { name }] of layout.nodes.entries()) {
    write(`node-${name}.key`, keys[i]!)
    write(`node-${name}.crt`, answer.nodes[i]!.certificate)
  }
  write('proxy.key', proxyKey)
  write('proxy.crt', answer.proxyCertificate)
  write('ca.crt', ca)
  return answer
}
