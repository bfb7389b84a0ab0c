const SPACE = 32
const TAB = 9
const QUOTE = 34
const SEMICOLON = 59
const EQUALS = 61

/**
 * Looks for one cookie in `Cookie` headers (RFC 6265 §5.4), as offsets, so that nothing is allocated for a request. Of
 * several with the name the first counts.
 */
export class CookieSearch {
  /** Where the value found lies, without quotes around it. */
  start = 0
  end = 0
  readonly #name: Uint8Array

  constructor(name: string) {
    this.#name = new Uint8Array(Buffer.from(name, 'latin1'))
  }

  /** Whether the header's value `b[from, to)` holds the cookie; if so `start` and `end` are set. */
  find(b: Uint8Array, from: number, to: number): boolean {
    for (let p = from; p < to; ) {
      let stop = p
      let equals = -1
      while (stop < to && b[stop] !== SEMICOLON) {
        if (equals === -1 && b[stop] === EQUALS) equals = stop
        stop++
      }
      if (equals !== -1 && this.#isName(b, p, equals)) {
        this.#take(b, equals + 1, stop)
        return true
      }
      p = stop + 1
    }
    return false
  }

  #isName(b: Uint8Array, from: number, to: number): boolean {
    const name = this.#name
    let start = from
    let end = to
    while (start < end && isBlank(b[start]!)) start++
    while (end > start && isBlank(b[end - 1]!)) end--
    if (end - start !== name.length) return false
    for (let i = 0; i < name.length; i++) if (b[start + i] !== name[i]) return false
    return true
  }

  #take(b: Uint8Array, from: number, to: number): void {
    let start = from
    let end = to
    while (start < end && isBlank(b[start]!)) start++
    while (end > start && isBlank(b[end - 1]!)) end--
    if (end - start >= 2 && b[start] === QUOTE && b[end - 1] === QUOTE) {
      start++
      end--
    }
    this.start = start
    this.end = end
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB
}

export interface SessionCookieOptions {
  /** Default `/`. */
  readonly path?: string
  /** Without it the cookie lasts as long as the browser's session. */
  readonly maxAgeMs?: number
  /** The client came by TLS. */
  readonly secure: boolean
}

/** Set-Cookie's value for a session that sticks; out of reach of the page's scripts. */
export function sessionCookie(name: string, value: string, options: SessionCookieOptions): string {
  const { path = '/', maxAgeMs, secure } = options
  const lasts = maxAgeMs === undefined ? '' : `; Max-Age=${Math.ceil(maxAgeMs / 1_000)}`
  return `${name}=${value}; Path=${path}${lasts}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
}
