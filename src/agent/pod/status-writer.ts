import { PODS } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Pod, PodStatus } from '../../api/types/core-v1.gen.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { statusDiff } from './status-diff.ts'

const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 10_000

export interface StatusWriterOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Brings one pod's status to the API: the latest word only, one write at a time, just what differs, and again until
 * it succeeds. A pod that is gone ends it; one that is another by now (its uid is sent along) is never written to.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions
  #pod: Pod
  #wanted: PodStatus | undefined
  #writing: Promise<void> | undefined
  #retry: Timer | undefined
  #failures = 0
  #closed = false

  constructor(pod: Pod, options: StatusWriterOptions) {
    this.#pod = pod
    this.#options = options
  }

  /** The newest object known to this writer, from a watch or from its own writes. */
  seen(pod: Pod): void {
    const version = ({ metadata }: Pod): bigint => BigInt(metadata?.resourceVersion ?? 0)
    if (version(pod) > version(this.#pod)) this.#pod = pod
  }

  write(status: PodStatus): void {
    this.#wanted = status
    this.#begin()
  }

  /** Resolves once the last word is written, or cannot be for good; rejects when the API does not answer. */
  async flush(): Promise<void> {
    for (let tries = 0; tries < 3 && !this.#closed; tries++) {
      this.#begin()
      await this.#writing
      if (this.#wanted === undefined || statusDiff(this.#pod.status, this.#wanted) === undefined) return
    }
    if (!this.#closed) throw new Error('the status of the pod could not be written')
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
  }

  #begin(): void {
    if (this.#closed || this.#writing !== undefined) return
    this.#retry?.cancel()
    this.#retry = undefined
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
      if (this.#closed || this.#wanted === undefined || statusDiff(this.#pod.status, this.#wanted) === undefined) return
      const delay = this.#failures === 0 ? 0 : Math.min(RETRY_MS_MIN * 2 ** (this.#failures - 1), RETRY_MS_MAX)
      if (delay === 0) this.#begin()
      else this.#retry = this.#options.clock.setTimer(delay, () => this.#begin())
    })
  }

  async #write(): Promise<void> {
    const diff = this.#wanted === undefined ? undefined : statusDiff(this.#pod.status, this.#wanted)
    if (diff === undefined) return
    const { namespace, name = '', uid } = this.#pod.metadata ?? {}
    try {
      const patch = { metadata: { uid }, status: diff }
      this.seen(await this.#options.client.patch<Pod>(PODS, { namespace, name }, patch, { subresource: 'status' }))
      // An object that comes back without the change would be patched for ever: count it as a failure.
      this.#failures = statusDiff(this.#pod.status, this.#wanted!) === undefined ? 0 : this.#failures + 1
    } catch (error) {
      if (isReason(error, 'NotFound')) return this.close()
      this.#failures += 1
      this.#options.logger.debug(
        { pod: `${namespace}/${name}`, err: error },
        'the status of a pod could not be written',
      )
    }
  }
}
