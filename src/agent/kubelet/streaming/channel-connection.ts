import { Readable, Writable } from 'node:stream'
import type { WebSocket } from 'ws'
import { type ChannelProtocol, channelMessage, readChannelMessage } from './channel-protocol.ts'

/** What is held of a channel that nobody reads before the whole connection waits for it. */
const BUFFER_BYTES = 256 * 1024

/** One WebSocket as several streams. Inputs hold the connection up while one of them is full; outputs wait for the socket. */
export class ChannelConnection {
  /** Aborts when the connection is over, from either side. */
  readonly gone: AbortSignal
  readonly #socket: WebSocket
  readonly #protocol: ChannelProtocol
  readonly #inputs = new Map<number, Readable>()
  readonly #full = new Set<number>()

  constructor(socket: WebSocket, protocol: ChannelProtocol) {
    this.#socket = socket
    this.#protocol = protocol
    const gone = new AbortController()
    this.gone = gone.signal
    socket.on('message', (data) => this.#take(data as Buffer))
    // An invalid frame; `close` follows.
    socket.on('error', () => {})
    socket.on('close', () => {
      gone.abort()
      for (const input of this.#inputs.values()) input.destroy()
    })
  }

  input(channel: number): Readable {
    const input = new Readable({
      highWaterMark: BUFFER_BYTES,
      read: () => {
        if (this.#full.delete(channel) && this.#full.size === 0) this.#socket.resume()
      },
      destroy: (error, done) => {
        if (this.#full.delete(channel) && this.#full.size === 0) this.#socket.resume()
        done(error)
      },
    })
    input.on('error', () => {})
    this.#inputs.set(channel, input)
    return input
  }

  output(channel: number): Writable {
    const output = new Writable({
      highWaterMark: 64 * 1024,
      write: (chunk: Buffer, _encoding, done) => this.send(channel, chunk, done),
    })
    output.on('error', () => {})
    this.gone.addEventListener('abort', () => output.destroy(), { once: true })
    return output
  }

  /** Sends one message; calls back when the connection has taken it. */
  send(channel: number, data: Uint8Array, done: (error?: Error | null) => void = () => {}): void {
    this.#socket.send(channelMessage(this.#protocol, channel, data), (error) => done(error ?? null))
  }

  close(): void {
    this.#socket.close(1000)
  }

  #take(bytes: Buffer): void {
    const message = readChannelMessage(this.#protocol, bytes)
    const input = message === undefined ? undefined : this.#inputs.get(message.channel)
    if (message === undefined || input === undefined || input.destroyed || input.readableEnded) return
    if (message.kind === 'end') {
      this.#inputs.delete(message.channel)
      input.push(null)
    } else if (message.data.length > 0 && !input.push(message.data)) {
      this.#full.add(message.channel)
      this.#socket.pause()
    }
  }
}
