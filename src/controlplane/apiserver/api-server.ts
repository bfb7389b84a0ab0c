import type { ResourceDefinition } from '../../api/definition.ts'
import { JsonError, parseJson } from '../../api/json.ts'
import { StatusError } from '../../api/status-error.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { ApiRequest, Transport, WatchEvent } from '../../client/transport.ts'
import type { Store } from '../store/store.ts'
import type { AdmissionPlugin } from './admission.ts'
import type { Attributes, Authorizer } from './authorizer.ts'
import { ClusterCache } from './cache/cluster-cache.ts'
import type { CoreRequest, CoreResponse } from './core-request.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import type { RequestRecord } from './edge/audit-log.ts'
import type { ValueTransformer } from './edge/encryption.ts'
import type { PodLogSource } from './edge/pod-log-source.ts'
import type { ServiceAccountTokens } from './edge/service-account-tokens.ts'
import { forbiddenError } from './forbidden.ts'
import { InFlight } from './in-flight.ts'
import { createPaths, type Paths } from './paths.ts'
import { Registry } from './registry.ts'
import { type RequestInfo, requestInfo } from './request-info.ts'
import { bookmarkObject, encodeResponse, jsonResponse } from './response/encode.ts'
import { responseForm } from './response/negotiate.ts'
import { REVIEW_KINDS, review } from './reviews.ts'
import type { RequestHandler, ServerRequest, ServerResponse } from './server-request.ts'
import type { User } from './user.ts'

export interface ApiServerOptions {
  readonly store: Store
  readonly definitions: readonly ResourceDefinition[]
  readonly admission: readonly AdmissionPlugin[]
  readonly authorizer: Authorizer
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  readonly version: string
  readonly transform?: ValueTransformer
  readonly logSource?: PodLogSource
  readonly tokens?: ServiceAccountTokens
  readonly verifyToken?: (token: string, audiences?: readonly string[]) => Promise<User | undefined>
  /** Called for each finished request of a caller over the wire. */
  readonly onRequest?: (record: RequestRecord) => void
  /** What `/readyz` waits for beside the server itself: name → is it ready. */
  readonly readiness?: Readonly<Record<string, () => boolean>>
}

export interface ApiServer extends RequestHandler {
  /** Calls in the same process: the same checks and the same order of things, but objects instead of bytes. */
  transport(user: User): Transport
  readonly registry: Registry
  /** Compares the watch cache with the store. */
  verifyCaches(): Promise<boolean>
  close(): Promise<void>
}

const TEXT: Readonly<Record<string, string>> = {
  'application/yaml': 'yaml',
  'text/yaml': 'yaml',
  'application/x-yaml': 'yaml',
}

async function parseBody(
  contentType: string,
  bytes: Uint8Array,
): Promise<{ readonly body: unknown; readonly duplicates: readonly string[] }> {
  if (bytes.length === 0) return { body: undefined, duplicates: [] }
  if (contentType.includes('protobuf') || contentType.includes('cbor')) {
    throw new StatusError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml`,
    )
  }
  try {
    if (TEXT[contentType] === 'yaml' || contentType === 'application/apply-patch+yaml') {
      const { parseYaml } = await import('./yaml-body.ts')
      return { body: parseYaml(bytes), duplicates: [] }
    }
    const { value, duplicates } = parseJson(bytes)
    return { body: value, duplicates }
  } catch (error) {
    if (error instanceof JsonError)
      throw new StatusError(
        'BadRequest',
        `the object provided is unrecognized: couldn't parse the body: ${error.message}`,
      )
    throw error
  }
}

