import type { ResourceDefinition } from '../../api/definition.ts'
import { hasProtobuf } from '../../api/protobuf/encode-object.ts'
import { apiVersionOf } from '../../api/resource-type.ts'
import { StatusError } from '../../api/status-error.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { MetricFamily } from '../../base/metric-families.ts'
import type { ApiRequest, Transport } from '../../client/transport.ts'
import type { Store } from '../store/store.ts'
import type { AdmissionPlugin } from './admission.ts'
import type { Attributes, Authorizer } from './authorizer.ts'
import { ClusterCache } from './cache/cluster-cache.ts'
import type { CoreRequest } from './core-request.ts'
import { type Answer, createDirectTransport } from './direct-transport.ts'
import { createDispatch, type Dispatch, type DispatchOptions } from './dispatch.ts'
import type { RequestRecord } from './edge/audit-log.ts'
import type { ValueTransformer } from './edge/encryption.ts'
import { impersonate } from './edge/impersonate.ts'
import { startEventExpiry } from './event-expiry.ts'
import type { Fence } from './fence.ts'
import { forbiddenError } from './forbidden.ts'
import { InFlight } from './in-flight.ts'
import { RequestCounts } from './metrics/request-counts.ts'
import { type SeriesDocument, seriesResponse } from './metrics/series-document.ts'
import { serverMetrics } from './metrics/server-metrics.ts'
import { createOrderedWrites } from './ordered-writes.ts'
import { mediaType, parseBody } from './parse-body.ts'
import { createPaths } from './paths.ts'
import { flag } from './query-values.ts'
import { methodNotAllowed, pathNotFound } from './refusals.ts'
import { Registry } from './registry.ts'
import { type IsNamespaced, isConnecting, type RequestInfo, type ResourceInfo, requestInfo } from './request-info.ts'
import { encodeResponse, valueResponse } from './response/encode.ts'
import { BOTH, type Encoding, JSON_ONLY, PLAIN, plainEncoding, responseForm } from './response/negotiate.ts'
import { review, reviewDefinitions } from './reviews.ts'
import { selectedName } from './selection.ts'
import type { RequestHandler, ServerRequest, ServerResponse } from './server-request.ts'
import { narrowerRight } from './subresources/node-proxy.ts'
import type { User } from './user.ts'
import { answerGroup, type VirtualGroup } from './virtual-group.ts'
import { answerVirtual, type VirtualResource } from './virtual-resource.ts'

export interface ApiServerOptions extends DispatchOptions {
  readonly store: Store
  readonly admission: readonly AdmissionPlugin[]
  readonly authorizer: Authorizer
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  readonly transform?: ValueTransformer
  /** Resources that are made when asked for and never stored. */
  readonly virtual?: readonly VirtualResource[]
  /** Groups of the API whose paths name metrics. */
  readonly groups?: readonly VirtualGroup[]
  /** What other parts of the process add to `/metrics`. */
  readonly metrics?: () => Iterable<MetricFamily>
  /** What is served below `/metrics/`; undefined where there is nothing. */
  readonly series?: (path: string, query: URLSearchParams) => SeriesDocument | undefined
  readonly verifyToken?: (token: string, audiences?: readonly string[]) => Promise<User | undefined>
  /** Names for what a write decides on together with others: those that share one are carried out in turn. */
  readonly lanesOf?: (request: CoreRequest) => readonly string[]
  /** Called for each answered request of a caller over the wire; for a watch, a followed log or an upgraded connection when it begins. */
  readonly onRequest?: (record: RequestRecord) => void
  /** What `/readyz` waits for beside the server itself: name → is it ready. */
  readonly readiness?: Readonly<Record<string, () => boolean>>
}

export interface ApiServer extends RequestHandler {
  /**
   * Calls in the same process: the same checks and the same order of things, but objects instead of bytes. With a fence,
   * writes are refused (Conflict) once the caller no longer holds its Lease.
   */
  transport(user: User, fence?: Fence): Transport
  readonly registry: Registry
  /** Compares the watch cache with the store; one that differs stops serving and is rebuilt. True when they agree. */
  verifyCaches(): Promise<boolean>
  close(): Promise<void>
}

const NEVER = new AbortController().signal
/** How the audit log names who came with credentials that do not hold. */
const NOBODY: User = { name: '', groups: [] }

/** A request's target: what its path says, and the definition behind it if there is one. */
interface Target {
  readonly info: RequestInfo
  readonly definition: ResourceDefinition | undefined
  readonly isReview: boolean
}

function resourceKey(group: string, version: string, resource: string): string {
  return `${group}/${version}/${resource}`
}

