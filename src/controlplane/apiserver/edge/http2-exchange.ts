import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { type Exchange, gather } from './exchange.ts'

const EMPTY = new Uint8Array(0)

function headersOf(given: IncomingHttpHeaders): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = { __proto__: null } as never
  for (const name in given) {
    const value = given[name]
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

/** One stream of HTTP/2 (RFC 9113). Straight on the stream: node's HTTP/1-like objects cost a third of a small request. */
export class Http2Exchange implements Exchange {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly socket: TLSSocket
  readonly #stream: ServerHttp2Stream
  /** The request ended with its head. */
  readonly #bodiless: boolean
  /** All of the answer has been handed over; node also ends a stream that the client has reset. */
  #ended = false

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, socket: TLSSocket) {
    this.method = String(headers[':method'] ?? '')
    this.url = String(headers[':path'] ?? '')
    this.headers = headersOf(headers)
    this.socket = socket
    this.#stream = stream
    this.#bodiless = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    // Whatever ends a stream is seen by its 'close'.
    stream.on('error', () => {})
  }

  readBody(bytesMax: number): Promise<Uint8Array | undefined> {
    if (this.#bodiless) return Promise.resolve(EMPTY)
    if (Number(this.headers['content-length'] ?? 0) > bytesMax) return Promise.resolve(undefined)
    if (this.headers.expect?.toLowerCase() === '100-continue' && !this.#stream.headersSent)
      this.#stream.additionalHeaders({ ':status': 100 })
    return gather(this.#stream, bytesMax)
  }

  answer(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | undefined): void {
    const stream = this.#stream
    this.#ended = true
    if (stream.destroyed) return
    const bare = body === undefined || body.length === 0 || this.method === 'HEAD'
    stream.respond({ ...headers, ':status': status, 'content-length': body?.length ?? 0 }, { endStream: bare })
    if (!bare) stream.end(body)
    this.#stopUnread()
  }

  begin(status: number, headers: Readonly<Record<string, string>>): void {
    if (!this.#stream.destroyed) this.#stream.respond({ ...headers, ':status': status })
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.writable && this.#stream.write(chunk)
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done)
        this.#stream.off('close', done)
        resolve()
      }
      this.#stream.once('drain', done)
      this.#stream.once('close', done)
      if (this.#stream.destroyed) done()
    })
  }

  end(): void {
    this.#ended = true
    if (this.#stream.writable) this.#stream.end()
    this.#stopUnread()
  }

  destroy(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  onClose(callback: (complete: boolean) => void): void {
    this.#stream.once('close', () => callback(this.#ended))
  }

  /** RFC 9113 §8.1: whoever is answered before the end of his request is told to stop sending, without an error. */
  #stopUnread(): void {
    const stream = this.#stream
    if (this.#bodiless || stream.readableEnded) return
    stream.once('finish', () => {
      if (!stream.readableEnded && !stream.closed) stream.close(constants.NGHTTP2_NO_ERROR)
    })
  }
}
