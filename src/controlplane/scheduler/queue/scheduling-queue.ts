import type { Clock, Millis, Timer } from '../../../base/clock.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { backoffMs } from './backoff-ms.ts'
import { Heap } from './heap.ts'
import { type QueuedPod, type WaitingPod, WaitingPods } from './waiting-pods.ts'

/** How long a pod waits for a change before it is tried again anyway, and how often that is looked at. */
const WAIT_MS_MAX = 5 * 60_000
const FLUSH_EVERY_MS = 30_000
/** Back-offs that end in the same second end together, so that priority decides among them. */
const WINDOW_MS = 1_000

interface DelayedPod extends QueuedPod {
  readonly until: Millis
}

function isFirst(a: QueuedPod, b: QueuedPod): boolean {
  return a.pod.priority === b.pod.priority ? a.order < b.order : a.pod.priority > b.pod.priority
}

function endsFirst(a: DelayedPod, b: DelayedPod): boolean {
  return a.until === b.until ? isFirst(a, b) : a.until < b.until
}

/**
 * Pods without a node, each in one of five places. `active` ones are tried, highest priority first, then first come,
 * first served. `waiting` ones were refused until something changes that could help. Woken, they are `delayed` by a
 * back-off, which is cut short when nothing else is to be done. `failed` ones could not be bound, and serve theirs in
 * full. `gated` ones are held by their scheduling gates.
 */
export class SchedulingQueue {
  readonly #clock: Clock
  readonly #onReady: () => void
  readonly #active = new Heap<QueuedPod>(isFirst)
  readonly #delayed = new Heap<DelayedPod>(endsFirst)
  readonly #failed = new Heap<DelayedPod>(endsFirst)
  readonly #waiting = new WaitingPods()
  readonly #gated = new Set<string>()
  /** Pods that stay waiting whatever happens, and whether something that could help did happen. */
  readonly #held = new Map<string, boolean>()
  /** Since when pods without a node are known. */
  readonly #seenAt = new Map<string, Millis>()
  #order = 0
  #timer: { readonly at: Millis; readonly timer: Timer } | undefined
  #flushTimer: Timer
  #closed = false

  /** `onReady` is called whenever there may be something to pop. */
  constructor(clock: Clock, onReady: () => void) {
    this.#clock = clock
    this.#onReady = onReady
    this.#flushTimer = clock.setTimer(FLUSH_EVERY_MS, () => this.#flush())
  }

