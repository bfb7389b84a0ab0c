import { type Clock, type Millis, sleep } from '../../base/clock.ts'
import type { TcpRelay } from './tcp-relay.ts'

/** A connection that moved bytes within this time carries traffic. */
export const TRAFFIC_MS = 300
const CONNECT_MS = 2_000
const LOOK_MS = 500
const HALF_CLOSED_MS = 10 * 60_000
/** How long connections may stay silent once their endpoint is no longer in any table. */
const ORPHANED_MS = 60_000

/** All TCP connections of the proxy, by the address of their endpoint, and what time does to them. */
export class Connections {
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #byAddress = new Map<string, Set<TcpRelay>>()
  readonly #goneSince = new Map<string, Millis>()
  readonly #max: number
  #count = 0

  /** Beyond `max` connections new ones are refused: each takes two file descriptors. */
  constructor(clock: Clock, max: number) {
    this.#clock = clock
    this.#max = max
    void this.#look()
  }

  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count >= this.#max
  }

  add(relay: TcpRelay, address: string): void {
    const there = this.#byAddress.get(address)
    if (there === undefined) this.#byAddress.set(address, new Set([relay]))
    else there.add(relay)
    this.#count += 1
  }

  remove(relay: TcpRelay, address: string): void {
    const there = this.#byAddress.get(address)
    if (there?.delete(relay) !== true) return
    this.#count -= 1
    if (there.size === 0) this.#byAddress.delete(address)
  }

  /** How many connections to this address are being made or moved bytes just now. */
  active(address: string): number {
    const now = this.#clock.monotonic()
    let active = 0
    for (const relay of this.#byAddress.get(address) ?? [])
      if (relay.isConnecting || now - relay.movedAt < TRAFFIC_MS) active += 1
    return active
  }

  /** Tells which endpoint addresses tables still know; others are given a minute. */
  keep(isKnown: (address: string) => boolean): void {
    for (const address of this.#byAddress.keys()) {
      if (isKnown(address)) this.#goneSince.delete(address)
      else if (!this.#goneSince.has(address)) this.#goneSince.set(address, this.#clock.monotonic())
    }
    for (const address of this.#goneSince.keys()) if (!this.#byAddress.has(address)) this.#goneSince.delete(address)
  }

  close(): void {
    this.#stop.abort()
    for (const there of this.#byAddress.values()) for (const relay of [...there]) relay.abort()
  }

  async #look(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await sleep(this.#clock, LOOK_MS, this.#stop.signal)
      const now = this.#clock.monotonic()
      for (const [address, relays] of this.#byAddress) {
        const goneSince = this.#goneSince.get(address)
        const isOrphaned = goneSince !== undefined && now - goneSince > ORPHANED_MS
        for (const relay of [...relays]) this.#lookAt(relay, now, isOrphaned)
      }
    }
  }

  #lookAt(relay: TcpRelay, now: Millis, isOrphaned: boolean): void {
    const silentMs = now - relay.movedAt
    if (relay.isConnecting) {
      if (silentMs > CONNECT_MS) relay.connectTookTooLong()
    } else if (isOrphaned ? silentMs > ORPHANED_MS : relay.isHalfClosed && silentMs > HALF_CLOSED_MS) relay.abort()
    else relay.keepAlive()
  }
}
