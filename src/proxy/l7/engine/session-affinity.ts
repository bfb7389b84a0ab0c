import type { BalancedEndpoint } from '../../balance/balanced-endpoint.ts'
import { CookieSearch, sessionCookie } from '../../balance/session-cookie.ts'
import { StickySessions } from '../../balance/sticky-sessions.ts'
import { bytesOf } from '../http1/field-values.ts'
import { findLine } from '../http1/find-line.ts'
import { HEADER } from '../http1/header-ids.ts'
import type { RequestHead } from '../http1/request-head.ts'

export interface AffinityOptions {
  /** Clients send the token back in a cookie or, if they are told to, in a header. */
  readonly by: 'cookie' | 'header'
  readonly name: string
  /** Cookies only; see `SessionCookieOptions`. */
  readonly path?: string
  readonly maxAgeMs?: number
  /** The same on every proxy that is to understand the tokens. */
  readonly secret: string | Uint8Array
}

/** Sessions that stick to their endpoint, read from requests and written to responses as bytes. */
export class SessionAffinity {
  readonly #options: AffinityOptions
  readonly #sessions: StickySessions
  readonly #cookie: CookieSearch | undefined
  readonly #header: Uint8Array
  readonly #plainLines = new WeakMap<BalancedEndpoint, Uint8Array>()
  readonly #secureLines = new WeakMap<BalancedEndpoint, Uint8Array>()

  constructor(options: AffinityOptions) {
    this.#options = options
    this.#sessions = new StickySessions(options.secret)
    this.#cookie = options.by === 'cookie' ? new CookieSearch(options.name) : undefined
    this.#header = bytesOf(options.name.toLowerCase())
  }

  /** The endpoint that the request's session belongs to; undefined: it has none, or that one is gone. */
  endpointOf(head: RequestHead, b: Uint8Array, all: readonly BalancedEndpoint[]): BalancedEndpoint | undefined {
    const { lines } = head
    const cookie = this.#cookie
    if (cookie === undefined) {
      const line = findLine(lines, b, this.#header)
      return line === -1 ? undefined : this.#sessions.find(b, lines.valueStart[line]!, lines.valueEnd[line]!, all)
    }
    for (let i = 0; i < lines.count; i++) {
      if (lines.ids[i] !== HEADER.cookie) continue
      if (cookie.find(b, lines.valueStart[i]!, lines.valueEnd[i]!)) {
        return this.#sessions.find(b, cookie.start, cookie.end, all)
      }
    }
    return undefined
  }

  /** The whole header line that tells a client where its session is. Made once for each endpoint. */
  line(endpoint: BalancedEndpoint, secure: boolean): Uint8Array {
    const lines = secure ? this.#secureLines : this.#plainLines
    const known = lines.get(endpoint)
    if (known !== undefined) return known
    const { by, name, path, maxAgeMs } = this.#options
    const token = this.#sessions.token(endpoint)
    const cookie = { secure, ...(path === undefined ? {} : { path }), ...(maxAgeMs === undefined ? {} : { maxAgeMs }) }
    const line = bytesOf(
      by === 'cookie' ? `Set-Cookie: ${sessionCookie(name, token, cookie)}\r\n` : `${name}: ${token}\r\n`,
    )
    lines.set(endpoint, line)
    return line
  }
}
