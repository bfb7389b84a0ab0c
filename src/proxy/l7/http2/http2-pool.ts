import type { EngineContext } from '../engine/engine-context.ts'
import type { RequestCarrier } from '../engine/request-carrier.ts'
import { Http2Upstream, type Http2UpstreamOwner } from './http2-upstream.ts'

/** Who the pool is for, and who allows it connections. */
export interface Http2PoolOwner extends Omit<Http2UpstreamOwner, 'choseHttp1' | 'closed'> {
  /** False: there may be no more of them. */
  mayOpen(): boolean
  /** One that was allowed has gone. */
  connectionGone(): void
}

/** One endpoint's HTTP/2 connections: as few as carry its requests, so that most often there is one. */
export class Http2Pool implements Http2UpstreamOwner {
  readonly address: string
  readonly port: number
  readonly timeouts: Http2UpstreamOwner['timeouts']
  readonly transport: Http2UpstreamOwner['transport']
  /** The endpoint has chosen HTTP/1.1. */
  isHttp1 = false
  readonly #context: EngineContext
  readonly #owner: Http2PoolOwner
  readonly #all = new Set<Http2Upstream>()

  constructor(context: EngineContext, owner: Http2PoolOwner) {
    this.#context = context
    this.#owner = owner
    this.address = owner.address
    this.port = owner.port
    this.timeouts = owner.timeouts
    this.transport = owner.transport
  }

  get connections(): number {
    return this.#all.size
  }

  get idleConnections(): number {
    let idle = 0
    for (const connection of this.#all) if (connection.count === 0) idle++
    return idle
  }

  /** undefined: all that there are are full, and there may be no more. */
  acquire(nowMs: number): RequestCarrier | undefined {
    for (const connection of this.#all) if (connection.hasRoom) return connection.carrier()
    if (!this.#owner.mayOpen()) return undefined
    const connection = new Http2Upstream(this.#context, this, nowMs)
    this.#all.add(connection)
    return connection.carrier()
  }

  drain(): void {
    for (const connection of this.#all) connection.close()
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy()
  }

  choseHttp1(): void {
    this.isHttp1 = true
  }

  closed(connection: Http2Upstream): void {
    if (this.#all.delete(connection)) this.#owner.connectionGone()
  }
}
