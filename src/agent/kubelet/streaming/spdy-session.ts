import type { Duplex } from 'node:stream'
import {
  DATA_BYTES_MAX,
  dataFrame,
  goAwayFrame,
  pingFrame,
  rstStreamFrame,
  SPDY_RESET,
  SpdyError,
  type SpdyFrame,
  SpdyFrameReader,
  synReplyFrame,
} from './spdy-frame.ts'
import { EmptyHeaderPacker, HeaderInflater } from './spdy-headers.ts'
import { SpdyStream } from './spdy-stream.ts'

export interface SpdySessionOptions {
  /** How many streams there may be at once. */
  readonly streamsMax: number
  /** Called for each stream the client opens, after it was accepted. */
  onStream(stream: SpdyStream): void
}

/**
 * The server's side of SPDY/3.1 over any connection. Frames are dealt with strictly one after the other. There is no
 * flow control, as in every Kubernetes client: a stream whose reader is behind holds up the connection once its buffer
 * is full, so memory stays bounded.
 */
export class SpdySession {
  readonly #connection: Duplex
  readonly #options: SpdySessionOptions
  readonly #streams = new Map<number, SpdyStream>()
  readonly #inflater = new HeaderInflater()
  readonly #packer = new EmptyHeaderPacker()
  #lastId = 0
  #closing = false

  constructor(connection: Duplex, options: SpdySessionOptions) {
    this.#connection = connection
    this.#options = options
  }

  /** Serves until the connection is over, from either side. Rejects when the client broke the protocol. */
  async run(): Promise<void> {
    const reader = new SpdyFrameReader()
    try {
      // Kept open after an error: the client is still to be told.
      for await (const chunk of this.#connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
        for (const frame of reader.push(chunk)) {
          const room = this.#take(frame)
          if (room !== undefined) await room
        }
      if (this.#connection.writable) this.#connection.end()
    } catch (error) {
      if (!(error instanceof SpdyError)) return
      if (this.#connection.writable)
        this.#connection.end(goAwayFrame(this.#lastId, 1), () => this.#connection.destroy())
      throw error
    } finally {
      this.#inflater.close()
      for (const stream of this.#streams.values()) stream.reset()
    }
  }

  /** Says that nothing more will come and ends the connection once all that was written is out. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    if (this.#connection.writable) this.#connection.end(goAwayFrame(this.#lastId, 0))
  }

  #take(frame: SpdyFrame): Promise<void> | undefined {
    switch (frame.kind) {
      case 'data': {
        const stream = this.#streams.get(frame.streamId)
        if (stream !== undefined) return stream.deliver(frame.data, frame.fin)
        // What was on its way when the stream ended here is dropped; a stream that never was is told so.
        if (frame.streamId > this.#lastId || frame.streamId === 0)
          this.#write(rstStreamFrame(frame.streamId, SPDY_RESET.invalidStream))
        return undefined
      }
      case 'synStream':
        return this.#open(frame.streamId, frame.block, frame.fin)
      case 'headers':
        return this.#inflater
          .read(frame.block)
          .then(() => this.#streams.get(frame.streamId)?.deliver(NOTHING, frame.fin))
      case 'rstStream':
        this.#streams.get(frame.streamId)?.reset()
        return undefined
      case 'ping':
        // Even numbers would answer pings of ours; there are none.
        if (frame.id % 2 === 1) this.#write(pingFrame(frame.id))
        return undefined
      case 'goAway':
      case 'ignored':
        return undefined
    }
  }

  async #open(id: number, block: Buffer, fin: boolean): Promise<void> {
    // Unpacked whatever comes of it: the blocks are one stream.
    const headers = await this.#inflater.read(block)
    if (id % 2 === 0 || id <= this.#lastId) throw new SpdyError(`stream ${id} after stream ${this.#lastId}`)
    this.#lastId = id
    if (this.#streams.size >= this.#options.streamsMax || this.#closing)
      return this.#write(rstStreamFrame(id, SPDY_RESET.refusedStream))
    const stream: SpdyStream = new SpdyStream(id, headers, {
      send: (data, end, done) => this.#send(id, data, end, done),
      closed: (whole) => {
        this.#streams.delete(id)
        if (!whole) this.#write(rstStreamFrame(id, SPDY_RESET.cancel))
      },
    })
    this.#streams.set(id, stream)
    this.#write(synReplyFrame(id, this.#packer.next()))
    this.#options.onStream(stream)
    if (fin) void stream.deliver(NOTHING, true)
  }

  #send(id: number, data: Uint8Array, fin: boolean, done: (error?: Error | null) => void): void {
    if (!this.#connection.writable) {
      done(new SpdyError('the connection is over'))
      return
    }
    let rest = data
    while (rest.length > DATA_BYTES_MAX) {
      this.#connection.write(dataFrame(id, rest.subarray(0, DATA_BYTES_MAX), false))
      rest = rest.subarray(DATA_BYTES_MAX)
    }
    this.#connection.write(dataFrame(id, rest, fin), done)
  }

  #write(frame: Buffer): void {
    if (this.#connection.writable) this.#connection.write(frame)
  }
}

const NOTHING = Buffer.alloc(0)
