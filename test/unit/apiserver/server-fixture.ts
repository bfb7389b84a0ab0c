import { DEFINITIONS } from '../../../src/api/definitions/all.ts'
import type { KubeObject } from '../../../src/api/object.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createClient } from '../../../src/client/create-client.ts'
import type { ApiRequest, Transport, WatchEvent } from '../../../src/client/transport.ts'
import {
  type ApiServer,
  type ApiServerOptions,
  createApiServer,
} from '../../../src/controlplane/apiserver/api-server.ts'
import type { User } from '../../../src/controlplane/apiserver/user.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'

export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  // Tests reach into answers of every shape.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any
  readonly text: string
}

export interface WireRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly user?: User
  /** The client goes away after this long: for answers that do not end by themselves. */
  readonly readMs?: number
}

export interface TestServer {
  readonly server: ApiServer
  readonly store: Store
  readonly transport: Transport
  readonly client: ReturnType<typeof createClient>
  /** A request as the listener would hand it over; `body` is sent as it is when it is bytes or a string. */
  wire(request: WireRequest): Promise<WireAnswer>
  /** What was logged as an error: a test that expects none can say so. */
  readonly errors: readonly string[]
  close(): Promise<void>
}

const NEVER = new AbortController().signal

/** An API server over an empty store, with the namespace `default`, where everybody may do everything. */
export async function startTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const store = options.store ?? createMemoryStore()
  const errors: string[] = []
  const logger = {
    ...silentLogger,
    error: (fields: object, message: string) =>
      void errors.push(`${message}: ${String((fields as { err?: Error }).err?.stack)}`),
    child: () => logger,
  }
  const server = await createApiServer({
    definitions: DEFINITIONS,
    admission: [],
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    clock: systemClock,
    logger,
    random: () => 0.5,
    version: 'v1.36.0+wherry',
    ...options,
    store,
  })
  const transport = server.transport(CONTROL_PLANE_USER)
  const client = createClient(transport)
  await transport.request({ method: 'POST', path: '/api/v1/namespaces', body: namespace('default') })
  return {
    server,
    store,
    transport,
    client,
    errors,
    wire: (request) => wire(server, request),
    async close() {
      await server.close()
      await store.close()
    },
  }
}

async function wire(server: ApiServer, request: WireRequest): Promise<WireAnswer> {
  const mark = request.path.indexOf('?')
  const { body } = request
  const bytes =
    body === undefined
      ? new Uint8Array(0)
      : body instanceof Uint8Array
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const signal = request.readMs === undefined ? NEVER : AbortSignal.timeout(request.readMs)
  const answer = await server.handle({
    method: request.method ?? 'GET',
    path: mark < 0 ? request.path : request.path.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : request.path.slice(mark + 1)),
    headers: request.headers ?? {},
    user: request.user ?? CONTROL_PLANE_USER,
    readBody: async () => bytes,
    gone: () => signal,
  })
  const chunks: Uint8Array[] = []
  if (answer.body instanceof Uint8Array) chunks.push(answer.body)
  else if (answer.body !== undefined) for await (const chunk of answer.body) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  const isJson = answer.headers['content-type']?.startsWith('application/json') === true
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    body: isJson && text !== '' && !text.trimEnd().includes('\n') ? JSON.parse(text) : text,
  }
}

export function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

export function configMap(
  name: string,
  data: Readonly<Record<string, string>> = {},
  metadata: object = {},
): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data } as KubeObject
}

export const CONFIG_MAPS_PATH = '/api/v1/namespaces/default/configmaps'

/** The next `count` events of a watch, then it is ended. */
export async function take(
  transport: Transport,
  request: Omit<ApiRequest, 'method'>,
  count: number,
): Promise<readonly WatchEvent[]> {
  const abort = new AbortController()
  const events: WatchEvent[] = []
  const stream = await transport.watch({
    ...request,
    method: 'GET',
    query: { ...request.query, watch: 'true' },
    signal: abort.signal,
  })
  for await (const event of stream) {
    events.push(event)
    if (events.length >= count) break
  }
  abort.abort()
  return events
}

/** `ADDED a` for each event: type and name, or what a bookmark or an error says. */
export function summary(events: readonly WatchEvent[]): readonly string[] {
  return events.map(({ type, object }) => {
    if (type === 'ERROR') return `ERROR ${(object as { readonly code?: number }).code}`
    if (type === 'BOOKMARK')
      return `BOOKMARK${object.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true' ? ' initial-events-end' : ''}`
    return `${type} ${object.metadata?.name}`
  })
}
