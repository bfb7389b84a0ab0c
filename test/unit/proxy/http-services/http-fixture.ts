import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  request,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { HttpPortOptions } from '../../../../src/proxy/http-services/http-port-options.ts'
import type { Endpoint, Listener } from '../../../../src/proxy/table/routing-table.ts'
import { IP, listenerOf, POD } from '../proxy-fixture.ts'

/** As a Service without annotations has them, but in turn: a test can count on it. */
export const OPTIONS: HttpPortOptions = {
  protocol: 'http1',
  algorithm: 'round-robin',
  key: { from: 'address' },
  sticky: undefined,
  secret: 'uid-cart',
  requestMs: Number.POSITIVE_INFINITY,
  perTryMs: undefined,
  retriesMax: 2,
  retryStatuses: [],
  ejectsOutliers: true,
  slowStartMs: 0,
  connectionsMax: undefined,
  requestsMax: undefined,
}

export function httpListener(port: number, endpoints: readonly Endpoint[], more: Partial<Listener> = {}): Listener {
  return listenerOf(port, endpoints, { http: OPTIONS, ...more })
}

/** A server that a test plays a pod with. */
export interface HttpPod {
  readonly endpoint: Endpoint
  readonly name: string
  /** Connections that it has accepted. */
  readonly sockets: readonly Socket[]
  requests: number
  close(): void
}

/** Answers with its name, or as `onRequest` does. */
export async function startPod(
  t: TestContext,
  name: string,
  address: string = POD(1),
  onRequest?: RequestListener,
): Promise<HttpPod> {
  const sockets: Socket[] = []
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    pod.requests += 1
    if (onRequest === undefined) outgoing.end(name)
    else onRequest(incoming, outgoing)
  })
  server.on('connection', (socket) => sockets.push(socket))
  server.listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const pod: HttpPod = {
    endpoint: { address, port, nodeName: undefined, pod: name },
    name,
    sockets,
    requests: 0,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  t.after(() => pod.close())
  return pod
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
  readonly headers: IncomingHttpHeaders
}

export interface HttpClientOptions {
  readonly port: number
  readonly host?: string
  readonly localAddress?: string
}

/** Sends requests one after another on one kept connection. */
export interface HttpClient {
  ask(
    path?: string,
    more?: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string },
  ): Promise<HttpAnswer>
  /** Connections that it has needed so far. */
  readonly connections: number
}

export function startClient(t: TestContext, { port, host = IP, localAddress }: HttpClientOptions): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...(localAddress === undefined ? {} : { localAddress }) })
  t.after(() => agent.destroy())
  const sockets = new Set<Socket>()
  return {
    get connections() {
      return sockets.size
    },
    async ask(path = '/', { method = 'GET', headers = {}, body } = {}) {
      const sent = request({ host, port, path, method, headers, agent, timeout: 10_000 })
      sent.once('timeout', () => sent.destroy(new Error('no answer within 10 s')))
      sent.once('socket', (socket) => sockets.add(socket))
      sent.end(body)
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      let text = ''
      for await (const chunk of response) text += String(chunk)
      return { status: response.statusCode ?? 0, body: text, headers: response.headers }
    },
  }
}

/** How often each answer came of so many requests. */
export async function askMany(client: HttpClient, count: number): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const { body } = await client.ask()
    found[body] = (found[body] ?? 0) + 1
  }
  return found
}
