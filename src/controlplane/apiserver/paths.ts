import type { ResourceDefinition } from '../../api/definition.ts'
import { AGGREGATED_VERSIONS, aggregatedDiscovery } from '../../api/discovery/aggregated-discovery.ts'
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from '../../api/discovery/discovery.ts'
import { openApiV2Document } from '../../api/openapi/openapi-v2.ts'
import { openApiV2Protobuf } from '../../api/openapi/openapi-v2-protobuf.ts'
import { openApiV3Document, openApiV3Index } from '../../api/openapi/openapi-v3.ts'
import { StatusError } from '../../api/status-error.ts'
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
}

function notFound(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource')
}

function text(status: number, body: string): ServerResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: Buffer.from(body),
  }
}

/** `/readyz`, `/readyz?verbose`, `/readyz/<check>`, as kube-apiserver words them. */
function health(
  path: string,
  query: URLSearchParams,
  readiness: Readonly<Record<string, () => boolean>>,
): ServerResponse {
  const [, endpoint = '', single] = path.split('/')
  const excluded = query.getAll('exclude')
  const checks = endpoint === 'readyz' ? { ping: () => true, ...readiness } : { ping: () => true }
  if (single !== undefined && single !== '') {
    const check = Object.hasOwn(checks, single) ? (checks as Record<string, () => boolean>)[single] : undefined
    if (check === undefined) throw notFound()
    return check() ? text(200, 'ok') : text(500, `internal server error: ${single} is not ready\n`)
  }
  const results = Object.entries(checks)
    .filter(([name]) => !excluded.includes(name))
    .map(([name, check]) => ({ name, ok: check() }))
  const good = results.every(({ ok }) => ok)
  const lines = results
    .map(({ name, ok }) => (ok ? `[+]${name} ok\n` : `[-]${name} failed: reason withheld\n`))
    .join('')
  if (!good) return text(500, `${lines}${endpoint} check failed\n`)
  return query.has('verbose') ? text(200, `${lines}${endpoint} check passed\n`) : text(200, 'ok')
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

function discovery(
  root: '/api' | '/apis',
  accept: string,
  definitions: readonly ResourceDefinition[],
  plain: () => object,
): ServerResponse {
  for (const range of mediaRanges(accept)) {
    const { parameters } = range
    const version = AGGREGATED_VERSIONS.find((candidate) => candidate === parameters.get('v'))
    const encoding = encodingIn(range, BOTH)
    if (parameters.get('as') !== 'APIGroupDiscoveryList' || version === undefined || encoding === undefined) continue
    return valueResponse(200, aggregatedDiscovery(root, version, definitions), encoding, {
      'content-type': `${MEDIA_TYPE[encoding]};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      vary: 'Accept',
    })
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
  const roots = ['/api', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version']
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
    if (document === undefined) throw notFound()
    return {
      status: 200,
      headers: { 'content-type': 'application/json', etag: `"${document.hash}"`, 'cache-control': 'public, immutable' },
      body: Buffer.from(document.text),
    }
  }

  return {
    answer({ method, path: given, query, headers }) {
      const path = given.length > 1 && given.endsWith('/') ? given.slice(0, -1) : given
      if (/^\/(readyz|livez|healthz)(\/|$)/.test(path)) return health(path, query, options.readiness ?? {})
      if (method !== 'GET' && method !== 'HEAD')
        throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
      const accept = headers.accept ?? ''
      if (path === '/version') return jsonResponse(200, versionInfo(options.version))
      if (path === '/') return jsonResponse(200, { paths: roots })
      if (path === '/api')
        return discovery('/api', accept, definitions, () => apiVersions(headers[':authority'] ?? headers.host ?? ''))
      if (path === '/apis') return discovery('/apis', accept, definitions, () => apiGroupList(definitions))
      if (path.startsWith('/openapi/')) return openApi(path, accept)
      const [, root, first, second, ...more] = path.split('/')
      const answer =
        root === 'api' && second === undefined
          ? apiResourceList('', first!, definitions)
          : root === 'apis' && more.length === 0
            ? second === undefined
              ? apiGroup(first!, definitions)
              : apiResourceList(first!, second, definitions)
            : undefined
      if (answer === undefined) throw notFound()
      return valueResponse(200, answer, plainEncoding(accept))
    },
  }
}
