/** Why a connection's first bytes are no TLS that can be routed. */
export const CLIENT_HELLO_REFUSALS = ['no-tls', 'client-hello-too-long', 'bad-client-hello'] as const
export type ClientHelloRefusal = (typeof CLIENT_HELLO_REFUSALS)[number]

export type ClientHelloReading =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly reason: ClientHelloRefusal }
  /** `serverName` in lower case; undefined when the client names none. */
  | { readonly kind: 'read'; readonly serverName: string | undefined }

/** Hellos with post-quantum keys take about 1,800 bytes; more than this is refused. */
export const CLIENT_HELLO_BYTES_MAX = 16 * 1024
/** Records without content are allowed nowhere in a handshake (RFC 8446 §5.1), so each takes six bytes at least. */
const RECORD_HEAD_BYTES = 5
const RECORD_BYTES_MAX = 16 * 1024
const HANDSHAKE_HEAD_BYTES = 4
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const NAME_BYTES_MAX = 253
const HOST = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/

const INCOMPLETE: ClientHelloReading = { kind: 'incomplete' }
const NO_TLS: ClientHelloReading = { kind: 'refused', reason: 'no-tls' }
const TOO_LONG: ClientHelloReading = { kind: 'refused', reason: 'client-hello-too-long' }
const BAD: ClientHelloReading = { kind: 'refused', reason: 'bad-client-hello' }

/**
 * Reads the ClientHello (RFC 8446 §4.1.2) that a TLS connection begins with from all bytes that have arrived so far, put
 * together from as many records as it takes. Once it is not `incomplete`, more bytes do not change what it says.
 */
export function readClientHello(b: Uint8Array): ClientHelloReading {
  const hello = new Uint8Array(CLIENT_HELLO_BYTES_MAX)
  let known = 0
  let needed = HANDSHAKE_HEAD_BYTES
  for (let at = 0; ; ) {
    if (at < b.length && b[at] !== HANDSHAKE) return at === 0 ? NO_TLS : BAD
    if (at + 1 < b.length && b[at + 1] !== 3) return at === 0 ? NO_TLS : BAD
    if (at + RECORD_HEAD_BYTES > b.length) return INCOMPLETE
    const size = b[at + 3]! * 256 + b[at + 4]!
    if (size === 0 || size > RECORD_BYTES_MAX) return BAD
    const start = at + RECORD_HEAD_BYTES
    // What follows the hello in its record is none of our business, and may be more than there is room for.
    const taken = Math.min(size, b.length - start, hello.length - known)
    hello.set(b.subarray(start, start + taken), known)
    known += taken
    if (known > 0 && hello[0] !== CLIENT_HELLO) return BAD
    if (known >= HANDSHAKE_HEAD_BYTES) {
      needed = HANDSHAKE_HEAD_BYTES + hello[1]! * 65_536 + hello[2]! * 256 + hello[3]!
      if (needed > CLIENT_HELLO_BYTES_MAX) return TOO_LONG
      if (known >= needed) return parseHello(hello.subarray(HANDSHAKE_HEAD_BYTES, needed))
    }
    if (start + size > b.length) return INCOMPLETE
    at = start + size
  }
}

/** Reads lengths and what they say the length of, in order. After a step beyond the end all further ones fail. */
class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** -1 beyond the end. */
  number(size: 1 | 2): number {
    const bytes = this.take(size)
    if (bytes === undefined) return -1
    return size === 1 ? bytes[0]! : bytes[0]! * 256 + bytes[1]!
  }

  take(count: number): Uint8Array | undefined {
    const start = this.#at
    if (count < 0 || start + count > this.#bytes.length) {
      this.#at = Number.POSITIVE_INFINITY
      return undefined
    }
    this.#at = start + count
    return this.#bytes.subarray(start, start + count)
  }

  /** Bytes behind their length. */
  vector(size: 1 | 2): Uint8Array | undefined {
    return this.take(this.number(size))
  }
}

function parseHello(bytes: Uint8Array): ClientHelloReading {
  const cursor = new Cursor(bytes)
  const version = cursor.number(2)
  cursor.take(32)
  const session = cursor.vector(1)
  const ciphers = cursor.vector(2)
  const compressions = cursor.vector(1)
  if (session === undefined || ciphers === undefined || compressions === undefined) return BAD
  if (version >> 8 !== 3 || session.length > 32) return BAD
  if (ciphers.length < 2 || ciphers.length % 2 !== 0 || compressions.length === 0) return BAD
  // TLS 1.2 allows for none at all.
  if (cursor.isAtEnd) return { kind: 'read', serverName: undefined }
  const extensions = cursor.vector(2)
  if (extensions === undefined || !cursor.isAtEnd) return BAD
  return parseExtensions(new Cursor(extensions))
}

function parseExtensions(cursor: Cursor): ClientHelloReading {
  const seen = new Set<number>()
  let serverName: string | undefined
  while (!cursor.isAtEnd) {
    const type = cursor.number(2)
    const content = cursor.vector(2)
    // Twice the same one could be read as one or as the other.
    if (content === undefined || seen.has(type)) return BAD
    seen.add(type)
    if (type !== SERVER_NAME) continue
    serverName = parseServerName(new Cursor(content))
    if (serverName === undefined) return BAD
  }
  return { kind: 'read', serverName }
}

/** RFC 6066 §3. One name; there have never been other types, and lists of several are a way to mean two things. */
function parseServerName(cursor: Cursor): string | undefined {
  const list = cursor.vector(2)
  if (list === undefined || !cursor.isAtEnd) return undefined
  const names = new Cursor(list)
  if (names.number(1) !== HOST_NAME) return undefined
  const name = names.vector(2)
  if (name === undefined || !names.isAtEnd || name.length > NAME_BYTES_MAX) return undefined
  const text = Buffer.from(name).toString('latin1').toLowerCase()
  return HOST.test(text) ? text : undefined
}
