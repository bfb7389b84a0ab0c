import type { ResourceDefinition } from '../../api/definition.ts'
import { hasProtobuf } from '../../api/protobuf/encode-object.ts'
import { apiVersionOf } from '../../api/resource-type.ts'
import { StatusError } from '../../api/status-error.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { ApiRequest, Transport } from '../../client/transport.ts'
import type { Store } from '../store/store.ts'
import type { AdmissionPlugin } from './admission.ts'
import type { Attributes, Authorizer } from './authorizer.ts'
import { ClusterCache } from './cache/cluster-cache.ts'
import type { CoreRequest } from './core-request.ts'
import { type Answer, createDirectTransport } from './direct-transport.ts'
import { createDispatch } from './dispatch.ts'
import type { RequestRecord } from './edge/audit-log.ts'
import type { ValueTransformer } from './edge/encryption.ts'
import type { PodLogSource } from './edge/pod-log-source.ts'
import type { ServiceAccountTokens } from './edge/service-account-tokens.ts'
import { startEventExpiry } from './event-expiry.ts'
import { forbiddenError } from './forbidden.ts'
import { InFlight } from './in-flight.ts'
import { mediaType, parseBody } from './parse-body.ts'
import { createPaths } from './paths.ts'
import { methodNotAllowed, pathNotFound } from './refusals.ts'
import { Registry } from './registry.ts'
import { type RequestInfo, type ResourceInfo, requestInfo } from './request-info.ts'
import { encodeResponse, valueResponse } from './response/encode.ts'
import { type Encoding, PLAIN, plainEncoding, responseForm } from './response/negotiate.ts'
import { review, reviewDefinitions } from './reviews.ts'
import { selectedName } from './selection.ts'
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
  /** Called for each answered request of a caller over the wire; for a watch or a followed log when it begins. */
  readonly onRequest?: (record: RequestRecord) => void
  /** What `/readyz` waits for beside the server itself: name → is it ready. */
  readonly readiness?: Readonly<Record<string, () => boolean>>
}

export interface ApiServer extends RequestHandler {
  /** Calls in the same process: the same checks and the same order of things, but objects instead of bytes. */
  transport(user: User): Transport
  readonly registry: Registry
  /** Compares the watch cache with the store; one that differs stops serving and is rebuilt. True when they agree. */
  verifyCaches(): Promise<boolean>
  close(): Promise<void>
}

const NEVER = new AbortController().signal

function resourceKey({ group, version, resource }: Pick<ResourceInfo, 'group' | 'version' | 'resource'>): string {
  return `${group}/${version}/${resource}`
}

