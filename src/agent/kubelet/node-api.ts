import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { TLSSocket } from 'node:tls'
import { API_SERVER_CLIENT } from '../../api/component-users.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { DelegatedAccess, Refusal } from '../../client/delegated-access.ts'
import type { NodeDocuments } from '../usage/node-documents.ts'
import { parseLogRequest } from './log-request.ts'
import { NodeRequestError } from './node-request-error.ts'
import { type PodLogs, PodLogsError } from './pod-logs.ts'
import type { PodStreams } from './pod-streams.ts'
import { createUpgrades } from './streaming/create-upgrades.ts'
import { refuseUpgrade } from './streaming/refuse-upgrade.ts'

export interface NodeApiOptions {
  readonly address: string
  /** PEM: the cluster's CA, by which clients are known, and the node's own certificate. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** `/stats/summary`, `/metrics` and what lies below it. */
  readonly documents?: NodeDocuments
  /** Who beside the API server may read the documents; left out: nobody. */
  readonly access?: { readonly nodeName: string; readonly delegated: DelegatedAccess }
  readonly clock: Clock
  readonly logger: Logger
}

/** The kubelet's own port; another one when it is taken. */
const PORT = 10_250
const HEAD_MS = 10_000
/** Longer than the time between two scrapes, so that each does not begin with a handshake. */
const KEPT_MS = 70_000

/**
 * Serves what the API server asks of a node: `/containerLogs/…`, `/stats/summary`, `/metrics…`, `/healthz` and, on upgraded
 * connections, `/exec/…`, `/attach/…` and `/portForward/…`. Resolves once it listens.
 */
export async function serveNodeApi(
  logs: PodLogs,
  streams: PodStreams,
  options: NodeApiOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer(
    {
      ...options.tls,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HEAD_MS,
      headersTimeout: HEAD_MS,
      requestTimeout: HEAD_MS,
    },
    (request, response) => void answer(logs, options, request, response),
  )
  server.keepAliveTimeout = KEPT_MS
  server.on('tlsClientError', (error) => options.logger.debug({ err: error }, 'a TLS client of the node API failed'))
  const upgrades = createUpgrades(streams, options)
  server.on('upgrade', (request, socket, head) => {
    const refused = refusal(socket as TLSSocket)
    if (refused === undefined) return upgrades.take(request, socket, head)
    socket.on('error', () => {})
    refuseUpgrade(socket, refused, refused === 401 ? 'Unauthorized' : 'Forbidden')
  })
  await listen(server, options.address, PORT).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error
    return listen(server, options.address, 0)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        upgrades.close()
      }),
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
  response.end(`${text}\n`)
}

/**
 * 401 without a certificate of this cluster, 403 with somebody else's; undefined: the API server, the only one who gets
 * at logs and into containers. Everybody else asks it, and it asks who they are and what they may.
 */
function refusal(socket: TLSSocket): 401 | 403 | undefined {
  if (!socket.authorized) return 401
  return socket.getPeerCertificate().subject?.CN === API_SERVER_CLIENT ? undefined : 403
}

/** Usage and series are read by whoever may `get` `nodes/stats` or `nodes/metrics` of this node, as in Kubernetes. */
async function documentRefusal(
  { access, documents }: NodeApiOptions,
  path: string,
  { socket, headers, method }: IncomingMessage,
): Promise<Refusal | undefined> {
  const refused = refusal(socket as TLSSocket)
  if (refused === undefined || access === undefined || method !== 'GET' || documents?.has(path) !== true) return refused
  const subresource = path.startsWith('/stats/') ? 'stats' : 'metrics'
  const resourceAttributes = { version: 'v1', resource: 'nodes', subresource, name: access.nodeName, verb: 'get' }
  const caller = { socket: socket as TLSSocket, authorization: headers.authorization }
  return access.delegated.check(caller, { resourceAttributes })
}

async function answer(
  logs: PodLogs,
  options: NodeApiOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { clock, logger, documents } = options
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  try {
    const [path = '/', query = ''] = request.url?.split('?') ?? []
    const refused = await documentRefusal(options, path, request)
    if (refused !== undefined) return say(response, refused, STATUS_CODES[refused]!)
    if (request.method !== 'GET') return say(response, 405, 'method not allowed')
    if (request.url === '/healthz') return say(response, 200, 'ok')
    const document = await documents?.read(path, new URLSearchParams(query))
    if (document !== undefined) {
      const headers = { 'content-type': document.contentType, 'x-content-type-options': 'nosniff' }
      return void response.writeHead(200, headers).end(document.text)
    }
    const { namespace, pod, container, options: which } = parseLogRequest(request.url ?? '/', clock.now())
    const stream = await logs.open(namespace, pod, container, which, gone.signal)
    response.writeHead(200, { 'content-type': 'text/plain' })
    // A reader who follows is told that it may, long before the first line comes.
    response.flushHeaders()
    await pipeline(stream, response)
  } catch (error) {
    if (gone.signal.aborted) return
    if (error instanceof NodeRequestError) return say(response, error.status, error.message)
    if (error instanceof PodLogsError) return say(response, error.kind === 'notFound' ? 404 : 400, error.message)
    logger.warn({ err: error, path: request.url?.split('?')[0] }, 'a request to the node API failed')
    if (response.headersSent) response.destroy()
    else say(response, 500, 'the node could not answer; see the log of the agent')
  }
}
