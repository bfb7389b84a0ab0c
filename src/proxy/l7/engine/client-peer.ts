import type { ClientBlock } from '../http1/forward-request.ts'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import { type ProxyProtocolVersion, writeProxyHeader } from '../proxy-protocol/write-proxy-header.ts'
import type { ClientSettings } from './client-settings.ts'
import type { EngineContext } from './engine-context.ts'
import { socketEnds } from './socket-ends.ts'
import type { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamEndpoint } from './upstream-endpoint.ts'
import type { Wire } from './wire.ts'

/** Who is at the other end of a client's connection, and the connections to endpoints that are used for it alone. */
export class ClientPeer {
  readonly scheme: 'http' | 'https'
  /** What a proxy before us says of its client's connection. */
  readonly ends: ConnectionEnds | undefined
  readonly #context: EngineContext
  readonly #wire: Wire
  readonly #protocol: '1.1' | '2.0'
  readonly #isTrusted: boolean | undefined
  #block: ClientBlock | undefined
  #own: Map<UpstreamEndpoint, UpstreamConnection[]> | undefined

  /** `protocol`: what `Via` says the client speaks. */
  constructor(
    context: EngineContext,
    wire: Wire,
    ends: ConnectionEnds | undefined,
    { scheme, trustsForwarded }: Pick<ClientSettings, 'scheme' | 'trustsForwarded'>,
    protocol: '1.1' | '2.0',
  ) {
    this.#context = context
    this.#wire = wire
    this.ends = ends
    this.scheme = scheme
    this.#isTrusted = trustsForwarded
    this.#protocol = protocol
  }

  /** What is said of it in each of its requests. */
  get block(): ClientBlock {
    if (this.#block === undefined) {
      const { requestForwarder } = this.#context
      const address = this.address || 'unknown'
      this.#block = requestForwarder.clientBlock(address, this.scheme, this.#protocol, this.#isTrusted)
    }
    return this.#block
  }

  /** Empty when it has gone already. */
  get address(): string {
    if (this.#block !== undefined) return Buffer.from(this.#block.address).toString('latin1')
    return this.ends?.source.address ?? this.#wire.socket.remoteAddress ?? ''
  }

  /** A connection that says whose it is. It serves this client's further requests, one at a time, and ends with it. */
  acquireOwn(endpoint: UpstreamEndpoint, version: ProxyProtocolVersion, nowMs: number): UpstreamConnection | undefined {
    this.#own ??= new Map()
    const all = this.#own.get(endpoint) ?? []
    const open = all.filter((connection) => connection.isUsable)
    this.#own.set(endpoint, open)
    for (const connection of open) {
      if (connection.count > 0) continue
      if (nowMs < connection.deadlineMs) return connection
      connection.close()
    }
    const preface = writeProxyHeader(version, this.ends ?? socketEnds(this.#wire.socket))
    const connection = endpoint.acquireOwn(preface, nowMs)
    if (connection !== undefined) open.push(connection)
    return connection
  }

  /** It has gone: its connections end with what they are about. */
  close(): void {
    if (this.#own === undefined) return
    for (const connections of this.#own.values()) for (const connection of connections) connection.close()
  }
}
