import type { ServerResponse as ServerHttp1Response } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { StatusError } from '../../../api/status-error.ts'
import type { Logger } from '../../../base/logger.ts'
import type { RequestHandler, ServerResponse } from '../server-request.ts'
import type { Authenticate } from './authenticate.ts'

export interface HttpsFrontOptions {
  readonly handler: RequestHandler
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string }
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly authenticate: Authenticate
  readonly logger: Logger
}

export interface HttpsFront {
  readonly port: number
  /** Stops accepting, tells clients to go, waits at most `graceMs` for requests in flight. */
  close(graceMs?: number): Promise<void>
}

/** As kube-apiserver's limit on what it reads of a request. */
const BODY_BYTES_MAX = 3 * 1024 * 1024
const HEADER_BYTES_MAX = 64 * 1024
const EMPTY = new Uint8Array(0)

/** Reads a body up to the limit; undefined when it is larger. */
async function readBody(request: Http2ServerRequest): Promise<Uint8Array | undefined> {
  if (request.method === 'GET' || request.method === 'HEAD') {
    request.resume()
    return EMPTY
  }
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > BODY_BYTES_MAX) return undefined
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length)
}

function headersOf(request: Http2ServerRequest): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = { __proto__: null } as never
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  return headers
}

function statusResponse(error: StatusError): ServerResponse {
  return {
    status: error.code,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(error.toStatus())),
  }
}

async function drained(response: Http2ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.once('drain', done)
    response.once('close', done)
  })
}

async function send(response: Http2ServerResponse, answer: ServerResponse, signal: AbortSignal): Promise<void> {
  const { body } = answer
  if (body === undefined || body instanceof Uint8Array) {
    response.writeHead(answer.status, { ...answer.headers, 'content-length': String(body?.length ?? 0) })
    response.end(body ?? '')
    return
  }
  response.writeHead(answer.status, answer.headers)
  // HTTP/2 sends the head at once; HTTP/1.1 waits for the first byte, and a watch may have none for long.
  if ('flushHeaders' in response) (response as unknown as ServerHttp1Response).flushHeaders()
  for await (const chunk of body) {
    if (signal.aborted) break
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

/**
 * The API's TLS listener: HTTP/2 and HTTP/1.1 on one port, client certificates asked for and checked by `authenticate`.
 * A client that goes away aborts its request's signal. Limits: header and body size, streams per connection, time to
 * send a request's head; node:http2 itself counts resets, pings and settings.
 */
export async function startHttpsFront(options: HttpsFrontOptions): Promise<HttpsFront> {
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  const inFlight = new Set<AbortController>()
  const server: Http2SecureServer = createSecureServer({
    cert: options.tls.cert,
    key: options.tls.key,
    ca: options.tls.ca,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
    minVersion: 'TLSv1.2',
    maxSettings: 32,
    maxSessionInvalidFrames: 100,
    maxOutstandingPings: 10,
    unknownProtocolTimeout: 10_000,
    handshakeTimeout: 10_000,
    settings: { maxConcurrentStreams: 1_000, maxHeaderListSize: HEADER_BYTES_MAX, initialWindowSize: 1024 * 1024 },
  })

  const serve = async (request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> => {
    const abort = new AbortController()
    inFlight.add(abort)
    response.once('close', () => {
      inFlight.delete(abort)
      abort.abort()
    })
    try {
      const headers = headersOf(request)
      const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket
      const user = await options.authenticate(socket, headers)
      const body = await readBody(request)
      if (body === undefined) {
        await send(
          response,
          statusResponse(
            new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${BODY_BYTES_MAX}`),
          ),
          abort.signal,
        )
        request.destroy()
        return
      }
      const mark = request.url.indexOf('?')
      const answer = await options.handler.handle({
        method: request.method,
        path: mark < 0 ? request.url : request.url.slice(0, mark),
        query: new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1)),
        headers,
        body,
        user,
        signal: abort.signal,
      })
      await send(response, answer, abort.signal)
    } catch (error) {
      if (abort.signal.aborted || response.headersSent) return void response.destroy()
      if (!(error instanceof StatusError)) options.logger.error({ err: error, path: request.url }, 'a request failed')
      await send(
        response,
        statusResponse(
          error instanceof StatusError ? error : new StatusError('InternalError', 'Internal error occurred'),
        ),
        abort.signal,
      )
    }
  }
  server.on(
    'request',
    (request: Http2ServerRequest, response: Http2ServerResponse) =>
      void serve(request, response).catch(() => response.destroy()),
  )
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', (error) => options.logger.debug({ err: error }, 'an HTTP/2 session failed'))
  })
  server.on('sessionError', (error) => options.logger.debug({ err: error }, 'an HTTP/2 session failed'))
  server.on('tlsClientError', (error) => options.logger.debug({ err: error }, 'a TLS handshake failed'))
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
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
  server.on('error', (error) => options.logger.error({ err: error }, 'the API listener failed'))

  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs = 1_000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const session of sessions) session.close()
      // Watches and followed logs end only when told to.
      const timer = setTimeout(() => {
        for (const abort of inFlight) abort.abort()
        for (const session of sessions) session.destroy()
        for (const socket of sockets) socket.destroy()
      }, graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}
