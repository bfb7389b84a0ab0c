import { Socket } from 'node:net'
import type { Clock, Millis } from '../../base/clock.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { endpointsForClient, needsClientAddress } from './admit-client.ts'
import type { Connections } from './connections.ts'
import { endSocket, resetSocket } from './end-socket.ts'
import { type EndpointCounts, RECEIVED, SENT } from './endpoint-counts.ts'
import { ExchangeWatch } from './exchange-watch.ts'
import { ReadBuffer } from './read-buffers.ts'
import type { RelayedConnection } from './relayed-connection.ts'
import {
  ACTIVE,
  BYTES_IN,
  BYTES_OUT,
  FAILED,
  MOVED,
  OPENED,
  REFUSED,
  REPEATED,
  type ServicePort,
} from './service-port.ts'

/** What all relays of a data plane share. */
export interface RelayContext {
  readonly clock: Clock
  readonly connections: Connections
  nodeOf(client: string): string | undefined
  /** Whether this data plane itself listens there: a connection to it would go in circles. */
  isOwnPort(endpoint: Endpoint): boolean
}

/** Where connections to one port go; follows the routing table. */
export interface PortTarget {
  listener: Listener
  servicePort: ServicePort
}

/** How many endpoints a client's connection is tried on. */
const ATTEMPTS_MAX = 4
/** How often one request is sent again to another endpoint. */
const REPEATS_MAX = 2
/** An endpoint that closes a connection so soon after traffic does not close it for being idle. */
const SUDDEN_MS = 1_000
const KEEP_ALIVE_AFTER_MS = 60_000
/** Never reached: how much may be pending is decided here, and below the mark a stream spares a tick per write. */
const HIGH_WATER_MARK = 1 << 30
const NOTHING = new Uint8Array(0)

/**
 * One client's connection joined with one to an endpoint: bytes and ends of stream are passed on each way by itself,
 * resets both ways. A side that reads slowly stops the other from being read, so at most one read is ever pending each
 * way. While no endpoint has accepted, nothing is read from the client, so another endpoint can be tried.
 *
 * When the endpoint goes away, a connection that stands between two HTTP/1.1 exchanges leaves it before it closes and
 * is parked: the client's next request takes it to another endpoint. A request that its endpoint lost without a word
 * is sent to another one if it changes nothing. README.md says why, and what remains.
 */
export class TcpRelay implements RelayedConnection {
  /** When bytes moved last, or the connection attempt began; monotonic. */
  movedAt: Millis
  isConnecting = false
  /** No endpoint stands behind the client's connection until its next request. */
  isParked = false
  readonly #context: RelayContext
  readonly #target: PortTarget
  readonly #servicePort: ServicePort
  readonly #watch = new ExchangeWatch()
  readonly #clientBuffer = new ReadBuffer()
  readonly #client: Socket
  #endpoint: Endpoint | undefined
  /** While it is connected. */
  #endpointCounts: EndpointCounts | undefined
  #upstream: Socket | undefined
  #upstreamBuffer: ReadBuffer | undefined
  /** Endpoints that have just not accepted this connection, or lost its request. */
  #failed: Endpoint[] = []
  #repeats = 0
  /** Bytes that the client sent and no endpoint has yet stand in its buffer; nothing more is read until one has. */
  #isWaiting = false
  #isLetGo = false
  #keepsSource = true
  #isKeptAlive = false

  /** `handle` is the accepted connection below `net.Socket`, not yet read from. */
  constructor(handle: object, target: PortTarget, context: RelayContext) {
    this.#context = context
    this.#target = target
    this.#servicePort = target.servicePort
    this.movedAt = context.clock.monotonic()
    this.#servicePort.counts[OPENED]! += 1
    this.#servicePort.counts[ACTIVE]! += 1
    context.connections.add(this)
    this.#client = this.#clientSocket(handle)
    this.#connect()
  }

  /** Of the endpoint; empty while there is none. */
  get address(): string {
    return this.#endpoint?.address ?? ''
  }

  get isHalfClosed(): boolean {
    return this.#client.readableEnded || this.#upstream?.readableEnded === true
  }

  /** As far as can be told, the client waits for an answer. */
  get isAnswerDue(): boolean {
    return this.#watch.isAnswerDue && !this.#client.readableEnded
  }

