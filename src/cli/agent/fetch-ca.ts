import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { CA_PATH } from '../../api/machine-join.ts'
import { certificateHash } from '../../controlplane/membership/cluster-token.ts'

const TIMEOUT_MS = 5_000
const BYTES_MAX = 64 * 1024

/** What a server says is the cluster's CA certificate; whether it is, the token's hash tells. */
function ask(server: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // Nothing is believed of this connection, and nothing secret is sent over it.
    const call = request(new URL(CA_PATH, server), { rejectUnauthorized: false, timeout: TIMEOUT_MS, agent: false })
    call.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length > BYTES_MAX) response.destroy(new Error('the answer is no certificate'))
      })
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`it answered ${response.statusCode}`)),
      )
      response.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error('no answer in time')))
    call.on('error', reject)
    call.end()
  })
}

export type FetchedCa =
  | { readonly kind: 'found'; readonly pem: string }
  /** Some server answered, but with the CA of another cluster, or of somebody in between. */
  | { readonly kind: 'other'; readonly server: string }
  | { readonly kind: 'away'; readonly reason: string }

/** The CA certificate with this hash (SHA-256 of its DER) from the first server that has it. */
export async function fetchCa(servers: readonly string[], caHash: string): Promise<FetchedCa> {
  let failed: FetchedCa = { kind: 'away', reason: 'no server' }
  for (const server of servers) {
    try {
      const pem = await ask(server)
      if (certificateHash(pem) === caHash) return { kind: 'found', pem: new X509Certificate(pem).toString() }
      failed = { kind: 'other', server }
    } catch (error) {
      if (failed.kind === 'away') failed = { kind: 'away', reason: `${server}: ${(error as Error).message}` }
    }
  }
  return failed
}
