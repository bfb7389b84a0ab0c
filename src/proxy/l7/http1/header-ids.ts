import { LOWER } from './byte-classes.ts'

/** Headers that the proxy reads, writes or strips. Their place is their id; 0 is every other header. Below 32, so that a set of them is one integer. */
const NAMES = [
  '',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'expect',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy',
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-request-id',
  'traceparent',
  'tracestate',
  'authorization',
  'content-encoding',
  'content-type',
  'content-range',
  'cookie',
  'set-cookie',
] as const

export type HeaderName = Exclude<(typeof NAMES)[number], ''>

export const HEADER = Object.fromEntries(NAMES.map((name, i) => [name, i])) as Readonly<Record<HeaderName, number>>

/** A set of headers as bits. */
export function headerSet(...names: readonly HeaderName[]): number {
  return names.reduce((set, name) => set | (1 << HEADER[name]), 0)
}

const BYTES = NAMES.map((name) => Uint8Array.from(Buffer.from(name, 'latin1')))
const SLOTS = 512

/** Length, first and last two bytes tell all names above apart. */
function slotOf(b: Uint8Array, start: number, end: number): number {
  return (
    ((end - start) * 13 + LOWER[b[start]!]! * 29 + LOWER[b[end - 2]!]! * 11 + LOWER[b[end - 1]!]! * 5) & (SLOTS - 1)
  )
}

const ID_BY_SLOT = new Uint8Array(SLOTS)
for (let id = 1; id < BYTES.length; id++) {
  const name = BYTES[id]!
  const slot = slotOf(name, 0, name.length)
  if (ID_BY_SLOT[slot] !== 0) throw new Error(`${NAMES[id]} and ${NAMES[ID_BY_SLOT[slot]!]} share a slot`)
  ID_BY_SLOT[slot] = id
}

const UNDERSCORE = 95
const HYPHEN = 45
/** Set beside the id when the name was written with `_` for `-`. */
export const UNDERSCORED = 0x80

/**
 * The id of the name in `b[start, end)`; `_` counts as `-`, as it does for CGI-like backends, with `UNDERSCORED` where it
 * was so; 0 when it is none of ours.
 */
export function headerId(b: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 2) return 0
  const id = ID_BY_SLOT[slotOf(b, start, end)]!
  if (id === 0) return 0
  const name = BYTES[id]!
  if (name.length !== length) return 0
  let underscored = 0
  for (let i = 0; i < length; i++) {
    let byte = b[start + i]!
    if (byte === UNDERSCORE) {
      byte = HYPHEN
      underscored = UNDERSCORED
    }
    if (LOWER[byte] !== name[i]) return 0
  }
  return id | underscored
}