  /** Resets both sides. */
  abort(): void {
    resetSocket(this.#client)
    if (this.#upstream !== undefined) resetSocket(this.#upstream)
  }

  /** Tells the client of a parked connection to close it. */
  end(): void {
    if (this.isParked) this.#client.destroySoon()
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

  /** The endpoint is going away and gets nothing new. */
  letGo(): void {
    this.#isLetGo = true
    if (this.isConnecting || this.#upstreamBuffer === undefined) return
    this.#watch.follow(this.#clientBuffer, this.#upstreamBuffer)
    this.#leaveIfIdle()
  }

  /** The endpoint may be chosen again. */
  takeBack(): void {
    this.#isLetGo = false
    this.#watch.unfollow()
  }

  /** Empty where nobody needs to know. */
  get #clientAddress(): string {
    return needsClientAddress(this.#target.listener) ? (this.#client.remoteAddress ?? '') : ''
  }

  #choices(): readonly Endpoint[] {
    return endpointsForClient(this.#target.listener, this.#clientAddress, this.#context.nodeOf)
  }

  #connect(): void {
    const { connections, clock, isOwnPort } = this.#context
    const { listener, servicePort } = this.#target
    const choices = this.#choices()
    const isLastTry = this.#failed.length >= ATTEMPTS_MAX
    const endpoint = isLastTry ? undefined : servicePort.choose(listener, choices, this.#clientAddress, this.#failed)
    this.isParked = false
    if (endpoint === undefined) {
      if (choices.length === 0) this.#servicePort.counts[REFUSED]! += 1
      resetSocket(this.#client)
      return
    }
    if (isOwnPort(endpoint)) {
      this.#servicePort.counts[FAILED]! += 1
      this.#failed.push(endpoint)
      this.#connect()
      return
    }
    this.isConnecting = true
    this.movedAt = clock.monotonic()
    this.#endpoint = endpoint
    this.#isLetGo = connections.attach(this, endpoint.address)
    const upstream = this.#upstreamSocket()
    this.#upstream = upstream
    upstream.setNoDelay(true)
    const { address: host, port } = endpoint
    if (listener.keepSource && this.#keepsSource) upstream.connect({ host, port, localAddress: this.#clientAddress })
    else upstream.connect({ host, port })
  }

  #clientSocket(handle: object): Socket {
    const buffer = this.#clientBuffer
    const client = new Socket({
      handle,
      manualStart: true,
      allowHalfOpen: true,
      highWaterMark: HIGH_WATER_MARK,
      onread: {
        buffer: () => {
          const isFree = !this.#isWaiting && this.#upstream?.writableLength === 0
          return isFree ? buffer.next() : buffer.current
        },
        callback: (bytes: number, from: Uint8Array) => this.#fromClient(bytes, from),
      },
    } as ConstructorParameters<typeof Socket>[0])
    client.on('error', () => {
      if (this.#upstream !== undefined) resetSocket(this.#upstream)
    })
    client.on('end', () => {
      if (this.#upstream === undefined) client.end()
      else if (!this.#isWaiting) endSocket(this.#upstream)
    })
    client.on('close', () => this.#clientClosed())
    return client
  }

  #upstreamSocket(): Socket {
    const buffer = new ReadBuffer()
    this.#upstreamBuffer = buffer
    const upstream: Socket = new Socket({
      allowHalfOpen: true,
      highWaterMark: HIGH_WATER_MARK,
      onread: {
        buffer: () => (this.#client.writableLength === 0 ? buffer.next() : buffer.current),
        callback: (bytes: number, from: Uint8Array) => this.#fromEndpoint(bytes, from, buffer),
      },
    } as ConstructorParameters<typeof Socket>[0])
    upstream.once('connect', () => this.#connected(upstream, buffer))
    upstream.on('end', () => {
      if (upstream === this.#upstream && !this.#goElsewhere()) endSocket(this.#client)
    })
    // At once, not when it is closed: what the client says in between would go nowhere.
    upstream.on('error', (error) => {
      if (upstream === this.#upstream) this.#upstreamFailed(error)
    })
    upstream.on('close', () => this.#upstreamClosed(upstream, buffer))
    return upstream
  }

  #connected(upstream: Socket, buffer: ReadBuffer): void {
    this.isConnecting = false
    this.movedAt = this.#context.clock.monotonic()
    this.#failed = []
    this.#watch.begin()
    const counts = this.#servicePort.countsOf(this.#endpoint!)
    counts.opened()
    this.#endpointCounts = counts
    if (this.#client.destroyed) {
      resetSocket(upstream)
      return
    }
    let mayRead = true
    if (this.#isWaiting) {
      this.#isWaiting = false
      counts.counts[RECEIVED]! += this.#clientBuffer.last.length
      this.#watch.clientSpoke(this.#clientBuffer.last)
      mayRead = this.#pass(this.#client, upstream, this.#clientBuffer.last)
      if (this.#client.readableEnded) upstream.end()
    }
    if (mayRead) this.#client.resume()
    if (this.#isLetGo && buffer === this.#upstreamBuffer) this.letGo()
  }

  #fromClient(bytes: number, from: Uint8Array): boolean {
    const upstream = this.#upstream
    if (upstream?.destroyed === true) return false
    this.movedAt = this.#context.clock.monotonic()
    this.#servicePort.counts[BYTES_IN]! += bytes
    this.#clientBuffer.filled(bytes)
    const view = bytes === from.length ? from : new Uint8Array(from.buffer, from.byteOffset, bytes)
    if (this.#watch.clientSpoke(view)) this.#repeats = 0
    if (upstream !== undefined) {
      const counts = this.#endpointCounts
      if (counts !== undefined) counts.counts[RECEIVED]! += bytes
      return this.#pass(this.#client, upstream, view)
    }
    this.#isWaiting = true
    this.#connect()
    return false
  }

  #fromEndpoint(bytes: number, from: Uint8Array, buffer: ReadBuffer): boolean {
    if (buffer !== this.#upstreamBuffer || this.#client.destroyed) return false
    this.movedAt = this.#context.clock.monotonic()
    this.#servicePort.counts[BYTES_OUT]! += bytes
    this.#endpointCounts!.counts[SENT]! += bytes
    buffer.filled(bytes)
    const view = bytes === from.length ? from : new Uint8Array(from.buffer, from.byteOffset, bytes)
    this.#watch.serverSpoke(view)
    const mayRead = this.#pass(this.#upstream!, this.#client, view)
    return !(this.#isLetGo && this.#leaveIfIdle()) && mayRead
  }

  /** False while the kernel has not taken all: then it stays where it was read to, and nothing more is read there. */
  #pass(source: Socket, target: Socket, bytes: Uint8Array): boolean {
    target.write(bytes)
    if (target.writableLength === 0) return true
    target.write(NOTHING, () => {
      const isJoined = source === this.#upstream || target === this.#upstream
      if (isJoined && !source.destroyed) source.resume()
    })
    return false
  }

  /** Leaves an endpoint that was let go of, if nothing is lost by it and there is another one. */
  #leaveIfIdle(): boolean {
    if (this.#upstreamBuffer === undefined || this.#client.readableEnded || this.#client.destroyed) return false
    const isSilent = this.#watch.isSilent
    if (!isSilent && !this.#watch.isIdle(this.#clientBuffer, this.#upstreamBuffer)) return false
    if (!this.#choices().some(({ address }) => address !== this.address)) return false
    this.#servicePort.counts[MOVED]! += 1
    if (isSilent) this.#reconnect()
    else this.#park()
    return true
  }

  /** The endpoint ends the connection or has lost it. True: the client need not know. */
  #goElsewhere(): boolean {
    const { clock } = this.#context
    const client = this.#client
    const buffer = this.#upstreamBuffer
    if (buffer === undefined || client.destroyed || client.writableEnded) return false
    const isSudden = this.#isLetGo || clock.monotonic() - this.movedAt < SUDDEN_MS
    const isSilent = this.#watch.isSilent && isSudden && !client.readableEnded
    if (isSilent || this.#watch.isRepeatable(this.#clientBuffer, buffer)) return this.#startOver(isSilent)
    if (client.readableEnded || !isSudden || this.#choices().length === 0) return false
    if (!this.#watch.isIdle(this.#clientBuffer, buffer)) return false
    this.#servicePort.counts[MOVED]! += 1
    this.#park()
    return true
  }

  /** An endpoint that ends without a word what it has just accepted, or been asked, may as well not have accepted it. */
  #startOver(isSilent: boolean): boolean {
    if (this.#repeats >= REPEATS_MAX) return false
    this.#repeats += 1
    this.#servicePort.counts[isSilent ? FAILED : REPEATED]! += 1
    if (this.#choices().length > 1) this.#failed.push(this.#endpoint!)
    this.#isWaiting = !isSilent
    this.#reconnect()
    return true
  }

  #reconnect(): void {
    this.#client.pause()
    this.#detach()
    this.#connect()
  }

  #park(): void {
    this.#detach()
    this.#watch.begin()
    this.isParked = true
    this.#client.resume()
  }

  #detach(): void {
    const upstream = this.#upstream
    if (this.#endpoint !== undefined) this.#context.connections.detach(this, this.#endpoint.address)
    this.#endpoint = undefined
    this.#endpointCounts?.closed()
    this.#endpointCounts = undefined
    this.#upstream = undefined
    this.#upstreamBuffer = undefined
    this.isConnecting = false
    upstream?.destroy()
  }

  #upstreamClosed(upstream: Socket, buffer: ReadBuffer): void {
    if (upstream === this.#upstream) this.#detach()
    const client = this.#client
    // What the client has not taken yet is still read from this memory.
    if (client.destroyed || client.writableLength === 0) buffer.release()
    else if (client.writableEnded) client.once('close', () => buffer.release())
    else client.write(NOTHING, () => buffer.release())
    if (client.closed) this.#finish()
  }

  #upstreamFailed(failure: NodeJS.ErrnoException): void {
    if (!this.isConnecting) {
      if (this.#goElsewhere()) return
      this.#detach()
      resetSocket(this.#client)
      return
    }
    const endpoint = this.#endpoint!
    this.#detach()
    if (failure.syscall === 'bind') this.#keepsSource = false
    else {
      this.#servicePort.counts[FAILED]! += 1
      this.#failed.push(endpoint)
    }
    if (!this.#client.destroyed) this.#connect()
  }

  #clientClosed(): void {
    const upstream = this.#upstream
    if (upstream === undefined || upstream.closed) this.#finish()
    else if (!upstream.writableEnded) resetSocket(upstream)
  }

  /** Once both sides are closed. */
  #finish(): void {
    if (!this.#context.connections.remove(this)) return
    this.#servicePort.counts[ACTIVE]! -= 1
    this.#clientBuffer.release()
  }
}
