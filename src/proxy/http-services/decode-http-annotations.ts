import type { Service } from '../../api/types/core-v1.gen.ts'
import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHM, usesKey } from '../balance/algorithms.ts'
import type { KeySource } from '../l7/engine/request-key.ts'
import { ANNOTATION_PREFIX, type HttpAnnotation } from './http-annotations.ts'
import type { HttpPortOptions } from './http-port-options.ts'
import type { HttpProtocol } from './http-protocol.ts'

const NAMES = Object.keys(ALGORITHMS) as Algorithm[]
/** RFC 9110 §5.6.2; names of headers and cookies alike. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
/** Longer than any timer of Node takes: 24 days. */
const DURATION_MS_MAX = 2_000_000_000
const RETRIES = 2
const RETRIES_MAX = 10
const LIMIT_MAX = 1_000_000
const VALUE_SHOWN_MAX = 64

export interface DecodedAnnotations {
  readonly options: HttpPortOptions
  /** Each names the annotation, its value and what is allowed. Where there is one, the default stands. */
  readonly mistakes: readonly string[]
}

/**
 * What a Service's annotations say of one of its HTTP ports: `wherry.dev/timeout: 10s` for all of them,
 * `wherry.dev/timeout.PORT` for the one of that name, which goes before.
 */
export function decodeHttpAnnotations(service: Service, port: string, protocol: HttpProtocol): DecodedAnnotations {
  const annotations = service.metadata?.annotations ?? {}
  const mistakes: string[] = []
  /** `read` gives undefined for what it does not take. */
  const decode = <T>(
    name: HttpAnnotation,
    otherwise: T,
    allowed: string,
    read: (value: string) => T | undefined,
  ): T => {
    const own = `${ANNOTATION_PREFIX}${name}.${port}`
    const key = port !== '' && Object.hasOwn(annotations, own) ? own : ANNOTATION_PREFIX + name
    const value = annotations[key]
    if (value === undefined) return otherwise
    const found = read(value.trim())
    if (found !== undefined) return found
    mistakes.push(mistake(key, value, `must be ${allowed}; the default holds`))
    return otherwise
  }
  const time = <T>(name: HttpAnnotation, otherwise: T): number | T =>
    decode<number | T>(name, otherwise, 'a time such as 500ms, 10s, 5m or 1h', readDuration)
  const count = (name: HttpAnnotation, least: number, most: number): number | undefined =>
    decode<number | undefined>(name, undefined, `a whole number from ${least} to ${most}`, (value) =>
      readInteger(value, least, most),
    )

  const algorithm = decode('algorithm', DEFAULT_ALGORITHM, `one of ${NAMES.join(', ')}`, readAlgorithm)
  const key = decode<KeySource>('hash', { from: 'address' }, 'address, header:NAME or cookie:NAME', readKey)
  if (key.from !== 'address') {
    const why = reasonAgainstKey(service, algorithm)
    if (why !== undefined) mistakes.push(mistake(`${ANNOTATION_PREFIX}hash`, `${key.from}:${key.name}`, why))
  }
  const options: HttpPortOptions = {
    protocol,
    algorithm,
    key,
    sticky: decode<HttpPortOptions['sticky']>('sticky', undefined, 'cookie:NAME or header:NAME', readSticky),
    secret: service.metadata?.uid ?? '',
    requestMs: time('timeout', Number.POSITIVE_INFINITY),
    perTryMs: time('per-try-timeout', undefined),
    retriesMax: count('retries', 0, RETRIES_MAX) ?? RETRIES,
    retryStatuses: decode('retry-on', [], 'statuses from 500 to 599 such as 502,503,504', readStatuses),
    ejectsOutliers: decode('outlier-detection', true, 'on or off', readSwitch),
    slowStartMs: time('slow-start', 0),
    connectionsMax: count('max-connections', 1, LIMIT_MAX),
    requestsMax: count('max-requests', 1, LIMIT_MAX),
  }
  return { options, mistakes }
}

/** One sentence for a person; a long value is shown in part. */
export function mistake(annotation: string, value: string, why: string): string {
  const shown = value.length > VALUE_SHOWN_MAX ? `${value.slice(0, VALUE_SHOWN_MAX)}…` : value
  return `annotation ${annotation} is ${JSON.stringify(shown)}: ${why}`
}

function reasonAgainstKey(service: Service, algorithm: Algorithm): string | undefined {
  if (service.spec?.sessionAffinity === 'ClientIP') return 'has no effect with sessionAffinity ClientIP'
  if (usesKey(algorithm)) return undefined
  return `has no effect with algorithm ${algorithm}: choose ${NAMES.filter(usesKey).join(' or ')}`
}

function readAlgorithm(value: string): Algorithm | undefined {
  return NAMES.find((name) => name === value)
}

/** Milliseconds. */
function readDuration(value: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(value)
  if (match === null) return undefined
  const ms = Number(match[1]) * UNIT_MS[match[2]!]!
  return ms > 0 && ms <= DURATION_MS_MAX ? ms : undefined
}

function readInteger(value: string, least: number, most: number): number | undefined {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  return number >= least && number <= most ? number : undefined
}

function readStatuses(value: string): readonly number[] | undefined {
  const statuses = value.split(',').map((status) => readInteger(status.trim(), 500, 599))
  return statuses.every((status) => status !== undefined) ? statuses : undefined
}

function readSwitch(value: string): boolean | undefined {
  return value === 'on' || value === 'true' ? true : value === 'off' || value === 'false' ? false : undefined
}

function readSticky(value: string): HttpPortOptions['sticky'] {
  const [by, name = '', ...rest] = value.split(':')
  if ((by !== 'cookie' && by !== 'header') || rest.length > 0 || !TOKEN.test(name)) return undefined
  return { by, name }
}

function readKey(value: string): KeySource | undefined {
  if (value === 'address') return { from: 'address' }
  const named = readSticky(value)
  return named === undefined ? undefined : { from: named.by, name: named.name }
}
