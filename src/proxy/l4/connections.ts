import { type Clock, type Millis, sleep } from '../../base/clock.ts'
import type { DescriptorBudget } from './descriptor-budget.ts'
import type { RelayedConnection } from './relayed-connection.ts'

/** A connection that moved bytes within this time carries traffic. */
export const TRAFFIC_MS = 300
/** What one connection takes: the client's side and the endpoint's. */
const DESCRIPTORS = 2
const CONNECT_MS = 2_000
const LOOK_MS = 500
const HALF_CLOSED_MS = 10 * 60_000
/** How long connections may stay silent once no Service holds the address of their endpoint any more. */
const ORPHANED_MS = 60_000
/** How long a client may keep a connection that no endpoint stands behind before it is told to close it. */
const PARKED_MS = 60_000

/** All TCP connections of the proxy, by the address of their endpoint, and what time does to them. */
export class Connections {
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #relays = new Set<RelayedConnection>()
  readonly #byAddress = new Map<string, Set<RelayedConnection>>()
  readonly #letGo = new Set<string>()
  readonly #goneSince = new Map<string, Millis>()
  readonly #descriptors: DescriptorBudget
  #shed = 0

  constructor(clock: Clock, descriptors: DescriptorBudget) {
    this.#clock = clock
    this.#descriptors = descriptors
    void this.#look()
  }

  get count(): number {
    return this.#relays.size
  }

  /** How many clients were turned away because there were too many. */
  get shed(): number {
    return this.#shed
  }

  /**
   * Whether there is room for one more; then its `TcpRelay` is to be made, which adds itself, or `giveBack` is to be
   * called when it has ended.
   */
  admit(): boolean {
    const isAdmitted = this.#descriptors.take(DESCRIPTORS)
    if (!isAdmitted) this.#shed += 1
    return isAdmitted
  }

  /** One that was admitted and never became a relay has ended. */
  giveBack(): void {
    this.#descriptors.giveBack(DESCRIPTORS)
  }

  add(relay: RelayedConnection): void {
    this.#relays.add(relay)
  }

  /** False when it was removed before. */
  remove(relay: RelayedConnection): boolean {
    if (!this.#relays.delete(relay)) return false
    this.#descriptors.giveBack(DESCRIPTORS)
    return true
  }

  /** The relay's connection to this address is being made. Returns whether the address has been let go of meanwhile. */
  attach(relay: RelayedConnection, address: string): boolean {
    const there = this.#byAddress.get(address)
    if (there === undefined) this.#byAddress.set(address, new Set([relay]))
    else there.add(relay)
    return this.#letGo.has(address)
  }

  detach(relay: RelayedConnection, address: string): void {
    const there = this.#byAddress.get(address)
    if (there?.delete(relay) === true && there.size === 0) this.#byAddress.delete(address)
  }

  /** How many connections to this address are being made, wait for an answer or moved bytes just now. */
  active(address: string): number {
    const now = this.#clock.monotonic()
    let active = 0
    for (const relay of this.#byAddress.get(address) ?? [])
      if (relay.isConnecting || relay.isAnswerDue || now - relay.movedAt < TRAFFIC_MS) active += 1
    return active
  }

  /** These addresses get nothing new: connections that can go elsewhere do. */
  letGo(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#letGo.add(address)
      for (const relay of [...(this.#byAddress.get(address) ?? [])]) relay.letGo()
    }
  }

  takeBack(addresses: readonly string[]): void {
    for (const address of addresses) {
      if (!this.#letGo.delete(address)) continue
      for (const relay of this.#byAddress.get(address) ?? []) relay.takeBack()
    }
  }

  /** No Service holds these addresses any more: their connections are given a minute. */
  orphan(addresses: readonly string[]): void {
    for (const address of addresses)
      if (this.#byAddress.has(address)) this.#goneSince.set(address, this.#clock.monotonic())
  }

  /** Services hold these addresses, perhaps again. */
  adopt(addresses: readonly string[]): void {
    for (const address of addresses) this.#goneSince.delete(address)
  }

  close(): void {
    this.#stop.abort()
    for (const relay of [...this.#relays]) relay.abort()
  }

  async #look(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await sleep(this.#clock, LOOK_MS, this.#stop.signal)
      const now = this.#clock.monotonic()
      for (const relay of [...this.#relays]) this.#lookAt(relay, now)
      for (const address of this.#goneSince.keys()) if (!this.#byAddress.has(address)) this.#goneSince.delete(address)
    }
  }

  #lookAt(relay: RelayedConnection, now: Millis): void {
    const silentMs = now - relay.movedAt
    if (relay.isConnecting) {
      if (silentMs > CONNECT_MS) relay.connectTookTooLong()
    } else if (relay.isParked) {
      if (silentMs > PARKED_MS) relay.end()
    } else if (
      this.#isOrphaned(relay.address, now) ? silentMs > ORPHANED_MS : relay.isHalfClosed && silentMs > HALF_CLOSED_MS
    )
      relay.abort()
    else relay.keepAlive()
  }

  #isOrphaned(address: string, now: Millis): boolean {
    const goneSince = this.#goneSince.get(address)
    return goneSince !== undefined && now - goneSince > ORPHANED_MS
  }
}
