/**
 * The value of cookie `name` in a Cookie header (RFC 6265 §5.4); of several the first. undefined: there is none.
 * Several Cookie headers, which HTTP/2 allows, are to be joined with `; ` first (RFC 9113 §8.2.3).
 */
export function readCookie(header: string, name: string): string | undefined {
  for (let start = 0; start < header.length; ) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon < 0 ? header.length : semicolon
    const equals = header.indexOf('=', start)
    if (equals >= 0 && header.slice(start, equals).trim() === name) {
      const value = header.slice(equals + 1, end).trim()
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
    }
    start = end + 1
  }
  return undefined
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
