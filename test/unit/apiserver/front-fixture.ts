import type { KeyObject } from 'node:crypto'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { ApiServerOptions } from '../../../src/controlplane/apiserver/api-server.ts'
import { createAuthenticate } from '../../../src/controlplane/apiserver/edge/authenticate.ts'
import { type HttpsFront, startHttpsFront } from '../../../src/controlplane/apiserver/edge/https-front.ts'
import { ensurePki, type Pki } from '../../../src/controlplane/apiserver/edge/pki.ts'
import {
  createServiceAccountTokens,
  type ServiceAccountTokens,
  type TokenBindings,
} from '../../../src/controlplane/apiserver/edge/service-account-tokens.ts'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

export interface Credentials {
  readonly cert?: string
  readonly key?: string
}

export interface TestFront {
  readonly api: TestServer
  readonly front: HttpsFront
  readonly pki: Pki
  readonly tokens: ServiceAccountTokens
  readonly publicKey: KeyObject
  /** Accounts and pods that tokens may be for: `namespace/name` → uid. */
  readonly bindings: { readonly accounts: Map<string, string>; readonly pods: Map<string, string> }
  readonly url: string
  /** A connection in HTTP/2; ended with the fixture. */
  session(credentials?: Credentials): ClientHttp2Session
  /** A bare TLS connection that has offered HTTP/1.1; ended with the fixture. */
  socket(options?: ConnectionOptions): Promise<TLSSocket>
  close(): Promise<void>
}

export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  readonly body: any
}

/** The API behind a real listener on a free port, with the control plane's own certificates and rules. */
export async function startTestFront(
  options: Partial<ApiServerOptions> & { readonly stalledMs?: number } = {},
): Promise<TestFront> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wherry-front-'))
  const pki = await ensurePki({
    dataDir,
    clusterName: 'test',
    apiAddresses: [],
    nodes: [{ name: 'node-1', address: '127.99.0.1' }],
    clock: systemClock,
  })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tokens = createServiceAccountTokens(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), systemClock)
  const bindings = { accounts: new Map<string, string>(), pods: new Map<string, string>() }
  const lookup: TokenBindings = {
    serviceAccountUid: (namespace, name) => bindings.accounts.get(`${namespace}/${name}`),
    podUid: (namespace, name) => bindings.pods.get(`${namespace}/${name}`),
  }
  const verify = (token: string, audiences?: readonly string[]): ReturnType<ServiceAccountTokens['verify']> =>
    tokens.verify(token, lookup, audiences)
  const api = await startTestServer({
    authorizer: createStaticAuthorizer({ podsOnNode: () => [] }),
    tokens,
    verifyToken: verify,
    ...options,
  })
  const front = await startHttpsFront({
    handler: api.server,
    tls: { ...pki.apiServer, ca: pki.caPem },
    host: '127.0.0.1',
    port: 0,
    authenticate: createAuthenticate(verify),
    logger: silentLogger,
    ...(options.stalledMs === undefined ? {} : { stalledMs: options.stalledMs }),
  })
  const url = `https://127.0.0.1:${front.port}`
  const open = new Set<{ destroy(): void }>()
  return {
    api,
    front,
    pki,
    tokens,
    publicKey,
    bindings,
    url,
    session(credentials = {}) {
      const session = connect(url, { ca: pki.caPem, ...credentials })
      session.on('error', () => {})
      open.add(session)
      return session
    },
    socket(more = {}) {
      return new Promise((resolve, reject) => {
        const socket = tlsConnect({
          host: '127.0.0.1',
          port: front.port,
          ca: pki.caPem,
          ALPNProtocols: ['http/1.1'],
          ...more,
        })
        open.add(socket)
        socket.once('error', reject)
        socket.once('secureConnect', () => {
          socket.off('error', reject)
          socket.on('error', () => {})
          resolve(socket)
        })
      })
    },
    async close() {
      for (const one of open) one.destroy()
      await front.close(50)
      await api.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** One request on a session; rejects when the stream is reset before its answer is complete. */
export function ask(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body?: string | Uint8Array,
): Promise<Http2Answer> {
  return answerOf(session.request({ ':path': '/', ...headers }, { endStream: body === undefined }), body)
}

export function answerOf(stream: ClientHttp2Stream, body?: string | Uint8Array): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    let headers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    stream.on('response', (given) => {
      headers = given
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const isJson = headers['content-type']?.startsWith('application/json') === true && text !== ''
      resolve({ status: Number(headers[':status']), headers, text, body: isJson ? JSON.parse(text) : text })
    })
    stream.on('close', () => reject(new Error('the stream closed without an answer')))
    if (body !== undefined) stream.end(body)
  })
}

/** Everything that a connection sends until it ends, or until `until` is in it. */
export function readUntil(socket: TLSSocket, until?: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const done = (): void => resolve(text)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (until !== undefined && text.includes(until)) done()
    })
    socket.on('close', done)
    socket.on('end', done)
  })
}
