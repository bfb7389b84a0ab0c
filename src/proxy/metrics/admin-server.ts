import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../../base/logger.ts'

export interface AdminServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly logger: Logger
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>
  /** What `/status` answers, as JSON. */
  status(): unknown
}

export interface AdminServer {
  readonly port: number
  close(): Promise<void>
}

/** `/metrics`, `/status`, `/proxyMode`, `/healthz` and `/livez` over plain HTTP. Numbers and names of Services only. Resolves once it listens. */
export function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const answer = async (path: string): Promise<{ code: number; type: string; text: string }> => {
    if (path === '/healthz' || path === '/livez') return { code: 200, type: 'text/plain', text: 'ok' }
    // As kube-proxy names it.
    if (path === '/proxyMode') return { code: 200, type: 'text/plain', text: 'userspace' }
    if (path === '/status') return { code: 200, type: 'application/json', text: JSON.stringify(options.status()) }
    if (path !== '/metrics') return { code: 404, type: 'text/plain', text: 'not found' }
    const { text, contentType } = await options.metrics()
    return { code: 200, type: contentType, text }
  }
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
    const send = (code: number, type: string, text: string): void => {
      response.writeHead(code, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(text)
    }
    if (request.method !== 'GET') return send(405, 'text/plain', 'method not allowed')
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