function keyOf({ group, version, resource }: ResourceDefinition): string {
  return resourceKey(group, version, resource)
}

/** The API server over a store: everything behind the listener. Resolves when its cache is loaded. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, definitions, clock, logger, authorizer } = options
  const prefixes = [...new Set(definitions.map(({ storagePrefix }) => storagePrefix))]
  const cache = new ClusterCache({ store, prefixes, transform: options.transform, clock, logger })
  await cache.start()
  const registry = new Registry({ store, cache, transform: options.transform, admission: options.admission, clock })
  const inTurn = createOrderedWrites(options.lanesOf ?? (() => []))
  const dispatch = inTurn(createDispatch(registry, options))
  const readiness = { 'watch-cache': () => cache.serving, ...options.readiness }
  const virtual = new Map(options.virtual?.map((resource) => [resource.definition, resource]))
  const groups = new Map(options.groups?.map((group) => [group.group, group]))
  const paths = createPaths([...definitions, ...virtual.keys()], {
    version: options.version,
    readiness,
    groups: [...groups.values()],
  })
  const inFlight = new InFlight()
  const counts = new RequestCounts()
  const reviews = new Map(reviewDefinitions().map((definition) => [keyOf(definition), definition]))
  const byKey = new Map([...definitions, ...virtual.keys()].map((definition) => [keyOf(definition), definition]))
  // The old way to bind: POST of a Binding to a collection of its own.
  const pods = byKey.get('/v1/pods')
  if (pods !== undefined) byKey.set('/v1/bindings', pods)
  const stopExpiry = startEventExpiry(registry, definitions, clock, logger)

  const isNamespaced: IsNamespaced = (group, version, resource) => {
    if (groups.has(group)) return true
    const key = resourceKey(group, version, resource)
    return (byKey.get(key) ?? reviews.get(key))?.namespaced === true
  }
  const targetOf = (method: string, path: string, query: URLSearchParams): Target => {
    const info = requestInfo(method, path, flag(query, 'watch') ?? false, isNamespaced)
    if (info.kind === 'path') return { info, definition: undefined, isReview: false }
    const key = resourceKey(info.group, info.version, info.resource)
    const isReview = reviews.has(key)
    return { info, definition: isReview ? reviews.get(key) : byKey.get(key), isReview }
  }

  const authorize = (user: User, info: RequestInfo, query: URLSearchParams): void => {
    const attributes: Attributes =
      info.kind === 'path'
        ? { user, verb: info.verb, path: info.path }
        : { user, verb: info.verb, resource: withSelectedName(info, query) }
    const { allowed, reason } = authorizer.authorize(attributes)
    if (allowed) return
    const narrower = info.kind === 'resource' ? narrowerRight(info) : undefined
    if (narrower !== undefined && authorizer.authorize({ user, verb: info.verb, resource: narrower }).allowed) return
    throw forbiddenError(attributes, reason)
  }

  /** Any request on a resource, in the same way for both kinds of callers. */
  const execute = async (
    target: Target,
    request: Omit<CoreRequest, 'info' | 'definition'>,
    carryOut: Dispatch = dispatch,
  ): Promise<Answer> => {
    const { definition } = target
    const info = target.info as ResourceInfo
    const group = groups.get(info.group)
    if (group !== undefined)
      return { definition: group.definition, response: await answerGroup(group, info, request.query) }
    if (definition === undefined || (definition.namespaced ? needsNamespace(info) : info.namespace !== ''))
      throw pathNotFound()
    const whole: CoreRequest = {
      info,
      definition,
      query: request.query,
      contentType: request.contentType,
      body: request.body,
      duplicates: request.duplicates,
      user: request.user,
      gone: request.gone,
      ...(request.upgrade === undefined ? {} : { upgrade: request.upgrade }),
    }
    const made = virtual.get(definition)
    if (made !== undefined) return { definition, response: await answerVirtual(made, whole) }
    if (!target.isReview) return { definition, response: await carryOut(whole) }
    if (info.verb !== 'create' || info.name !== '') throw methodNotAllowed()
    return { definition, response: await review(definition, whole, options) }
  }

  const serve = async (request: ServerRequest, user: User, target: Target): Promise<ServerResponse> => {
    const { query, headers, method } = request
    const { info, definition } = target
    authorize(user, info, query)
    if (info.kind === 'path') {
      if (info.path.startsWith('/metrics/')) return seriesResponse(method, options.series?.(info.path, query))
      if (info.path !== '/metrics') return paths.answer(request)
      const more = options.metrics ?? (() => [])
      return serverMetrics(method, { counts, inFlight, registry, definitions, clock, more })
    }
    const isStream = info.subresource === 'log' || isConnecting(info)
    const isLong = info.verb === 'watch' || isStream
    const share = isLong ? undefined : inFlight.enter(info.verb, user)
    try {
      const contentType = mediaType(headers['content-type'])
      const asksProtobuf = headers.accept?.includes('protobuf') === true || contentType.includes('protobuf')
      const protobuf =
        asksProtobuf && (definition === undefined || hasProtobuf(apiVersionOf(definition), definition.kind))
      const encodings = protobuf ? BOTH : JSON_ONLY
      const form =
        isStream || info.rest !== undefined
          ? PLAIN
          : responseForm(headers.accept, query, encodings, !hasOnlyPlain(target))
      checkContentEncoding(headers['content-encoding'])
      const { body, duplicates } = await parseBody(method, contentType, await request.readBody(), protobuf)
      const { definition: of, response } = await execute(target, {
        query,
        contentType,
        body,
        duplicates,
        user,
        gone: () => request.gone(),
        ...(request.canUpgrade === true ? { upgrade: headers } : {}),
      })
      return encodeResponse(of, response, form, () => clock.now())
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
      const target = targetOf(request.method, request.path, request.query)
      let user = request.user
      let response: ServerResponse
      try {
        if (user === undefined) throw new StatusError('Unauthorized', 'Unauthorized')
        user = impersonate(user, request.headers, authorizer)
        response = await serve(request, user, target)
      } catch (error) {
        response = errorResponse(statusOf(error, request.path), plainEncoding(request.headers.accept))
      }
      const durationMs = clock.monotonic() - startedMs
      counts.record(target.definition, target.info, response.status, durationMs)
      options.onRequest?.(recordOf(request, user, target.info, response.status, receivedAtMs, durationMs))
      return response
    },
    transport(user, fence) {
      const carryOut = fence === undefined ? dispatch : inTurn(createDispatch(registry.fencedBy(fence), options))
      const run = async ({ method, path, query: given, ...request }: ApiRequest): Promise<Answer> => {
        const query = new URLSearchParams(given)
        const target = targetOf(method, path, query)
        authorize(user, target.info, query)
        if (target.info.kind === 'path') throw pathNotFound()
        const whole = {
          query,
          contentType: request.contentType ?? 'application/json',
          body: request.body,
          duplicates: [],
          user,
          gone: () => request.signal ?? NEVER,
        }
        return execute(target, whole, carryOut)
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

function needsNamespace(info: ResourceInfo): boolean {
  const acrossAll = info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection'
  return info.namespace === '' && !(acrossAll && info.name === '')
}

/** Verbs on collections whose selector may come down to one object. */
const SELECTING = new Set(['list', 'watch', 'deletecollection'])

/**
 * A collection whose field selector leaves one name only is authorized like that object: nodes watch single Secrets this
 * way. The verb stays what it is.
 */
function withSelectedName(info: ResourceInfo, query: URLSearchParams): ResourceInfo {
  if (info.name !== '' || query.size === 0 || !SELECTING.has(info.verb)) return info
  const name = selectedName(query)
  return name === undefined ? info : { ...info, name }
}

/** True for what is answered in a form of its own: neither tables nor bare metadata can be made of it. */
function hasOnlyPlain({ info, isReview }: Target): boolean {
  return isReview || (info.kind === 'resource' && info.subresource !== '' && info.subresource !== 'status')
}

function checkContentEncoding(encoding: string | undefined): void {
  if (encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity')
    throw new StatusError('UnsupportedMediaType', `the body of a request may not be compressed (${encoding})`)
}

function recordOf(
  request: ServerRequest,
  actor: User | undefined,
  info: RequestInfo,
  status: number,
  receivedAtMs: number,
  durationMs: number,
): RequestRecord {
  const { user = NOBODY, sourceIp } = request
  const userAgent = request.headers['user-agent']
  return {
    user,
    ...(actor === undefined || actor === user ? {} : { impersonated: actor }),
    verb: info.verb,
    method: request.method,
    path: request.path,
    ...(sourceIp === undefined ? {} : { sourceIp }),
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(info.kind === 'resource' ? { object: info } : {}),
    status,
    receivedAtMs,
    durationMs: Math.max(0, durationMs),
  }
}

function errorResponse(error: StatusError, encoding: Encoding): ServerResponse {
  const seconds = error.details?.retryAfterSeconds
  const headers: Record<string, string> = seconds === undefined ? {} : { 'retry-after': String(seconds) }
  return valueResponse(error.code, error.toStatus(), encoding, headers)
}
