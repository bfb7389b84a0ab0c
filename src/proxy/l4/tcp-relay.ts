import { Socket } from 'node:net'
import type { Clock, Millis } from '../../base/clock.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { endpointsForClient, needsClientAddress } from './admit-client.ts'
import type { Connections } from './connections.ts'
import { ReadBuffer } from './read-buffers.ts'
import { ACTIVE, BYTES_IN, BYTES_OUT, FAILED, OPENED, REFUSED, type ServicePort } from './service-port.ts'

/** What all relays of a data plane share. */
export interface RelayContext {
  readonly clock: Clock
  readonly connections: Connections
  nodeOf(client: string): string | undefined
}

/** How many endpoints a client's connection is tried on. */
const ATTEMPTS_MAX = 4
const KEEP_ALIVE_AFTER_MS = 60_000
/** Never reached: how much may be pending is decided here, and below the mark a stream spares a tick per write. */
const HIGH_WATER_MARK = 1 << 30
const NOTHING = new Uint8Array(0)

/**
 * One client's connection joined with one to an endpoint: bytes and ends of stream are passed on each way by itself,
 * resets both ways. A side that reads slowly stops the other from being read, so at most one read is ever pending each
 * way. While no endpoint has accepted, nothing is read from the client, so another endpoint can be tried.
 */
export class TcpRelay {
  /** When bytes moved last, or the connection attempt began; monotonic. */
  movedAt: Millis
  isConnecting = true
  readonly #context: RelayContext
  readonly #servicePort: ServicePort
  readonly #listener: Listener
  readonly #client: Socket
  readonly #clientAddress: string
  readonly #failed: Endpoint[] = []
  readonly #buffers: ReadBuffer[] = []
  #endpoint: Endpoint | undefined
  #upstream: Socket | undefined
  #open = 1
  #isKeptAlive = false

  /** `handle` is the accepted connection below `net.Socket`, not yet read from. */
  constructor(handle: object, listener: Listener, servicePort: ServicePort, context: RelayContext) {
    this.#context = context
    this.#listener = listener
    this.#servicePort = servicePort
    this.movedAt = context.clock.monotonic()
    servicePort.counts[OPENED]! += 1
    servicePort.counts[ACTIVE]! += 1
    this.#client = this.#socket(BYTES_IN, { handle, manualStart: true })
    this.#client.setNoDelay(true)
    this.#clientAddress = needsClientAddress(listener) ? (this.#client.remoteAddress ?? '') : ''
    this.#connect()
  }

  get isHalfClosed(): boolean {
    return this.#client.readableEnded || this.#upstream?.readableEnded === true
  }

  /** Resets both sides. */
  abort(): void {
    this.#client.resetAndDestroy()
    this.#upstream?.resetAndDestroy()
  }

  /** Asks the kernel to look after a connection that has lived for a while; short ones are spared the calls. */
  keepAlive(): void {
    if (this.#isKeptAlive) return
    this.#isKeptAlive = true
    this.#client.setKeepAlive(true, KEEP_ALIVE_AFTER_MS)
    this.#upstream?.setKeepAlive(true, KEEP_ALIVE_AFTER_MS)
  }

  connectTookTooLong(): void {
    if (this.isConnecting) this.#upstream?.destroy(new Error('the endpoint did not accept the connection in time'))
  }

  #connect(): void {
    const { nodeOf } = this.#context
    const from = endpointsForClient(this.#listener, this.#clientAddress, nodeOf)
    const tried = this.#failed.length
    const endpoint =
      tried < ATTEMPTS_MAX
        ? this.#servicePort.choose(this.#listener, from, this.#clientAddress, this.#failed)
        : undefined
    if (endpoint === undefined) {
      if (from.length === 0) this.#servicePort.counts[REFUSED]! += 1
      this.isConnecting = false
      this.#client.resetAndDestroy()
      return
    }
    this.#endpoint = endpoint
    this.isConnecting = true
    this.movedAt = this.#context.clock.monotonic()
    this.#context.connections.add(this, endpoint.address)
    const upstream = this.#socket(BYTES_OUT, {})
    this.#upstream = upstream
    this.#open += 1
    upstream.once('connect', () => {
      this.isConnecting = false
      this.movedAt = this.#context.clock.monotonic()
      if (this.#client.destroyed) upstream.resetAndDestroy()
      else this.#client.resume()
    })
    const { address: host, port } = endpoint
    const localAddress = this.#listener.keepSource && this.#clientAddress !== '' ? this.#clientAddress : undefined
    upstream.setNoDelay(true)
    upstream.connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) })
  }

  #socket(count: number, options: object): Socket {
    const buffer = new ReadBuffer()
    this.#buffers.push(buffer)
    // Asked for a buffer once while it is being made, when nothing has been read yet.
    let made: Socket | undefined
    const socket: Socket = new Socket({
      ...options,
      allowHalfOpen: true,
      highWaterMark: HIGH_WATER_MARK,
      onread: {
        buffer: () => (made !== undefined && this.#other(made)?.writableLength === 0 ? buffer.next() : buffer.current),
        callback: (bytes: number, from: Uint8Array) => this.#passOn(socket, count, bytes, from, buffer),
      },
    } as ConstructorParameters<typeof Socket>[0])
    made = socket
    socket.on('error', () => this.#onError(socket))
    socket.on('end', () => this.#other(socket)?.end())
    socket.on('close', () => this.#onClose(socket))
    return socket
  }

  #other(socket: Socket | undefined): Socket | undefined {
    return socket === this.#client ? this.#upstream : this.#client
  }

  #passOn(socket: Socket, count: number, bytes: number, from: Uint8Array, buffer: ReadBuffer): boolean {
    const target = this.#other(socket)
    if (target === undefined || target.destroyed) return false
    this.movedAt = this.#context.clock.monotonic()
    this.#servicePort.counts[count]! += bytes
    buffer.filled(bytes)
    target.write(bytes === from.length ? from : new Uint8Array(from.buffer, from.byteOffset, bytes))
    if (target.writableLength === 0) return true
    // What the kernel did not take stays where it was read to, so nothing more is read until it has gone.
    target.write(NOTHING, () => {
      if (!socket.destroyed) socket.resume()
    })
    return false
  }

  #onError(socket: Socket): void {
    if (socket === this.#upstream && this.isConnecting) return
    this.#other(socket)?.resetAndDestroy()
  }

  #onClose(socket: Socket): void {
    this.#open -= 1
    if (socket !== this.#client && this.#endpoint !== undefined)
      this.#context.connections.remove(this, this.#endpoint.address)
    if (socket === this.#upstream && this.isConnecting) {
      this.#failed.push(this.#endpoint!)
      this.#servicePort.counts[FAILED]! += 1
      this.#upstream = undefined
      if (!this.#client.destroyed) this.#connect()
    } else if (socket === this.#client && this.isConnecting) {
      this.isConnecting = false
      this.#upstream?.destroy()
    }
    if (this.#open > 0) return
    this.#servicePort.counts[ACTIVE]! -= 1
    for (const buffer of this.#buffers.splice(0)) buffer.release()
  }
}
