import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '../../base/logger.ts'
import type { DelegatedAccess } from '../../client/delegated-access.ts'

interface Whole {
  readonly text: string
}

/** Made as fast as they are read. */
interface InPieces {
  readonly pieces: AsyncIterable<string | Buffer>
}

export interface AdminServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly logger: Logger
  /** HTTPS, and who asks for anything but health must show who they are and be allowed to. Without it: HTTP, and anybody may. */
  readonly secure?: {
    /** PEM: the cluster's CA, by which clients are known, and the certificate to serve with. */
    readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
    readonly access: DelegatedAccess
  }
  metrics(): Promise<{ readonly contentType: string } & (Whole | InPieces)>
  /** What `/status` answers, as JSON. */
  status(): unknown
  /** Hands JSON lines of requests to `write` until what it returns is called: `/tap`. Without it there is none. */
  tap?(write: (lines: string) => void): () => void
  /** What `/mesh` answers: one JSON text (`MeshSummary`) in pieces, made as fast as they are read. Without it there is none. */
  mesh?(): AsyncIterable<string>
}

export interface AdminServer {
  readonly port: number
  close(): Promise<void>
}

/** Who does not read a live stream as fast as it comes misses lines beyond this. */
const TAP_WAITING_BYTES_MAX = 1024 * 1024

/** Who says nothing gives the connection back soon, for there are only so many. */
const TIMEOUTS = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_500 } as const
const HANDSHAKE_MS = 5_000
/** Longer than the time between two scrapes, so that each does not begin with a handshake. */
const KEPT_MS = 70_000
const CONNECTIONS_MAX = 256

/**
 * `/metrics`, `/status`, `/proxyMode`, `/healthz`, `/livez` and, where there are any, `/tap` and `/mesh`. Numbers and
 * names of Services only. Resolves once it listens.
 */
export function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { secure, logger } = options
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?')[0] ?? '/'
    if (request.method !== 'GET') return send(response, 405, 'text/plain', 'method not allowed')
    if (path === '/healthz' || path === '/livez') return send(response, 200, 'text/plain', 'ok')
    if (secure !== undefined) {
      const caller = { socket: request.socket as TLSSocket, authorization: request.headers.authorization }
      const refusal = await secure.access.check(caller, { nonResourceAttributes: { path, verb: 'get' } })
      if (refusal !== undefined) {
        // Only who may read anything keeps a connection.
        response.setHeader('connection', 'close')
        return send(response, refusal, 'text/plain', STATUS_CODES[refusal]!)
      }
    }
    await answer(options, path, response)
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => void serve(request, response)
  const server: Server =
    secure === undefined
      ? createServer(TIMEOUTS, onRequest)
      : createSecureServer(
          {
            ...TIMEOUTS,
            ...secure.tls,
            requestCert: true,
            rejectUnauthorized: false,
            minVersion: 'TLSv1.2',
            handshakeTimeout: HANDSHAKE_MS,
          },
          onRequest,
        )
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'a TLS client of the admin server failed'))
  server.keepAliveTimeout = KEPT_MS
  server.maxConnections = CONNECTIONS_MAX
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: options.port, exclusive: true }, () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            server.closeAllConnections()
          }),
      }),
    )
  })
}

function send(response: ServerResponse, code: number, type: string, text: string): void {
  response.writeHead(code, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(text)
}

async function answer(options: AdminServerOptions, path: string, response: ServerResponse): Promise<void> {
  const { tap, mesh, metrics, status, logger } = options
  try {
    if (tap !== undefined && path === '/tap') return streamTap(tap, response)
    if (mesh !== undefined && path === '/mesh') return streamPieces(mesh(), 'application/json', response, logger)
    // As kube-proxy names it.
    if (path === '/proxyMode') return send(response, 200, 'text/plain', 'userspace')
    if (path === '/status') return send(response, 200, 'application/json', JSON.stringify(await status()))
    if (path !== '/metrics') return send(response, 404, 'text/plain', 'not found')
    const answered = await metrics()
    if ('text' in answered) send(response, 200, answered.contentType, answered.text)
    else streamPieces(answered.pieces, answered.contentType, response, logger)
  } catch (error) {
    logger.error({ err: error }, 'a scrape failed')
    send(response, 500, 'text/plain', 'internal error')
  }
}

/** Goes on until the reader goes. */
function streamTap(tap: NonNullable<AdminServerOptions['tap']>, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-content-type-options': 'nosniff' })
  response.flushHeaders()
  let missed = 0
  const end = tap((lines) => {
    if (response.writableLength > TAP_WAITING_BYTES_MAX) {
      missed += lines.split('\n').length - 1
      return
    }
    if (missed > 0) response.write(`${JSON.stringify({ time: new Date().toISOString(), lost: missed })}\n`)
    missed = 0
    response.write(lines)
  })
  response.once('close', end)
}

/** Takes a piece when the one before has gone, so that a slow reader costs no memory. */
function streamPieces(
  pieces: AsyncIterable<string | Buffer>,
  type: string,
  response: ServerResponse,
  logger: Logger,
): void {
  response.writeHead(200, { 'content-type': type, 'x-content-type-options': 'nosniff' })
  const body = Readable.from(pieces)
  body.once('error', (error) => {
    logger.error({ err: error }, 'what was asked of the proxy could not be told to its end')
    response.destroy()
  })
  response.once('close', () => body.destroy())
  body.pipe(response)
}
