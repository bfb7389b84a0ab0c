import { createSocket, type Socket } from 'node:dgram'
import type { Millis } from '../../base/clock.ts'
import type { Endpoint } from '../table/routing-table.ts'
import type { EndpointCounts } from './endpoint-counts.ts'

/** Datagrams that are kept until the endpoint has given a sign of life: to go out once connected, or to another one. */
const KEPT_MAX = 64
/** What may wait in a socket that the kernel does not take datagrams from; beyond it they are dropped. */
export const QUEUED_BYTES_MAX = 1 << 20

export interface UdpSessionOptions {
  readonly endpoint: Endpoint
  /** Where it is counted. */
  readonly counts: EndpointCounts
  /** The client's address, where endpoints are to see it. */
  readonly source: string | undefined
  readonly now: Millis
  /** Datagrams of the session before, whose endpoint did not take them. */
  readonly kept: readonly Uint8Array[]
  onMessage(message: Uint8Array): void
  /** The endpoint is not there, or no socket could be made. `kept` is what it has taken without an answer. */
  onFailure(kept: readonly Uint8Array[]): void
}

/** What one client's address and port says to one endpoint, and back, over a socket of its own. */
export class UdpSession {
  readonly endpoint: Endpoint
  readonly counts: EndpointCounts
  movedAt: Millis
  readonly #options: UdpSessionOptions
  #socket: Socket
  /** Undefined from the endpoint's first answer on. */
  #kept: Uint8Array[] | undefined
  #isConnected = false
  #isClosed = false

  constructor(options: UdpSessionOptions) {
    this.endpoint = options.endpoint
    this.counts = options.counts
    this.movedAt = options.now
    this.#options = options
    this.#kept = [...options.kept]
    this.#socket = this.#open(options.source)
  }

  /** Drops the datagram where it would have to wait. */
  send(message: Uint8Array): void {
    if (this.#kept !== undefined && this.#kept.length < KEPT_MAX) this.#kept.push(message)
    if (this.#isConnected && this.#socket.getSendQueueSize() < QUEUED_BYTES_MAX) this.#socket.send(message)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  #open(source: string | undefined): Socket {
    const { endpoint, onMessage, onFailure } = this.#options
    const socket = createSocket({ type: 'udp4', lookup: asIs })
    socket.on('message', (message) => {
      this.#kept = undefined
      onMessage(message)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#isClosed) return
      if (error.syscall === 'bind' && source !== undefined) {
        socket.close()
        this.#socket = this.#open(undefined)
        return
      }
      // Nobody listens at the endpoint, as the kernel has just been told, or no descriptor is left.
      this.close()
      onFailure(this.#kept ?? [])
    })
    const connect = (): void => {
      socket.connect(endpoint.port, endpoint.address, () => {
        if (this.#isClosed) return
        this.#isConnected = true
        for (const message of this.#kept ?? []) socket.send(message)
      })
    }
    if (source === undefined) connect()
    else socket.bind({ address: source, port: 0, exclusive: true }, connect)
    return socket
  }
}

/** Addresses are numeric: nothing is looked up, which would cost a turn of the event loop for each datagram. */
export function asIs(
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, host, 4)
}
