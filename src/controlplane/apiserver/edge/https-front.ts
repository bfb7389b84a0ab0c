import type { ServerResponse as Http1Response, IncomingMessage } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '../../../base/logger.ts'
import type { RequestHandler } from '../server-request.ts'
import type { Authenticate } from './authenticate.ts'
import { BODY_MS, type Exchange } from './exchange.ts'
import { Http1Exchange } from './http1-exchange.ts'
import { Http2Exchange } from './http2-exchange.ts'
import { createServeExchange } from './serve-exchange.ts'
import { hasBody, UpgradeExchange } from './upgrade-exchange.ts'

export interface HttpsFrontOptions {
  readonly handler: RequestHandler
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string }
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly authenticate: Authenticate
  readonly logger: Logger
  /** A client that takes nothing of an answer for this long is cut off; a minute when left out. */
  readonly stalledMs?: number
}

export interface HttpsFront {
  readonly port: number
  /** Stops accepting, tells clients to go, waits at most `graceMs` for requests in flight. */
  close(graceMs?: number): Promise<void>
}

const HEADER_BYTES_MAX = 64 * 1024
const STREAMS_MAX = 1_000
/** What one connection may make node:http2 hold, in MB; all streams' unsent answers count. */
const SESSION_MEMORY_MB = 64
const CONNECTIONS_MAX = 10_000
const HANDSHAKE_MS = 10_000
/** A connection without a request is closed after this. */
const IDLE_MS = 120_000
const STALLED_MS = 60_000
/** A peer that is gone without a word is found by this. */
const KEEP_ALIVE_MS = 30_000

/**
 * The API's TLS listener: HTTP/2 and HTTP/1.1 on one port, client certificates asked for and checked by `authenticate`.
 * Bounds: size of heads and bodies, streams and memory of a connection, time for a handshake, a head, a body, an answer
 * that is not taken; node:http2 itself counts resets, pings and settings.
 */
export async function startHttpsFront(options: HttpsFrontOptions): Promise<HttpsFront> {
  const { handler, authenticate, logger, tls } = options
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  const server: Http2SecureServer = createSecureServer({
    ...tls,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
    minVersion: 'TLSv1.2',
    maxSettings: 32,
    maxSessionInvalidFrames: 100,
    maxSessionMemory: SESSION_MEMORY_MB,
    maxOutstandingPings: 10,
    unknownProtocolTimeout: HANDSHAKE_MS,
    handshakeTimeout: HANDSHAKE_MS,
    // Of the HTTP/1.1 side: a client that keeps its connection does not lose a request to its end.
    keepAliveTimeout: IDLE_MS,
    headersTimeout: HANDSHAKE_MS,
    requestTimeout: BODY_MS,
    connectionsCheckingInterval: HANDSHAKE_MS / 2,
    maxHeaderSize: HEADER_BYTES_MAX,
    settings: {
      maxConcurrentStreams: STREAMS_MAX,
      maxHeaderListSize: HEADER_BYTES_MAX,
      initialWindowSize: 1024 * 1024,
    },
  } as Parameters<typeof createSecureServer>[0])
  server.maxConnections = CONNECTIONS_MAX
  const { serve, abortAll } = createServeExchange({
    handler,
    authenticate,
    logger,
    stalledMs: options.stalledMs ?? STALLED_MS,
  })
  const take = (exchange: Exchange): void => {
    serve(exchange).catch((error) => {
      logger.error({ err: error, path: exchange.url.split('?')[0] }, 'an answer could not be sent')
      exchange.destroy()
    })
  }

  server.on('request', (request, response) =>
    take(new Http1Exchange(request as unknown as IncomingMessage, response as unknown as Http1Response)),
  )
  server.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    const exchange = new UpgradeExchange(request, socket, head)
    if (hasBody(request)) exchange.answer(400, {}, undefined)
    else take(exchange)
  })
  // A listener for requests makes node wrap streams for it, too: ours is to be the only one that gets them.
  server.removeAllListeners('stream')
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number) => {
    const { session } = stream
    if (session !== undefined) take(new Http2Exchange(stream, headers, flags, session.socket as TLSSocket))
  })
  server.on('session', (session) => {
    sessions.add(session)
    let streams = 0
    session.on('stream', (stream) => {
      streams += 1
      stream.on('close', () => {
        streams -= 1
      })
    })
    session.setTimeout(IDLE_MS, () => {
      if (streams === 0) session.close()
    })
    session.on('close', () => sessions.delete(session))
    session.on('error', (error) => logger.debug({ err: error }, 'an HTTP/2 session failed'))
  })
  server.on('sessionError', (error) => logger.debug({ err: error }, 'an HTTP/2 session failed'))
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'a TLS handshake failed'))
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: options.port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => logger.error({ err: error }, 'the API listener failed'))

  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs = 1_000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const session of sessions) session.close()
      // Watches and followed logs end only when told to.
      const timer = setTimeout(() => {
        abortAll()
        for (const session of sessions) session.destroy()
        for (const socket of sockets) socket.destroy()
      }, graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}
