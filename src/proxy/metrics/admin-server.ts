import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { Logger } from '../../base/logger.ts'

export interface AdminServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly logger: Logger
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>
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

/** `/metrics`, `/status`, `/proxyMode`, `/healthz`, `/livez` and, where there are any, `/tap` and `/mesh` over plain HTTP. Numbers and names of Services only. Resolves once it listens. */
export function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const answer = async (path: string): Promise<{ code: number; type: string; text: string }> => {
    if (path === '/healthz' || path === '/livez') return { code: 200, type: 'text/plain', text: 'ok' }
    // As kube-proxy names it.
    if (path === '/proxyMode') return { code: 200, type: 'text/plain', text: 'userspace' }
    if (path === '/status') return { code: 200, type: 'application/json', text: JSON.stringify(await options.status()) }
    if (path !== '/metrics') return { code: 404, type: 'text/plain', text: 'not found' }
    const { text, contentType } = await options.metrics()
    return { code: 200, type: contentType, text }
  }
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
    const send = (code: number, type: string, text: string): void => {
      response.writeHead(code, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(text)
    }
    if (request.method !== 'GET') return send(405, 'text/plain', 'method not allowed')
    if (options.tap !== undefined && request.url?.split('?')[0] === '/tap') return streamTap(options.tap, response)
    if (options.mesh !== undefined && request.url?.split('?')[0] === '/mesh')
      return streamMesh(options.mesh(), response, options.logger)
    answer(request.url?.split('?')[0] ?? '/').then(
      ({ code, type, text }) => send(code, type, text),
      (error: unknown) => {
        options.logger.error({ err: error }, 'a scrape failed')
        send(500, 'text/plain', 'internal error')
      },
    )
  })
  server.maxConnections = 64
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
function streamMesh(pieces: AsyncIterable<string>, response: ServerResponse, logger: Logger): void {
  response.writeHead(200, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
  const body = Readable.from(pieces)
  body.once('error', (error) => {
    logger.error({ err: error }, 'the summary of traffic failed')
    response.destroy()
  })
  response.once('close', () => body.destroy())
  body.pipe(response)
}
