import {
  DRAINING_ANNOTATION,
  formatDraining,
  PROXY_LEASE_NAMESPACE,
  PROXY_LEASE_PREFIX,
} from '../../api/drain-lease.ts'
import { LEASES } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import { type Clock, type Millis, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'

export interface DrainPublisherOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  /** The Lease is `wherry-proxy-<name>`. */
  readonly name: string
  /** Connections to an address that carry traffic now, or owe an answer. */
  active(address: string): number
}

const RENEW_MS = 10_000
const LEASE_SECONDS = 40
const COUNT_MS = 50
const RETRY_MS_MAX = 2_000
/** How long the last word may take when the proxy stops; agents do without it after the lease ends. */
const FAREWELL_MS = 500

/**
 * Keeps this proxy's Lease (src/api/drain-lease.ts): at once when the set of draining addresses changes, at most every
 * 50 ms while their connections change, and every 10 s to show that the proxy lives.
 */
export class DrainPublisher {
  readonly #options: DrainPublisherOptions
  readonly #stop = new AbortController()
  readonly #finished: Promise<void>
  #draining: readonly string[] = []
  #published: string | undefined
  #publishedAt: Millis = 0
  #wake: AbortController | undefined
  #retryMs = COUNT_MS
  #failed = false

  constructor(options: DrainPublisherOptions) {
    this.#options = options
    this.#finished = this.#run()
  }

  /** The addresses that get no new connections, in order. */
  drain(addresses: readonly string[]): void {
    const isSame = addresses.length === this.#draining.length && addresses.every((a, i) => a === this.#draining[i])
    if (isSame) return
    this.#draining = addresses
    this.#wake?.abort()
  }

  /** Stops, and ends the lease so that no agent waits for this proxy. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake?.abort()
    await this.#finished
    if (this.#published === undefined) return
    const { clock } = this.#options
    const patience = new AbortController()
    await Promise.race([this.#patch('', 1).catch(() => undefined), sleep(clock, FAREWELL_MS, patience.signal)])
    patience.abort()
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stop.signal.aborted) {
      // Before anything is written: what comes in meanwhile must not be slept over.
      this.#wake = new AbortController()
      await this.#publishIfNeeded()
      if (this.#stop.signal.aborted) break
      const pauseMs = this.#failed
        ? this.#retryMs
        : this.#draining.length > 0
          ? COUNT_MS
          : this.#publishedAt + RENEW_MS - clock.monotonic()
      await sleep(clock, Math.max(0, pauseMs), this.#wake.signal)
    }
  }

  async #publishIfNeeded(): Promise<void> {
    const { clock, logger, active } = this.#options
    const text = formatDraining(new Map(this.#draining.map((address) => [address, active(address)])))
    if (text === this.#published && clock.monotonic() - this.#publishedAt < RENEW_MS) return
    try {
      const at = clock.monotonic()
      await this.#patch(text, LEASE_SECONDS)
      this.#published = text
      this.#publishedAt = at
      this.#failed = false
      this.#retryMs = COUNT_MS
    } catch (error) {
      if (!this.#failed) logger.warn({ err: error }, 'the lease that tells agents of draining could not be written')
      this.#failed = true
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2)
    }
  }

  async #patch(draining: string, leaseDurationSeconds: number): Promise<void> {
    const { client, clock, name } = this.#options
    const holderIdentity = `${PROXY_LEASE_PREFIX}${name}`
    const ref = { namespace: PROXY_LEASE_NAMESPACE, name: holderIdentity }
    const annotations = { [DRAINING_ANNOTATION]: draining }
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const spec = { holderIdentity, leaseDurationSeconds, renewTime }
    const patch = { metadata: { annotations }, spec }
    try {
      await client.patch(LEASES, ref, patch, { type: 'application/merge-patch+json' })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      await client.create(LEASES, { metadata: { ...ref, annotations }, spec: { ...spec, acquireTime: renewTime } })
    }
  }
}
