import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { sizeLimits } from '../volumes/empty-dir-limit.ts'
import type { VolumeContext, VolumeManager } from '../volumes/volume-manager.ts'

/** As often as the kubelet looks for what to evict. */
const LOOK_MS = 10_000

/** Looks now and then whether a pod's volumes keep their limits. A pod without limits costs nothing. */
export class VolumeLimits {
  readonly #clock: Clock
  readonly #volumes: Pick<VolumeManager, 'overuse'>
  readonly #onOver: (message: string) => void
  #timer: Timer | undefined
  #closed = false

  /** `onOver` is called once, with the words of the eviction. */
  constructor(clock: Clock, volumes: Pick<VolumeManager, 'overuse'>, onOver: (message: string) => void) {
    this.#clock = clock
    this.#volumes = volumes
    this.#onOver = onOver
  }

  watch(pod: Pod, context: VolumeContext): void {
    if (sizeLimits(pod).size === 0 || this.#closed) return
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(LOOK_MS, () => void this.#look(pod, context))
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #look(pod: Pod, context: VolumeContext): Promise<void> {
    const message = await this.#volumes.overuse(pod, context)
    if (this.#closed) return
    if (message === undefined) return this.watch(pod, context)
    this.close()
    this.#onOver(message)
  }
}