  /** How many pods are where. */
  get counts(): Readonly<Record<'active' | 'delayed' | 'failed' | 'waiting' | 'gated', number>> {
    return {
      active: this.#active.size,
      delayed: this.#delayed.size,
      failed: this.#failed.size,
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
    for (const heap of [this.#active, this.#delayed, this.#failed] as readonly Heap<QueuedPod>[]) {
      const queued = heap.get(key)
      if (queued === undefined) continue
      heap.push({ ...queued, pod })
      return
    }
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      this.#waiting.set({ ...waiting, pod })
      if (mayHelp) this.wake(key)
      return
    }
    if (!this.#seenAt.has(key)) this.#seenAt.set(key, this.#clock.monotonic())
    this.#active.push({ key, pod, order: this.#order++, attempts: 0 })
    this.#onReady()
  }

  has(key: string): boolean {
    return this.#gated.has(key) || this.find(key) !== undefined
  }

  /** A pod that is not gated, as it was last taken in. */
  find(key: string): PodInfo | undefined {
    const queued = this.#active.get(key) ?? this.#delayed.get(key) ?? this.#failed.get(key) ?? this.#waiting.get(key)
    return queued?.pod
  }

  remove(key: string): void {
    this.#active.remove(key)
    this.#delayed.remove(key)
    this.#failed.remove(key)
    this.#waiting.delete(key)
    this.#gated.delete(key)
    this.#held.delete(key)
    this.#seenAt.delete(key)
  }

  /** Since when (monotonic) a pod that may have a node is known to have none. */
  seenAt(key: string): Millis | undefined {
    return this.#seenAt.get(key)
  }

  /** The next pod to try, with this try counted. */
  pop(): QueuedPod | undefined {
    const next = this.#active.pop() ?? this.#delayed.pop()
    if (next === undefined) return undefined
    const { key, pod, order, attempts } = next
    return { key, pod, order, attempts: attempts + 1 }
  }

  /** No node could take the pod: it waits for a change that one of these filters says could help. */
  wait({ key, pod, attempts }: QueuedPod, refusedBy: readonly string[]): void {
    this.#waiting.set({ key, pod, attempts, order: this.#order++, refusedBy, triedAt: this.#clock.monotonic() })
  }

  /** The try failed for a reason that has nothing to do with the cluster's state: again after the back-off. */
  retry({ key, pod, attempts }: QueuedPod): void {
    const until = this.#clock.monotonic() + backoffMs(attempts)
    this.#failed.push({ key, pod, attempts, order: this.#order++, until })
    this.#arm()
  }

  /** Wakes those waiting pods that a filter refused and for which `helps` says yes. */
  wakeRefusedBy(filter: string, helps: (pod: PodInfo) => boolean): void {
    for (const { key, pod } of this.#waiting.refusedBy(filter)) if (helps(pod)) this.wake(key)
  }

  /** Has a waiting pod tried again when its back-off has passed. */
  wake(key: string): void {
    if (this.#held.has(key)) this.#held.set(key, true)
    else {
      const waiting = this.#waiting.delete(key)
      if (waiting !== undefined) this.#delay(waiting)
    }
  }

  /** Lets a pod wait, come what may, until it is released. */
  hold(key: string): void {
    this.#held.set(key, false)
  }

  /** Ends a hold; wakes the pod when it would have been woken meanwhile, or when told to. */
  release(key: string, wake: boolean): void {
    const woken = this.#held.get(key)
    this.#held.delete(key)
    if (woken === true || (wake && woken !== undefined)) this.wake(key)
  }

  close(): void {
    this.#closed = true
    this.#timer?.timer.cancel()
    this.#flushTimer.cancel()
  }

  #delay({ key, pod, order, attempts, triedAt }: WaitingPod): void {
    const until = Math.ceil((triedAt + backoffMs(attempts)) / WINDOW_MS) * WINDOW_MS
    if (until <= this.#clock.monotonic()) this.#active.push({ key, pod, order, attempts })
    else {
      this.#delayed.push({ key, pod, order, attempts, until })
      this.#arm()
    }
    this.#onReady()
  }

  /** Sees to it that pods whose back-off ends become active. */
  #arm(): void {
    const at = Math.min(
      this.#delayed.peek()?.until ?? Number.POSITIVE_INFINITY,
      this.#failed.peek()?.until ?? Number.POSITIVE_INFINITY,
    )
    if (at === Number.POSITIVE_INFINITY || this.#closed) return
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.timer.cancel()
    const timer = this.#clock.setTimer(Math.max(0, at - this.#clock.monotonic()), () => {
      this.#timer = undefined
      this.#activate(this.#delayed)
      this.#activate(this.#failed)
      this.#arm()
      this.#onReady()
    })
    this.#timer = { at, timer }
  }

  #activate(heap: Heap<DelayedPod>): void {
    const now = this.#clock.monotonic()
    for (let due = heap.peek(); due !== undefined && due.until <= now; due = heap.peek()) {
      const { key, pod, order, attempts } = heap.pop()!
      this.#active.push({ key, pod, order, attempts })
    }
  }

  #flush(): void {
    const now = this.#clock.monotonic()
    for (const { key, triedAt } of this.#waiting.values()) if (now - triedAt >= WAIT_MS_MAX) this.wake(key)
    this.#flushTimer = this.#clock.setTimer(FLUSH_EVERY_MS, () => this.#flush())
  }
}
