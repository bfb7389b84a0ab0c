/** The parts of the L7 benchmarks that run as processes of their own, so that their CPU time can be told apart. */
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { PipeliningSettings } from '../src/proxy/l7/engine/engine-settings.ts'
import { openLoop } from './open-loop.ts'

const HOST = '127.0.0.1'

export interface ProxyRole {
  readonly port: number
  readonly backend: number
  /** More endpoints than `backend`. */
  readonly otherBackends?: readonly number[]
  /** What is spoken to the backends. Default: HTTP/1.1. */
  readonly protocol?: 'h2c'
  readonly pipelining?: Partial<PipeliningSettings>
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string }
}

export async function runWherry({
  port,
  backend,
  otherBackends = [],
  protocol,
  pipelining,
  tls,
}: ProxyRole): Promise<void> {
  const { startHttpProxy } = await import('../src/proxy/l7/standalone.ts')
  const { DEFAULT_ENGINE_SETTINGS } = await import('../src/proxy/l7/engine/engine-settings.ts')
  const { forward } = DEFAULT_ENGINE_SETTINGS
  await startHttpProxy({
    listen: { host: HOST, port, ...(tls === undefined ? {} : { tls: { certificates: [tls] } }) },
    endpoints: [backend, ...otherBackends].map((endpoint) => ({ address: HOST, port: endpoint })),
    upstream: { protocol },
    settings: {
      forward: { ...forward, createsTraceparent: true },
      pipelining: { ...DEFAULT_ENGINE_SETTINGS.pipelining, ...pipelining },
    },
  })
}

export async function runUndici({ port, backend }: ProxyRole): Promise<void> {
  const { Pool } = await import('undici')
  const pool = new Pool(`http://${HOST}:${backend}`, { connections: 128 })
  createHttpServer((request, response) => {
    pool
      .request({
        path: request.url!,
        method: request.method as 'GET',
        headers: request.headers as Record<string, string>,
      })
      .then(({ statusCode, headers, body }) => {
        response.writeHead(statusCode, headers as Record<string, string>)
        body.pipe(response)
      })
      .catch(() => response.destroy())
  }).listen(port, HOST)
}

export async function runHttpProxy({ port, backend }: ProxyRole): Promise<void> {
  const { default: httpProxy } = await import('http-proxy')
  const { Agent } = await import('node:http')
  const agent = new Agent({ keepAlive: true, maxSockets: 128 })
  httpProxy.createProxyServer({ target: `http://${HOST}:${backend}`, agent }).listen(port, HOST)
}

/** What http-proxy became in other hands. */
export async function runHttpProxy3({ port, backend }: ProxyRole): Promise<void> {
  const { createProxyServer } = await import('http-proxy-3')
  const { Agent } = await import('node:http')
  const agent = new Agent({ keepAlive: true, maxSockets: 128 })
  createProxyServer({ target: `http://${HOST}:${backend}`, agent }).listen(port, HOST)
}

export async function runFastify({ port, backend }: ProxyRole): Promise<void> {
  const { fastify } = await import('fastify')
  const { fastifyHttpProxy } = await import('@fastify/http-proxy')
  const server = fastify({ keepAliveTimeout: 3_600_000, bodyLimit: 2 ** 30 })
  await server.register(fastifyHttpProxy, { upstream: `http://${HOST}:${backend}`, undici: { connections: 128 } })
  await server.listen({ port, host: HOST, backlog: 4_096 })
}

export interface LoadRole {
  readonly port: number
  readonly c: number
  readonly rate: number
  readonly seconds: number
  readonly answerBytes: number
}

/** Writes its result to standard output. */
export async function runLoad({ port, c, rate, seconds, answerBytes }: LoadRole): Promise<void> {
  process.stdout.write(JSON.stringify(await openLoop(port, c, rate, seconds, answerBytes)))
}

export interface BackendRole {
  readonly port: number
  /** How long a request takes, each with its part of them. */
  readonly delays: readonly { readonly part: number; readonly fromMs: number; readonly toMs: number }[]
  /** A connection's next request is begun when the one before has been answered, as Go's server does. */
  readonly isSerial: boolean
}

const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n${'x'.repeat(1_024)}`,
)

/** Answers in the order of the requests, as HTTP/1.1 demands, after as long as each takes. */
export function runBackend({ port, delays, isSerial }: BackendRole): void {
  const delayMs = (): number => {
    let draw = Math.random()
    for (const { part, fromMs, toMs } of delays) {
      if (draw < part) return fromMs + Math.random() * (toMs - fromMs)
      draw -= part
    }
    return 0
  }
  const server = createServer({ noDelay: true }, (socket) => {
    const waiting: { isDone: boolean }[] = []
    let tail = ''
    socket.on('error', () => {})
    const begin = (request: { isDone: boolean }): void => {
      const ms = delayMs()
      if (ms === 0) request.isDone = true
      else setTimeout(() => finish(request), ms)
    }
    const finish = (request: { isDone: boolean }): void => {
      request.isDone = true
      answer()
    }
    const answer = (): void => {
      let count = 0
      while (waiting[0]?.isDone === true) {
        waiting.shift()
        count++
        if (isSerial && waiting[0] !== undefined) begin(waiting[0])
      }
      if (count === 1) socket.write(ANSWER)
      else if (count > 1) socket.write(Buffer.concat(Array.from({ length: count }, () => ANSWER)))
    }
    socket.on('data', (data) => {
      const text = tail + data.toString('latin1')
      let from = 0
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n', from)) {
        from = end + 4
        const request = { isDone: false }
        waiting.push(request)
        if (!isSerial || waiting.length === 1) begin(request)
      }
      tail = text.slice(from)
      answer()
    })
  })
  server.listen({ host: HOST, port, backlog: 4_096 })
}
