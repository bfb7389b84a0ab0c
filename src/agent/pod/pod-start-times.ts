import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Clock, Millis } from '../../base/clock.ts'
import { DurationHistogram } from '../../base/duration-histogram.ts'
import type { MetricFamily } from '../../base/metric-families.ts'
import type { Change } from '../../client/informer.ts'

/** The kubelet's own buckets, in seconds. */
const BOUNDS = [
  0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1_200, 1_800, 2_700, 3_600,
]
const NAME = 'kubelet_pod_start_duration_seconds'

/** How long pods take from when the agent first sees them until the API shows that they run. Those that ran before do not count. */
export class PodStartTimes {
  readonly #clock: Clock
  readonly #durations = new DurationHistogram(BOUNDS)
  /** By uid. */
  readonly #seenAt = new Map<string, Millis>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  onPod({ type, object }: Change<Pod>): void {
    const uid = object.metadata?.uid ?? ''
    const phase = object.status?.phase ?? 'Pending'
    if (type === 'added' && phase === 'Pending') this.#seenAt.set(uid, this.#clock.monotonic())
    if (type === 'added' || (type === 'modified' && phase === 'Pending')) return
    const seenAt = this.#seenAt.get(uid)
    this.#seenAt.delete(uid)
    if (seenAt !== undefined && type === 'modified' && phase === 'Running')
      this.#durations.observe((this.#clock.monotonic() - seenAt) / 1_000)
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: NAME,
        type: 'histogram',
        help: 'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
        samples: () => this.#durations.samples(NAME),
      },
    ]
  }
}
