import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { type Exchange, gather } from './exchange.ts'

const EMPTY = new Uint8Array(0)
/** A connection whose request was answered before it was read to its end stays this long for the client to notice. */
const LINGER_MS = 1_000

/** Lower-case names; repeated headers are joined with `, `. */
export function headersOf(message: IncomingMessage): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = { __proto__: null } as never
  for (const name in message.headers) {
    const value = message.headers[name]
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

/** HTTP/1.1 (RFC 9112), one request at a time on a connection. */
export class Http1Exchange implements Exchange {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly socket: TLSSocket
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  /** All of the answer has been handed over. */
  #ended = false

  constructor(request: IncomingMessage, response: ServerResponse, headers = headersOf(request)) {
    this.method = request.method ?? ''
    this.url = request.url ?? ''
    this.headers = headers
    this.socket = request.socket as TLSSocket
    this.#request = request
    this.#response = response
  }

  readBody(bytesMax: number): Promise<Uint8Array | undefined> {
    const { headers } = this
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined)
      return Promise.resolve(EMPTY)
    if (Number(headers['content-length'] ?? 0) > bytesMax) return Promise.resolve(undefined)
    return gather(this.#request, bytesMax)
  }

  answer(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | undefined): void {
    const response = this.#response
    this.#ended = true
    this.#closeIfUnread()
    response.writeHead(status, { ...headers, 'content-length': String(body?.length ?? 0) })
    response.end(body ?? EMPTY)
  }

  begin(status: number, headers: Readonly<Record<string, string>>): void {
    this.#closeIfUnread()
    this.#response.writeHead(status, headers)
    // The first byte of a watch may be long in coming.
    this.#response.flushHeaders()
  }

  write(chunk: Uint8Array): boolean {
    return this.#response.write(chunk)
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#response.off('drain', done)
        this.#response.off('close', done)
        resolve()
      }
      this.#response.once('drain', done)
      this.#response.once('close', done)
      if (this.#response.destroyed) done()
    })
  }

  end(): void {
    this.#ended = true
    this.#response.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  onClose(callback: (complete: boolean) => void): void {
    this.#response.once('close', () => callback(this.#ended))
  }

  /** What is left of the request would be taken for the next one, or would have to be read for nothing. */
  #closeIfUnread(): void {
    const { headers } = this
    const expected = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    if (!expected || this.#request.readableEnded) return
    this.#response.setHeader('connection', 'close')
    this.#response.once('finish', () => setTimeout(() => this.socket.destroy(), LINGER_MS).unref())
  }
}
