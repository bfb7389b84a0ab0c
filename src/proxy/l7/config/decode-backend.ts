import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHM, usesKey } from '../../balance/algorithms.ts'
import type { SlowStart } from '../../balance/slow-start.ts'
import type { Backoff } from '../../resilience/backoff.ts'
import type { CircuitLimits } from '../../resilience/circuit-breaker.ts'
import type { OutlierDetectionOptions } from '../../resilience/outlier-detection.ts'
import type { KeySource } from '../engine/request-key.ts'
import type { EndpointOptions } from '../engine/upstream.ts'
import type { UpstreamTimeouts } from '../engine/upstream-timeouts.ts'
import { UPSTREAM_PROTOCOLS } from '../engine/upstream-transport.ts'
import type { ConfigNode } from './config-node.ts'
import { decodeBackendTls } from './decode-backend-tls.ts'
import { ifGiven } from './if-given.ts'
import { present } from './present.ts'
import type { BackendConfig, ProbeConfig, RetriesConfig, StickyConfig } from './proxy-config.ts'

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const COUNT_MAX = 1_000_000
const NAMES = Object.keys(ALGORITHMS) as Algorithm[]

/** One entry of `backends`. */
export function decodeBackend(name: string, node: ConfigNode): BackendConfig | undefined {
  const fields = node.fields([
    'endpoints',
    'balance',
    'hash',
    'sticky',
    'slowStart',
    'zone',
    'panicThreshold',
    'timeouts',
    'retries',
    'outlierDetection',
    'limits',
    'tls',
    'proxyProtocol',
    'protocol',
    'probe',
  ])
  if (fields === undefined) return undefined
  const algorithm = fields.balance.isAbsent ? DEFAULT_ALGORITHM : fields.balance.oneOf(NAMES)
  const key = ifGiven(fields.hash, decodeKey)
  if (key !== undefined && algorithm !== undefined && !usesKey(algorithm)) {
    fields.hash.fault(`has no effect with balance ${algorithm}: choose ${NAMES.filter(usesKey).join(' or ')}`)
  }
  const probe = ifGiven(fields.probe, decodeProbe)
  if (probe !== undefined && algorithm !== undefined && algorithm !== 'prequal') {
    fields.probe.fault(`has no effect with balance ${algorithm}: choose prequal`)
  }
  checkProtocol(fields.protocol, !fields.tls.isAbsent, !fields.proxyProtocol.isAbsent)
  return {
    name,
    endpoints: decodeEndpoints(fields.endpoints),
    algorithm: algorithm ?? DEFAULT_ALGORITHM,
    ...present({
      key,
      probe,
      sticky: ifGiven(fields.sticky, decodeSticky),
      slowStart: ifGiven(fields.slowStart, decodeSlowStart),
      zone: ifGiven(fields.zone, (zone) => zone.text('the name of the zone that this proxy is in')),
      panicThreshold: ifGiven(fields.panicThreshold, (threshold) => threshold.number(0, 1)),
      timeouts: ifGiven(fields.timeouts, decodeTimeouts),
      retries: ifGiven(fields.retries, decodeRetries),
      outlierDetection: ifGiven(fields.outlierDetection, decodeOutlierDetection),
      limits: ifGiven(fields.limits, decodeLimits),
      tls: ifGiven(fields.tls, decodeBackendTls),
      proxyProtocol: ifGiven(fields.proxyProtocol, (version) => version.oneOf(['v1', 'v2'])),
      protocol: ifGiven(fields.protocol, (protocol) => protocol.oneOf(UPSTREAM_PROTOCOLS)),
    }),
  }
}

function checkProtocol(node: ConfigNode, hasTls: boolean, hasHeader: boolean): void {
  if (node.value === 'h2' && !hasTls) node.fault('h2 needs tls; HTTP/2 without it is h2c')
  if (node.value === 'h2c' && hasTls) node.fault('h2c is without tls; with it the protocol is h2')
  if (hasHeader && (node.value === 'h2' || node.value === 'h2c')) {
    node.fault('carries the requests of many clients on one connection, and proxyProtocol is for one client only')
  }
}