/** The API server over a store: everything behind the listener. Resolves when its cache is loaded. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, definitions, clock, logger, authorizer } = options
  const prefixes = [...new Set(definitions.map(({ storagePrefix }) => storagePrefix))]
  const cache = new ClusterCache({ store, prefixes, transform: options.transform, clock, logger })
  await cache.start()
  const registry = new Registry({ store, cache, transform: options.transform, admission: options.admission, clock })
  const dispatch: Dispatch = createDispatch(registry, options)
  const paths: Paths = createPaths(definitions, options)
  const inFlight = new InFlight()
  const byPath = new Map(
    definitions.map((definition) => [`${definition.group}/${definition.version}/${definition.resource}`, definition]),
  )
  const reviews = new Map(REVIEW_KINDS.map((kind) => [`${kind.group}/${kind.version}/${kind.resource}`, kind]))
  const isNamespaced = (group: string, version: string, resource: string): boolean => {
    const key = `${group}/${version}/${resource}`
    return byPath.get(key)?.namespaced ?? reviews.get(key)?.namespaced ?? key === '/v1/bindings'
  }
  const infoOf = (method: string, path: string, query: URLSearchParams): RequestInfo =>
    requestInfo(method, path, ['true', '1'].includes(query.get('watch') ?? ''), isNamespaced)

  const authorize = (user: User, info: RequestInfo): void => {
    const attributes: Attributes =
      info.kind === 'path' ? { user, verb: info.verb, path: info.path } : { user, verb: info.verb, resource: info }
    const { allowed, reason } = authorizer.authorize(attributes)
    if (!allowed) throw forbiddenError(attributes, reason)
  }

  /** Any request on a resource, in the same way for both kinds of callers. */
  const execute = async (
    info: Extract<RequestInfo, { kind: 'resource' }>,
    request: Omit<CoreRequest, 'info' | 'definition'>,
  ): Promise<{ definition: ResourceDefinition; response: CoreResponse }> => {
    const key = `${info.group}/${info.version}/${info.resource}`
    const kind = reviews.get(key)
    if (kind !== undefined) {
      if (info.verb !== 'create') throw methodNotAllowed()
      const value = await review(kind, request.body, request.user, {
        authorizer,
        verifyToken: options.verifyToken ?? (async () => undefined),
      })
      return { definition: definitions[0]!, response: { kind: 'value', status: 201, value } }
    }
    const definition = byPath.get(key === '/v1/bindings' ? '/v1/pods' : key)
    if (definition === undefined || (definition.namespaced ? needsNamespace(info) : info.namespace !== ''))
      throw pathNotFound()
    return { definition, response: await dispatch({ ...request, info, definition }) }
  }

  const serve = async (request: ServerRequest): Promise<ServerResponse> => {
    const info = infoOf(request.method, request.path, request.query)
    authorize(request.user, info)
    if (info.kind === 'path') return paths.answer(request)
    const leave =
      info.verb === 'watch' || info.subresource === 'log' ? () => {} : inFlight.enter(info.verb, request.user)
    try {
      const form =
        info.subresource === 'log' ? ({ kind: 'plain' } as const) : responseForm(request.headers.accept, request.query)
      const contentType = (request.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase()
      const { body, duplicates } = await parseBody(contentType, request.body)
      const { definition, response } = await execute(info, {
        query: request.query,
        contentType,
        body,
        duplicates,
        user: request.user,
        signal: request.signal,
      })
      return encodeResponse(definition, response, form, () => clock.now())
    } finally {
      leave()
    }
  }

  const record = (request: ServerRequest, status: number, receivedAtMs: number, startedMs: number): void => {
    if (options.onRequest === undefined) return
    const info = infoOf(request.method, request.path, request.query)
    options.onRequest({
      user: request.user,
      verb: info.verb,
      method: request.method,
      path: request.path,
      ...(request.headers['user-agent'] === undefined ? {} : { userAgent: request.headers['user-agent'] }),
      ...(info.kind === 'resource' ? { object: info } : {}),
      status,
      receivedAtMs,
      durationMs: clock.monotonic() - startedMs,
    })
  }

  return {
    registry,
    async handle(request) {
      const receivedAtMs = clock.now()
      const startedMs = clock.monotonic()
      let response: ServerResponse
      try {
        response = await serve(request)
      } catch (error) {
        response = errorResponse(error, logger, request.path)
      }
      record(request, response.status, receivedAtMs, startedMs)
      return response
    },
    transport: (user) => createDirectTransport(user, infoOf, authorize, execute),
    verifyCaches: () => cache.verify(),
    async close() {
      cache.close()
    },
  }
}

function needsNamespace(info: Extract<RequestInfo, { kind: 'resource' }>): boolean {
  const acrossAll = info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection'
  return info.namespace === '' && !(acrossAll && info.name === '')
}

export function pathNotFound(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource')
}

export function methodNotAllowed(): StatusError {
  return new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
}

function errorResponse(error: unknown, logger: Logger, path: string): ServerResponse {
  if (error instanceof StatusError) {
    const seconds = error.details?.retryAfterSeconds
    return jsonResponse(error.code, error.toStatus(), seconds === undefined ? {} : { 'retry-after': String(seconds) })
  }
  const id = crypto.randomUUID().slice(0, 8)
  logger.error({ err: error, path, id }, 'a request failed inside the API server')
  return jsonResponse(
    500,
    new StatusError('InternalError', `Internal error occurred (${id}); the control plane's log says more`).toStatus(),
  )
}

type Execute = (
  info: Extract<RequestInfo, { kind: 'resource' }>,
  request: Omit<CoreRequest, 'info' | 'definition'>,
) => Promise<{ definition: ResourceDefinition; response: CoreResponse }>

function createDirectTransport(
  user: User,
  infoOf: (method: string, path: string, query: URLSearchParams) => RequestInfo,
  authorize: (user: User, info: RequestInfo) => void,
  execute: Execute,
): Transport {
  const never = new AbortController().signal
  const run = (request: ApiRequest): ReturnType<Execute> => {
    const query = new URLSearchParams(request.query)
    const info = infoOf(request.method, request.path, query)
    authorize(user, info)
    if (info.kind === 'path') throw pathNotFound()
    return execute(info, {
      query,
      contentType: request.contentType ?? 'application/json',
      body: request.body,
      duplicates: [],
      user,
      signal: request.signal ?? never,
    })
  }
  return {
    async request(request) {
      try {
        const { definition, response } = await run(request)
        switch (response.kind) {
          case 'object':
            return { status: response.status, body: response.object.object }
          case 'value':
            return { status: response.status, body: response.value }
          case 'list': {
            const metadata = {
              resourceVersion: String(response.revision),
              continue: response.continue,
              remainingItemCount: response.remaining,
            }
            return {
              status: 200,
              body: { kind: definition.listKind, metadata, items: response.items.map(({ object }) => object) },
            }
          }
          default:
            throw new Error(`${request.path} answers with a stream`)
        }
      } catch (error) {
        if (error instanceof StatusError) return { status: error.code, body: error.toStatus() }
        throw error
      }
    },
    async watch(request) {
      const { definition, response } = await run(request)
      if (response.kind !== 'watch') throw new Error(`${request.path} is no watch`)
      const { items } = response
      return (async function* (): AsyncGenerator<WatchEvent> {
        for await (const item of items) {
          if (item.kind === 'event') yield { type: item.type, object: item.object.object }
          else if (item.kind === 'bookmark') yield { type: 'BOOKMARK', object: bookmarkObject(definition, item) }
          else yield { type: 'ERROR', object: item.status as WatchEvent['object'] }
        }
      })()
    },
    async close() {},
  }
}