/** The API server over a store: everything behind the listener. Resolves when its cache is loaded. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, definitions, clock, logger, authorizer } = options
  const prefixes = [...new Set(definitions.map(({ storagePrefix }) => storagePrefix))]
  const cache = new ClusterCache({ store, prefixes, transform: options.transform, clock, logger })
  await cache.start()
  const registry = new Registry({ store, cache, transform: options.transform, admission: options.admission, clock })
  const dispatch = createDispatch(registry, options)
  const readiness = { 'watch-cache': () => cache.serving, ...options.readiness }
  const paths = createPaths(definitions, { version: options.version, readiness })
  const inFlight = new InFlight()
  const reviews = new Map(reviewDefinitions().map((definition) => [resourceKey(definition), definition]))
  const byKey = new Map([
    ...definitions.map((definition) => [resourceKey(definition), definition] as const),
    ...reviews,
  ])
  // The old way to bind: POST of a Binding to a collection of its own.
  const pods = byKey.get('/v1/pods')
  if (pods !== undefined) byKey.set('/v1/bindings', pods)
  const stopExpiry = startEventExpiry(registry, definitions, clock, logger)

  const isNamespaced = (group: string, version: string, resource: string): boolean =>
    byKey.get(resourceKey({ group, version, resource }))?.namespaced === true
  const isBuiltIn = (info: ResourceInfo): boolean => {
    const definition = byKey.get(resourceKey(info))
    return definition === undefined || hasProtobuf(apiVersionOf(definition), definition.kind)
  }
  const infoOf = (method: string, path: string, query: URLSearchParams): RequestInfo =>
    requestInfo(method, path, query.size > 0 && isTrue(query.get('watch')), isNamespaced)

  const authorize = (user: User, info: RequestInfo, query: URLSearchParams): void => {
    const attributes: Attributes =
      info.kind === 'path'
        ? { user, verb: info.verb, path: info.path }
        : { user, verb: info.verb, resource: withSelectedName(info, query) }
    const { allowed, reason } = authorizer.authorize(attributes)
    if (!allowed) throw forbiddenError(attributes, reason)
  }

  /** Any request on a resource, in the same way for both kinds of callers. */
  const execute = async (info: ResourceInfo, request: Omit<CoreRequest, 'info' | 'definition'>): Promise<Answer> => {
    const definition = byKey.get(resourceKey(info))
    if (definition === undefined || (definition.namespaced ? needsNamespace(info) : info.namespace !== ''))
      throw pathNotFound()
    if (!reviews.has(resourceKey(info)))
      return { definition, response: await dispatch({ ...request, info, definition }) }
    if (info.verb !== 'create' || info.name !== '') throw methodNotAllowed()
    return { definition, response: await review(definition, { ...request, info, definition }, options) }
  }

  const serve = async (request: ServerRequest, info: RequestInfo): Promise<ServerResponse> => {
    const { query, headers, user, method } = request
    authorize(user, info, query)
    if (info.kind === 'path') return paths.answer(request)
    const isLong = info.verb === 'watch' || info.subresource === 'log'
    const share = isLong ? undefined : inFlight.enter(info.verb, user)
    try {
      const contentType = mediaType(headers['content-type'])
      const protobuf = (headers.accept?.includes('protobuf') || contentType.includes('protobuf')) && isBuiltIn(info)
      const form = info.subresource === 'log' ? PLAIN : responseForm(headers.accept, query, protobuf)
      const { body, duplicates } = await parseBody(method, contentType, request.body, protobuf)
      const { definition, response } = await execute(info, {
        query,
        contentType,
        body,
        duplicates,
        user,
        signal: request.signal,
      })
      return encodeResponse(definition, response, form, () => clock.now())
    } finally {
      if (share !== undefined) inFlight.leave(share)
    }
  }

  /** What was thrown, as clients may see it. A fault of ours is logged under a number and tells nothing else. */
  const statusOf = (error: unknown, path: string): StatusError => {
    if (error instanceof StatusError) return error
    const id = crypto.randomUUID().slice(0, 8)
    logger.error({ err: error, path, id }, 'a request failed inside the API server')
    return new StatusError('InternalError', `Internal error occurred (${id}); the control plane's log says more`)
  }

  return {
    registry,
    async handle(request) {
      const receivedAtMs = clock.now()
      const startedMs = clock.monotonic()
      const info = infoOf(request.method, request.path, request.query)
      let response: ServerResponse
      try {
        response = await serve(request, info)
      } catch (error) {
        response = errorResponse(statusOf(error, request.path), plainEncoding(request.headers.accept))
      }
      options.onRequest?.(
        recordOf(request, info, response.status, receivedAtMs, Math.max(0, clock.monotonic() - startedMs)),
      )
      return response
    },
    transport(user) {
      const run = async ({ method, path, query: given, ...request }: ApiRequest): Promise<Answer> => {
        const query = new URLSearchParams(given)
        const info = infoOf(method, path, query)
        authorize(user, info, query)
        if (info.kind === 'path') throw pathNotFound()
        return execute(info, {
          query,
          contentType: request.contentType ?? 'application/json',
          body: request.body,
          duplicates: [],
          user,
          signal: request.signal ?? NEVER,
        })
      }
      return createDirectTransport(run, statusOf)
    },
    verifyCaches: () => cache.verify(),
    async close() {
      stopExpiry()
      cache.close()
    },
  }
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1'
}

function needsNamespace(info: ResourceInfo): boolean {
  const acrossAll = info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection'
  return info.namespace === '' && !(acrossAll && info.name === '')
}

/** A list that can only hold one name is authorized like a look at that object: nodes watch single Secrets this way. */
function withSelectedName(info: ResourceInfo, query: URLSearchParams): ResourceInfo {
  if (info.name !== '' || query.size === 0 || (info.verb !== 'list' && info.verb !== 'watch')) return info
  const name = selectedName(query)
  return name === undefined ? info : { ...info, name }
}

function recordOf(
  request: ServerRequest,
  info: RequestInfo,
  status: number,
  receivedAtMs: number,
  durationMs: number,
): RequestRecord {
  const userAgent = request.headers['user-agent']
  return {
    user: request.user,
    verb: info.verb,
    method: request.method,
    path: request.path,
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(info.kind === 'resource' ? { object: info } : {}),
    status,
    receivedAtMs,
    durationMs,
  }
}

function errorResponse(error: StatusError, encoding: Encoding): ServerResponse {
  const seconds = error.details?.retryAfterSeconds
  const headers: Record<string, string> = seconds === undefined ? {} : { 'retry-after': String(seconds) }
  return valueResponse(error.code, error.toStatus(), encoding, headers)
}