function decodeEndpoints(node: ConfigNode): readonly EndpointOptions[] {
  const seen = new Map<string, string>()
  const endpoints: EndpointOptions[] = []
  for (const item of node.items('addresses such as 127.0.0.1:9001') ?? []) {
    const endpoint = decodeEndpoint(item)
    if (endpoint === undefined) continue
    const name = `${endpoint.address}:${endpoint.port}`
    const first = seen.get(name)
    if (first !== undefined) item.fault(`${name} is there already, as ${first}; say it once, with a weight`)
    seen.set(name, first ?? item.path)
    endpoints.push(endpoint)
  }
  return endpoints
}

function decodeEndpoint(node: ConfigNode): EndpointOptions | undefined {
  if (typeof node.value === 'string') return toEndpoint(node)
  const fields = node.fields(['address', 'weight', 'zone', 'drain'])
  if (fields === undefined) return undefined
  const endpoint = toEndpoint(fields.address)
  const rest = present({
    weight: ifGiven(fields.weight, (weight) => weight.integer(0, COUNT_MAX)),
    zone: ifGiven(fields.zone, (zone) => zone.text('the name of a zone')),
    terminating: ifGiven(fields.drain, (drain) => drain.boolean()),
  })
  return endpoint === undefined ? undefined : { ...endpoint, ...rest }
}

function toEndpoint(node: ConfigNode): EndpointOptions | undefined {
  const address = node.address(1)
  return address === undefined ? undefined : { address: address.host, port: address.port }
}

function decodeKey(node: ConfigNode): KeySource | undefined {
  if (node.value === 'address') return { from: 'address' }
  if (typeof node.value === 'string') return node.fault('must be address, or {header: name}, or {cookie: name}')
  const fields = node.fields(['header', 'cookie'])
  if (fields === undefined) return undefined
  if (fields.header.isAbsent === fields.cookie.isAbsent) {
    return node.fault('must be address, or {header: name}, or {cookie: name}')
  }
  const from = fields.header.isAbsent ? 'cookie' : 'header'
  const name = fields[from].text(`the name of a ${from}`, TOKEN)
  return name === undefined ? undefined : { from, name }
}

function decodeSticky(node: ConfigNode): StickyConfig | undefined {
  const fields = node.fields(['cookie', 'header', 'path', 'maxAge', 'secret'])
  if (fields === undefined) return undefined
  if (fields.header.isAbsent === fields.cookie.isAbsent) return node.fault('must have either cookie or header')
  const by = fields.header.isAbsent ? 'cookie' : 'header'
  const name = fields[by].text(`the name of a ${by}`, TOKEN)
  if (by === 'header') {
    for (const field of [fields.path, fields.maxAge]) if (!field.isAbsent) field.fault('is for cookies only')
  }
  const rest = present({
    path: ifGiven(fields.path, (path) => path.text('a path that starts with /', /^\/[!-:<-~]*$/)),
    maxAgeMs: ifGiven(fields.maxAge, (age) => age.duration()),
    secret: ifGiven(fields.secret, (secret) => secret.text('a text of 16 characters or more', /^.{16,1024}$/)),
  })
  return name === undefined ? undefined : { by, name, ...rest }
}

function decodeProbe(node: ConfigNode): ProbeConfig | undefined {
  const pathOf = (field: ConfigNode): string | undefined => field.text('a path that starts with /', /^\/[!-~]*$/)
  if (typeof node.value === 'string') {
    const path = pathOf(node)
    return path === undefined ? undefined : { path }
  }
  const fields = node.fields(['path', 'perRequest', 'perSecond', 'timeout'])
  const path = fields?.path === undefined ? undefined : pathOf(fields.path)
  if (fields === undefined || path === undefined) return undefined
  return {
    path,
    ...present({
      perRequest: ifGiven(fields.perRequest, (count) => count.number(0.01, 16)),
      perSecond: ifGiven(fields.perSecond, (count) => count.number(1, 100_000)),
      timeoutMs: ifGiven(fields.timeout, (time) => time.duration()),
    }),
  }
}

