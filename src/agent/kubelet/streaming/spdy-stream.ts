import { Duplex } from 'node:stream'

/** How a stream reaches its session. */
export interface SpdyStreamPort {
  /** Hands over data of any length; calls back when the connection has taken it. */
  send(data: Uint8Array, fin: boolean, done: (error?: Error | null) => void): void
  /** The stream is over on this side: whole, or broken off. */
  closed(whole: boolean): void
}

/** What is held of a stream that nobody reads before its whole session waits for it. */
const BUFFER_BYTES = 256 * 1024

/** One stream of a SPDY session. Each direction ends for itself; to destroy it before both ended resets it. */
export class SpdyStream extends Duplex {
  readonly id: number
  /** What the client opened it with; names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly #port: SpdyStreamPort
  #onRoom: () => void = () => {}
  #inputOver = false
  #outputOver = false

  constructor(id: number, headers: ReadonlyMap<string, string>, port: SpdyStreamPort) {
    super({ readableHighWaterMark: BUFFER_BYTES, writableHighWaterMark: 64 * 1024 })
    this.id = id
    this.headers = headers
    this.#port = port
    // Breaking off is told by `close`; nobody has to listen for how.
    this.on('error', () => {})
  }

  /** Data from the client. A promise when there is no more room: nothing else may come before it resolves. */
  deliver(data: Buffer, fin: boolean): Promise<void> | undefined {
    if (this.destroyed || this.#inputOver) return undefined
    const hasRoom = data.length === 0 || this.push(data)
    if (fin) {
      this.#inputOver = true
      this.push(null)
      return undefined
    }
    if (hasRoom) return undefined
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }

  /** The client broke the stream off. */
  reset(): void {
    this.#inputOver = true
    this.#outputOver = true
    this.destroy()
  }

  override _read(): void {
    this.#onRoom()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#port.send(chunk, false, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#outputOver = true
    this.#port.send(Buffer.alloc(0), true, done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#onRoom()
    this.#port.closed(this.#inputOver && this.#outputOver)
    done(error)
  }
}
