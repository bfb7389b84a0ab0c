import type { Clock, Millis, Timer } from '../../../base/clock.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { Heap } from './heap.ts'

const BACKOFF_MS_MIN = 1_000
const BACKOFF_MS_MAX = 10_000
/** How long a pod waits for a change before it is tried again anyway, and how often that is looked at. */
const WAIT_MS_MAX = 5 * 60_000
const FLUSH_EVERY_MS = 30_000

/** A pod on its way through the queue. */
export interface QueuedPod {
  readonly key: string
  readonly pod: PodInfo
  /** When it came into the queue; among equal priorities the oldest is first. */
  readonly since: Millis
  /** How often it was tried. */
  readonly attempts: number
}

interface Delayed extends QueuedPod {
  readonly until: Millis
  /** The last try ended in an error, not in a refusal: the delay is served in full. */
  readonly isError: boolean
}

interface Waiting extends QueuedPod {
  readonly refusedBy: ReadonlySet<string>
  readonly triedAt: Millis
}

/**
 * Pods without a node. `active` ones are tried, highest priority first; `waiting` ones were refused until something
 * changes that could help; in between they serve a back-off of one second doubling to ten, cut short when nothing else
 * is to be done; `gated` ones are held by their scheduling gates.
 */
export class SchedulingQueue {
  readonly #clock: Clock
  readonly #onReady: () => void
  readonly #active = new Heap<QueuedPod>((a, b) =>
    a.pod.priority === b.pod.priority ? a.since < b.since : a.pod.priority > b.pod.priority,
  )
  readonly #delayed = new Heap<Delayed>((a, b) => a.until < b.until)
  readonly #waiting = new Map<string, Waiting>()
  readonly #gated = new Set<string>()
  #timer: { readonly at: Millis; readonly timer: Timer } | undefined
  #flushTimer: Timer
  #closed = false

  /** `onReady` is called whenever there may be something to pop. */
  constructor(clock: Clock, onReady: () => void) {
    this.#clock = clock
    this.#onReady = onReady
    this.#flushTimer = clock.setTimer(FLUSH_EVERY_MS, () => this.#flush())
  }

  /** How many pods are where: for logs and tests. */
  get counts(): Readonly<Record<'active' | 'delayed' | 'waiting' | 'gated', number>> {
    return {
      active: this.#active.size,
      delayed: this.#delayed.size,
      waiting: this.#waiting.size,
      gated: this.#gated.size,
    }
  }

  /** Takes in a new pod, or a new version of one. `mayHelp`: what changed in it could get it a node. */
  set(pod: PodInfo, mayHelp: boolean): void {
    const { key } = pod
    if ((pod.pod.spec?.schedulingGates ?? []).length > 0) {
      this.remove(key)
      this.#gated.add(key)
      return
    }
    this.#gated.delete(key)
    const active = this.#active.get(key)
    const delayed = this.#delayed.get(key)
    const waiting = this.#waiting.get(key)
    if (active !== undefined) this.#active.push({ ...active, pod })
    else if (delayed !== undefined) this.#delayed.push({ ...delayed, pod })
    else if (waiting !== undefined) {
      this.#waiting.set(key, { ...waiting, pod })
      if (mayHelp) this.#wake({ ...waiting, pod })
    } else {
      this.#active.push({ key, pod, since: this.#clock.monotonic(), attempts: 0 })
      this.#onReady()
    }
  }

  has(key: string): boolean {
    return (
      this.#active.get(key) !== undefined ||
      this.#delayed.get(key) !== undefined ||
      this.#waiting.has(key) ||
      this.#gated.has(key)
    )
  }

  remove(key: string): void {
    this.#active.remove(key)
    this.#delayed.remove(key)
    this.#waiting.delete(key)
    this.#gated.delete(key)
  }

  /** The next pod to try, with this try counted. Without an active one, the first that serves a back-off for a refusal. */
  pop(): QueuedPod | undefined {
    const next = this.#active.pop() ?? this.#popDelayed()
    return next === undefined
      ? undefined
      : { key: next.key, pod: next.pod, since: next.since, attempts: next.attempts + 1 }
  }

  /** No node could take the pod: it waits for a change that one of these filters says could help. */
  wait(tried: QueuedPod, refusedBy: ReadonlySet<string>): void {
    this.#waiting.set(tried.key, { ...tried, refusedBy, triedAt: this.#clock.monotonic() })
  }

  /** The try failed for a reason that has nothing to do with the cluster's state: again after the back-off. */
  retry(tried: QueuedPod): void {
    this.#delay(tried, this.#clock.monotonic() + backoffMs(tried.attempts), true)
  }

  /** Wakes the waiting pods for which `helps` says yes, given the pod and the filters that refused it. */
  wakeIf(helps: (pod: PodInfo, refusedBy: ReadonlySet<string>) => boolean): void {
    for (const waiting of this.#waiting.values()) {
      if (helps(waiting.pod, waiting.refusedBy)) this.#wake(waiting)
    }
  }

  close(): void {
    this.#closed = true
    this.#timer?.timer.cancel()
    this.#flushTimer.cancel()
  }

  #wake(waiting: Waiting): void {
    this.#waiting.delete(waiting.key)
    const until = waiting.triedAt + backoffMs(waiting.attempts)
    if (until <= this.#clock.monotonic()) {
      this.#active.push(waiting)
      this.#onReady()
    } else this.#delay(waiting, until, false)
  }

  #delay(queued: QueuedPod, until: Millis, isError: boolean): void {
    this.#delayed.push({ ...queued, until, isError })
    this.#arm()
    if (!isError) this.#onReady()
  }

  #popDelayed(): QueuedPod | undefined {
    const first = this.#delayed.peek()
    if (first === undefined) return undefined
    if (!first.isError) return this.#delayed.pop()
    // Rare: an error stands before it; the order among the others is of little weight then.
    const other = this.#delayed.values().find(({ isError }) => !isError)
    return other === undefined ? undefined : this.#delayed.remove(other.key)
  }

  #arm(): void {
    const first = this.#delayed.peek()
    if (first === undefined || this.#closed) return
    if (this.#timer !== undefined && this.#timer.at <= first.until) return
    this.#timer?.timer.cancel()
    const timer = this.#clock.setTimer(Math.max(0, first.until - this.#clock.monotonic()), () => {
      this.#timer = undefined
      const now = this.#clock.monotonic()
      for (let due = this.#delayed.peek(); due !== undefined && due.until <= now; due = this.#delayed.peek()) {
        this.#active.push(this.#delayed.pop()!)
      }
      this.#arm()
      this.#onReady()
    })
    this.#timer = { at: first.until, timer }
  }

  #flush(): void {
    const now = this.#clock.monotonic()
    for (const waiting of this.#waiting.values()) if (now - waiting.triedAt >= WAIT_MS_MAX) this.#wake(waiting)
    this.#flushTimer = this.#clock.setTimer(FLUSH_EVERY_MS, () => this.#flush())
  }
}

function backoffMs(attempts: number): Millis {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.max(0, attempts - 1))
}
