import { HttpExchange, isWholeResponse } from './http-exchange.ts'
import type { ReadBuffer } from './read-buffers.ts'

const CLOSE = Buffer.from('onnection: close\r\n')

const NOBODY = 0
const CLIENT = 1
const SERVER = 2

/**
 * Remembers of a connection who spoke last and in how many reads each side said what it said last. That costs the hot
 * path two comparisons; what was said is looked at in the read buffers, where it still stands, only when it matters.
 */
export class ExchangeWatch {
  #speaker = NOBODY
  #requestReads = 0
  #responseReads = 0
  /** Follows every byte, while the endpoint is let go of. */
  #exchange: HttpExchange | undefined

  /** On this connection nothing was said yet, or nothing since it stood between two exchanges. */
  get isSilent(): boolean {
    return this.#speaker === NOBODY
  }

  /** The client spoke last: as far as can be told, it waits for an answer. */
  get isAnswerDue(): boolean {
    return this.#speaker === CLIENT
  }

  get isFollowing(): boolean {
    return this.#exchange !== undefined
  }

  /** Returns true when this begins what the client has to say next. */
  clientSpoke(bytes: Uint8Array): boolean {
    const begins = this.#speaker !== CLIENT
    if (begins) {
      this.#speaker = CLIENT
      this.#requestReads = 0
    }
    this.#requestReads += 1
    this.#exchange?.request(bytes)
    return begins
  }

  serverSpoke(bytes: Uint8Array): void {
    if (this.#speaker !== SERVER) {
      this.#speaker = SERVER
      this.#responseReads = 0
    }
    this.#responseReads += 1
    this.#exchange?.response(bytes)
  }

  /** The connection is with another endpoint now, which has heard nothing yet. */
  begin(): void {
    this.#speaker = NOBODY
    this.#responseReads = 0
    this.#exchange = undefined
  }

  /** From now on every byte is followed. */
  follow(client: ReadBuffer, server: ReadBuffer): void {
    this.#exchange ??= this.#lookBack(client, server)
  }

  unfollow(): void {
    this.#exchange = undefined
  }

  /** Whether the connection stands between two exchanges. */
  isIdle(client: ReadBuffer, server: ReadBuffer): boolean {
    if (this.#speaker !== SERVER) return false
    if (this.#exchange !== undefined) return this.#exchange.isIdle
    // Most connections that end are short and have said so: those are spared the look at every field.
    const { last } = server
    return (
      !Buffer.from(last.buffer, last.byteOffset, last.length).includes(CLOSE) && this.#lookBack(client, server).isIdle
    )
  }

  /** Whether the client's buffer holds one whole request that has no byte of an answer yet and may be sent again. */
  isRepeatable(client: ReadBuffer, server: ReadBuffer): boolean {
    if (this.#speaker !== CLIENT || this.#requestReads !== 1 || client.last.length === 0) return false
    return (this.#exchange ?? this.#lookBack(client, server)).isRepeatable
  }

  /** What the last reads tell, if each side said what it said last in one. */
  #lookBack(client: ReadBuffer, server: ReadBuffer): HttpExchange {
    const request = client.last
    const response = server.last
    const isRequestWhole = this.#requestReads === 1 && request.length > 0
    const isResponseWhole = this.#responseReads === 1 && response.length > 0
    if (this.#speaker === NOBODY) return new HttpExchange(false)
    const exchange = new HttpExchange(false)
    if (this.#speaker === SERVER) {
      if (!isRequestWhole || !isResponseWhole) return new HttpExchange(true, false)
      exchange.request(request)
      exchange.response(response)
      return exchange
    }
    // What was asked before must have been answered in full: else the rest of that answer is still to come.
    const isAnswered = this.#responseReads === 0 || (isResponseWhole && isWholeResponse(response))
    if (!isRequestWhole || !isAnswered) return new HttpExchange(false, false)
    exchange.request(request)
    return exchange
  }
}
