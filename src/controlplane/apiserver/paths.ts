import { createHash } from 'node:crypto'
import type { ResourceDefinition } from '../../api/definition.ts'
import { AGGREGATED_VERSIONS, aggregatedDiscovery } from '../../api/discovery/aggregated-discovery.ts'
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from '../../api/discovery/discovery.ts'
import type { MetricsGroup } from '../../api/discovery/metrics-group.ts'
import { openApiV2Document } from '../../api/openapi/openapi-v2.ts'
import { openApiV2Protobuf } from '../../api/openapi/openapi-v2-protobuf.ts'
import { openApiV3Document, openApiV3Index } from '../../api/openapi/openapi-v3.ts'
import { StatusError } from '../../api/status-error.ts'
import { health } from './health.ts'
import { methodNotAllowed, pathNotFound } from './refusals.ts'
import { jsonResponse, valueResponse } from './response/encode.ts'
import { BOTH, type Encoding, encodingIn, MEDIA_TYPE, mediaRanges, plainEncoding } from './response/negotiate.ts'
import { reviewDefinitions } from './reviews.ts'
import type { ServerRequest, ServerResponse } from './server-request.ts'

/** Everything that is no resource: discovery, OpenAPI, health, version. */
export interface Paths {
  answer(request: ServerRequest): ServerResponse
}

export interface PathOptions {
  readonly version: string
  /** Name → is it ready; for `/readyz`, and named in `/livez` as always fine. */
  readonly readiness?: Readonly<Record<string, () => boolean>>
  /** Groups whose resources are metrics. */
  readonly groups?: readonly MetricsGroup[]
}

function versionInfo(version: string): object {
  const [major = '1', minor = '0'] = version.slice(1).split('.')
  return {
    major,
    minor,
    gitVersion: version,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node ${process.version}`,
    compiler: 'v8',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  }
}

function withEtag(answer: ServerResponse): ServerResponse {
  const digest = createHash('sha256')
    .update(answer.body as Uint8Array)
    .digest('hex')
    .toUpperCase()
  return { ...answer, headers: { ...answer.headers, etag: `"${digest}"` } }
}

function discovery(
  root: '/api' | '/apis',
  accept: string,
  definitions: readonly ResourceDefinition[],
  groups: readonly MetricsGroup[],
  plain: () => object,
): ServerResponse {
  for (const range of mediaRanges(accept)) {
    const { parameters } = range
    const version = AGGREGATED_VERSIONS.find((candidate) => candidate === parameters.get('v'))
    const encoding = encodingIn(range, BOTH)
    if (parameters.get('as') !== 'APIGroupDiscoveryList' || version === undefined || encoding === undefined) continue
    return withEtag(
      valueResponse(200, aggregatedDiscovery(root, version, definitions, groups), encoding, {
        'content-type': `${MEDIA_TYPE[encoding]};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
        vary: 'Accept',
      }),
    )
  }
  return valueResponse(200, plain(), plainEncoding(accept), { vary: 'Accept' })
}

/** Clients before 1.28 take the whole document in protobuf or not at all, under the older of these names. */
const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
const OPENAPI_V2_NAMES = [OPENAPI_V2_PROTOBUF, 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf']

function openApiV2Encoding(accept: string): Encoding {
  if (accept === '') return 'json'
  for (const range of mediaRanges(accept)) {
    const encoding = encodingIn(range, ['json']) ?? (OPENAPI_V2_NAMES.includes(range.type) ? 'protobuf' : undefined)
    if (encoding !== undefined) return encoding
  }
  const accepted = [MEDIA_TYPE.json, ...OPENAPI_V2_NAMES].join(', ')
  throw new StatusError('NotAcceptable', `only the following media types are accepted: ${accepted}`)
}

function openApiAnswer(type: string, etag: string, body: Buffer): ServerResponse {
  return { status: 200, headers: { 'content-type': type, etag: `"${etag}"`, vary: 'Accept' }, body }
}

/** Made once for a server; the documents behind are built on first use. */
export function createPaths(stored: readonly ResourceDefinition[], options: PathOptions): Paths {
  const definitions = [...stored, ...reviewDefinitions()]
  const groups = options.groups ?? []
  const roots = ['/api', '/apis', '/healthz', '/livez', '/metrics', '/openapi/v2', '/openapi/v3', '/readyz', '/version']
  const openApiV2Answers = new Map<Encoding, ServerResponse>()

  const openApiV2 = (accept: string): ServerResponse => {
    const encoding = openApiV2Encoding(accept)
    let answer = openApiV2Answers.get(encoding)
    if (answer === undefined) {
      const { text, hash } = openApiV2Document(definitions)
      answer =
        encoding === 'json'
          ? openApiAnswer('application/json', hash, Buffer.from(text))
          : openApiAnswer(OPENAPI_V2_PROTOBUF, `${hash}-protobuf`, openApiV2Protobuf(text))
      openApiV2Answers.set(encoding, answer)
    }
    return answer
  }
  const openApi = (path: string, accept: string): ServerResponse => {
    if (path === '/openapi/v3') return jsonResponse(200, openApiV3Index(definitions))
    if (path === '/openapi/v2') return openApiV2(accept)
    const match = /^\/openapi\/v3\/(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path)
    const document = match === null ? undefined : openApiV3Document(match[1] ?? '', match[2]!, definitions)
    if (document === undefined) throw pathNotFound()
    return {
      status: 200,
      headers: { 'content-type': 'application/json', etag: `"${document.hash}"`, 'cache-control': 'public, immutable' },
      body: Buffer.from(document.text),
    }
  }

  const document = ({ method, path: given, query, headers }: ServerRequest): ServerResponse => {
    const path = given.length > 1 && given.endsWith('/') ? given.slice(0, -1) : given
    const probe = health(path, query, options.readiness ?? {})
    if (probe !== undefined) return probe
    if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed()
    const accept = headers.accept ?? ''
    if (path === '/version') return jsonResponse(200, versionInfo(options.version))
    if (path === '/') return jsonResponse(200, { paths: roots })
    if (path === '/api')
      return discovery('/api', accept, definitions, groups, () =>
        apiVersions(headers[':authority'] ?? headers.host ?? ''),
      )
    if (path === '/apis')
      return discovery('/apis', accept, definitions, groups, () => apiGroupList(definitions, groups))
    if (path.startsWith('/openapi/')) return openApi(path, accept)
    const [, root, first, second, ...more] = path.split('/')
    const answer =
      root === 'api' && second === undefined
        ? apiResourceList('', first!, definitions)
        : root === 'apis' && more.length === 0
          ? second === undefined
            ? apiGroup(first!, definitions, groups)
            : apiResourceList(first!, second, definitions, groups)
          : undefined
    if (answer === undefined) throw pathNotFound()
    return valueResponse(200, answer, plainEncoding(accept))
  }
  return { answer: (request) => unlessKnown(document(request), request.headers['if-none-match']) }
}

/** 304 for a document that the client has already (RFC 9110 §13.1.2). */
function unlessKnown(answer: ServerResponse, known: string | undefined): ServerResponse {
  const { etag } = answer.headers
  if (known === undefined || etag === undefined) return answer
  const tags = known.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etag) || tags.includes('*') ? { ...answer, status: 304, body: undefined } : answer
}
