import { HttpBody } from './http-body.ts'

const HEAD_BYTES_MAX = 16 * 1024
const METHODS_SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

interface Head {
  readonly start: string
  readonly fields: ReadonlyMap<string, string>
  /** Where the body begins. */
  readonly end: number
}

/**
 * Follows what the two sides of a connection say to each other as far as needed to know two things: whether the
 * connection stands between two HTTP/1.1 exchanges, and whether a request is unanswered and may be sent again. Whatever
 * is not plain HTTP/1.1, or leaves the least doubt, is `unknown` until a request begins anew: bodies that end with the
 * connection, upgrades, interim responses, pipelined requests, heads in pieces, authentication of connections.
 * Looked at only when an endpoint is going away, never on the hot path.
 */
export class HttpExchange {
  #isKnown = true
  #isSafe = false
  #isHead = false
  #keepsAlive = true
  #request: HttpBody | undefined
  #response: HttpBody | undefined
  #serverSpokeLast: boolean

  /** `serverSpokeLast`: who was heard last before this one begins to listen. */
  constructor(serverSpokeLast: boolean, isKnown = true) {
    this.#serverSpokeLast = serverSpokeLast
    this.#isKnown = isKnown
  }

  /** Every request has been answered in full, and both sides mean to go on. */
  get isIdle(): boolean {
    return this.#isKnown && this.#request?.isDone === true && this.#response?.isDone === true && this.#keepsAlive
  }

  /** One whole request that changes nothing on the server (RFC 9110 §9.2.1) waits for the first byte of its answer. */
  get isRepeatable(): boolean {
    return this.#isKnown && this.#request?.isDone === true && this.#response === undefined && this.#isSafe
  }

  /** What the client has sent. */
  request(bytes: Uint8Array): void {
    const wasKnown = this.#isKnown
    const isNext = this.#serverSpokeLast && (!wasKnown || this.#response?.isDone === true)
    const isFirst = wasKnown && this.#request === undefined
    this.#serverSpokeLast = false
    if (isNext || isFirst) this.#beginRequest(bytes)
    else if (wasKnown) this.#isKnown = this.#request?.follow(bytes, 0) === true
    // The answer before may not be complete: only the beginning of the next one will tell.
    if (!wasKnown) this.#isSafe = false
  }

  /** What the server has sent. */
  response(bytes: Uint8Array): void {
    this.#serverSpokeLast = true
    if (!this.#isKnown) return
    if (this.#response === undefined) this.#beginResponse(bytes)
    else this.#isKnown = this.#response.follow(bytes, 0)
  }

  #beginRequest(bytes: Uint8Array): void {
    this.#response = undefined
    this.#request = undefined
    this.#isKnown = false
    const head = readHead(bytes)
    const method = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) \S+ HTTP\/1\.1$/.exec(head?.start ?? '')?.[1]
    if (head === undefined || method === undefined || method === 'CONNECT') return
    const { fields } = head
    const isConnectionBound = /^(ntlm|negotiate)\b/i.test(fields.get('authorization') ?? '')
    if (fields.has('upgrade') || fields.has('expect') || isConnectionBound) return
    this.#keepsAlive = !says(fields, 'close')
    this.#isSafe = METHODS_SAFE.has(method)
    this.#isHead = method === 'HEAD'
    const hasBody = fields.has('content-length') || fields.has('transfer-encoding')
    const body = hasBody ? bodyOf(fields) : new HttpBody(0)
    this.#request = body
    this.#isKnown = body?.follow(bytes, head.end) === true
  }

  #beginResponse(bytes: Uint8Array): void {
    // A response before the end of its request leaves it open whether the rest will be read.
    const response = this.#request?.isDone === true ? readResponse(bytes, this.#isHead) : undefined
    this.#isKnown = response !== undefined
    this.#response = response?.body
    if (response?.keepsAlive === false) this.#keepsAlive = false
  }
}

/** Whether these bytes are one whole response to something other than HEAD, after which the connection goes on. */
export function isWholeResponse(bytes: Uint8Array): boolean {
  const response = readResponse(bytes, false)
  return response?.body.isDone === true && response.keepsAlive
}

function readResponse(
  bytes: Uint8Array,
  isHead: boolean,
): { readonly body: HttpBody; readonly keepsAlive: boolean } | undefined {
  const head = readHead(bytes)
  const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(head?.start ?? '')?.[1])
  if (head === undefined || !(status >= 200)) return undefined
  const isEmpty = isHead || status === 204 || status === 304
  const body = isEmpty ? new HttpBody(0) : bodyOf(head.fields)
  if (body?.follow(bytes, head.end) !== true) return undefined
  return { body, keepsAlive: !head.fields.has('upgrade') && !says(head.fields, 'close') }
}

/** The head of a message that stands whole at the beginning of these bytes; undefined when it is not, or not strictly well-formed. */
function readHead(bytes: Uint8Array): Head | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD_BYTES_MAX)).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [start = '', ...lines] = text.slice(0, end).split('\r\n')
  const fields = new Map<string, string>()
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line)
    if (match === null) return undefined
    const name = match[1]!.toLowerCase()
    const value = match[2]!
    const before = fields.get(name)
    fields.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return { start, fields, end: end + 4 }
}

function says(fields: ReadonlyMap<string, string>, option: string): boolean {
  const options = (fields.get('connection') ?? '').toLowerCase().split(',')
  return options.some((one) => one.trim() === option)
}

/** The body that the fields announce; undefined when they announce none, or contradict themselves. */
function bodyOf(fields: ReadonlyMap<string, string>): HttpBody | undefined {
  const length = fields.get('content-length')
  const coding = fields.get('transfer-encoding')
  if (coding !== undefined)
    return length === undefined && coding.toLowerCase() === 'chunked' ? new HttpBody('chunked') : undefined
  return length !== undefined && /^\d{1,15}$/.test(length) ? new HttpBody(Number(length)) : undefined
}
