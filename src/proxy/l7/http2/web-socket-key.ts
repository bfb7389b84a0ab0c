import { createHash, randomBytes } from 'node:crypto'

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** What proves that a server understood an upgrade to WebSocket. HTTP/2 needs no such proof, so the proxy asks itself. */
export class WebSocketKey {
  readonly #key = randomBytes(16).toString('base64')

  /** Whole header lines for the request. */
  lines(): Uint8Array {
    return new Uint8Array(Buffer.from(`Sec-WebSocket-Key: ${this.#key}\r\n`, 'latin1'))
  }

  /** Whether `accept` is the right answer. */
  isProof(accept: string): boolean {
    return accept === createHash('sha1').update(`${this.#key}${GUID}`).digest('base64')
  }
}