function decodeSlowStart(node: ConfigNode): SlowStart | undefined {
  if (typeof node.value === 'string') {
    const windowMs = node.duration()
    return windowMs === undefined ? undefined : { windowMs }
  }
  const fields = node.fields(['window', 'aggression', 'minimum'])
  const windowMs = fields?.window.duration()
  if (fields === undefined || windowMs === undefined) return undefined
  return {
    windowMs,
    ...present({
      aggression: ifGiven(fields.aggression, (aggression) => aggression.number(0.01, 100)),
      minimum: ifGiven(fields.minimum, (minimum) => minimum.number(0.001, 1)),
    }),
  }
}

function decodeTimeouts(node: ConfigNode): Partial<UpstreamTimeouts> | undefined {
  const fields = node.fields(['connect', 'response', 'request', 'idle'])
  if (fields === undefined) return undefined
  const read = (field: ConfigNode): number | undefined => ifGiven(field, (time) => time.duration())
  return present({
    connectMs: read(fields.connect),
    responseMs: read(fields.response),
    requestMs: read(fields.request),
    idleMs: read(fields.idle),
  })
}

function decodeRetries(node: ConfigNode): RetriesConfig | undefined {
  const fields = node.fields(['max', 'perTry', 'statuses', 'backoff', 'budget'])
  if (fields === undefined) return undefined
  const budget = ifGiven(fields.budget, (given) => {
    const parts = given.fields(['ratio', 'minimumPerSecond', 'window'])
    if (parts === undefined) return undefined
    return present({
      ratio: ifGiven(parts.ratio, (ratio) => ratio.number(0.001, 1)),
      minimumPerSecond: ifGiven(parts.minimumPerSecond, (minimum) => minimum.number(0, COUNT_MAX)),
      ttlMs: ifGiven(parts.window, (window) => window.duration()),
    })
  })
  return present({
    max: ifGiven(fields.max, (max) => max.integer(0, 10)),
    perTryMs: ifGiven(fields.perTry, (time) => time.duration()),
    statuses: ifGiven(fields.statuses, decodeRetryStatuses),
    backoff: ifGiven(fields.backoff, decodeBackoff),
    budget,
  })
}

function decodeRetryStatuses(node: ConfigNode): readonly number[] | undefined {
  const statuses = node.items('statuses such as 503')?.map((item) => item.integer(500, 599))
  return statuses?.every((status) => status !== undefined) === true ? statuses : undefined
}

function decodeBackoff(node: ConfigNode): Backoff | undefined {
  const fields = node.fields(['base', 'max'])
  const baseMs = fields?.base.duration()
  const maxMs = fields?.max.duration()
  if (baseMs === undefined || maxMs === undefined) return undefined
  if (maxMs < baseMs) return node.fault('base must not be longer than max')
  return { baseMs, maxMs }
}

function decodeOutlierDetection(node: ConfigNode): OutlierDetectionOptions | false | undefined {
  if (node.value === false) return false
  const fields = node.fields([
    'consecutiveFailures',
    'interval',
    'baseEjection',
    'maxEjection',
    'maxEjectedShare',
    'deviations',
    'endpointsMin',
    'requestsMin',
  ])
  if (fields === undefined) return undefined
  return present({
    consecutiveFailures: ifGiven(fields.consecutiveFailures, (count) => count.integer(0, COUNT_MAX)),
    intervalMs: ifGiven(fields.interval, (time) => time.duration()),
    baseEjectionMs: ifGiven(fields.baseEjection, (time) => time.duration()),
    maxEjectionMs: ifGiven(fields.maxEjection, (time) => time.duration()),
    maxEjectedShare: ifGiven(fields.maxEjectedShare, (share) => share.number(0, 1)),
    deviations: ifGiven(fields.deviations, (deviations) => deviations.number(0, 100)),
    endpointsMin: ifGiven(fields.endpointsMin, (count) => count.integer(1, COUNT_MAX)),
    requestsMin: ifGiven(fields.requestsMin, (count) => count.integer(1, COUNT_MAX)),
  })
}

function decodeLimits(node: ConfigNode): CircuitLimits | undefined {
  const fields = node.fields(['connections', 'requests'])
  if (fields === undefined) return undefined
  const read = (field: ConfigNode): number | undefined => ifGiven(field, (count) => count.integer(1, COUNT_MAX))
  return present({ connections: read(fields.connections), requests: read(fields.requests) })
}
