import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import type { ProxyHeaderRefusal } from '../proxy-protocol/proxy-header-reading.ts'
import { readProxyHeader } from '../proxy-protocol/read-proxy-header.ts'
import type { Client } from './client.ts'
import type { EngineContext } from './engine-context.ts'
import { Wire, type WireOwner } from './wire.ts'

/** What a gate hands over to. */
export interface GateExits {
  /**
   * The header has been read. `ends`: what it says, undefined when it says nothing. `rest` arrived behind it and holds
   * during the call. Returns whether reading goes on.
   */
  passed(wire: Wire, ends: ConnectionEnds | undefined, rest: Uint8Array): boolean
  refused(reason: ProxyHeaderRefusal): void
  /** Last, however it went. */
  left(gate: ProxyHeaderGate): void
}

const NOTHING = new Uint8Array(0)

/** Lets a connection in that begins with a PROXY protocol header, and closes any other without a word. */
export class ProxyHeaderGate implements WireOwner, Client {
  deadlineMs: number
  readonly #context: EngineContext
  readonly #exits: GateExits
  readonly #wire: Wire
  #kept = NOTHING

  constructor(context: EngineContext, handle: object, exits: GateExits) {
    this.#context = context
    this.#exits = exits
    this.deadlineMs = context.clock.monotonic() + context.settings.headMs
    this.#wire = new Wire(context, this, handle)
    context.deadlines.add(this)
    this.#wire.resume()
  }

  drain(): void {
    this.destroy()
  }

  destroy(): void {
    this.#wire.socket.destroy()
  }

  expire(): void {
    this.#exits.refused('no-proxy-header')
    this.destroy()
  }

  onBytes(count: number, b: Uint8Array): boolean {
    const arrived = b.subarray(0, count)
    const all = this.#kept.length === 0 ? arrived : Buffer.concat([this.#kept, arrived])
    const reading = readProxyHeader(all)
    if (reading.kind === 'incomplete') {
      this.#kept = Uint8Array.from(all)
      return true
    }
    if (reading.kind === 'refused') {
      this.#exits.refused(reading.reason)
      this.destroy()
      return false
    }
    this.#leave()
    return this.#exits.passed(this.#wire, reading.ends, all.subarray(reading.bytes))
  }

  onDrained(): void {}

  onEnd(): void {
    this.destroy()
  }

  onClose(): void {
    this.#leave()
  }

  #leave(): void {
    this.#context.deadlines.delete(this)
    this.#exits.left(this)
  }
}
