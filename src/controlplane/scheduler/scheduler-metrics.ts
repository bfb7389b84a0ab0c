import { DurationHistogram, exponentialBounds } from '../../base/duration-histogram.ts'
import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'
import type { SchedulingQueue } from './queue/scheduling-queue.ts'

const RESULTS = ['scheduled', 'unschedulable', 'error'] as const
export type AttemptResult = (typeof RESULTS)[number]

/** The only one there is, as kube-scheduler's default is called. */
const PROFILE = 'default-scheduler'
const ATTEMPT = 'scheduler_scheduling_attempt_duration_seconds'
const UNTIL_PLACED = 'scheduler_pod_scheduling_sli_duration_seconds'
/** Attempts that a pod took are told apart up to here. */
const ATTEMPTS_MAX = 15

/** What the scheduler does, under kube-scheduler's names. A scheduler that is elected anew goes on counting. */
export class SchedulerMetrics {
  readonly #attempts = new Map(
    RESULTS.map((result) => [result, new DurationHistogram(exponentialBounds(0.001, 2, 15))]),
  )
  readonly #counts = new Map<AttemptResult, number>(RESULTS.map((result) => [result, 0]))
  /** By the number of attempts. */
  readonly #untilPlaced = new Map<number, DurationHistogram>()
  #preemptions = 0
  #victims = 0
  #queue: SchedulingQueue | undefined

  /** The queue that pods wait in now; undefined: another control plane schedules. */
  follow(queue: SchedulingQueue | undefined): void {
    this.#queue = queue
  }

  /** One attempt is over: a decision, and where a node was found the binding. */
  attempt(result: AttemptResult, durationMs: number): void {
    this.#attempts.get(result)!.observe(durationMs / 1000)
    this.#counts.set(result, this.#counts.get(result)! + 1)
  }

  /** A pod has its node. `sinceMs`: since it was first seen. */
  placed(attempts: number, sinceMs: number): void {
    const shown = Math.min(attempts, ATTEMPTS_MAX)
    let histogram = this.#untilPlaced.get(shown)
    if (histogram === undefined) {
      histogram = new DurationHistogram(exponentialBounds(0.01, 2, 20))
      this.#untilPlaced.set(shown, histogram)
    }
    histogram.observe(sinceMs / 1000)
  }

  preempted(victims: number): void {
    this.#preemptions += 1
    this.#victims += victims
  }

  families(): readonly MetricFamily[] {
    const one = (value: () => number) => (): readonly MetricSample[] => [{ value: value() }]
    return [
      {
        name: 'scheduler_schedule_attempts_total',
        type: 'counter',
        help: 'Number of attempts to schedule pods, by the result.',
        samples: () => Array.from(this.#counts, ([result, value]) => ({ labels: { result, profile: PROFILE }, value })),
      },
      {
        name: ATTEMPT,
        type: 'histogram',
        help: 'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
        samples: () =>
          [...this.#attempts].flatMap(([result, durations]) =>
            durations.samples(ATTEMPT, { result, profile: PROFILE }),
          ),
      },
      {
        name: UNTIL_PLACED,
        type: 'histogram',
        help: 'Latency for a pod being scheduled, from the time the pod enters the scheduling queue.',
        samples: () =>
          [...this.#untilPlaced].flatMap(([attempts, durations]) =>
            durations.samples(UNTIL_PLACED, { attempts: attempts >= ATTEMPTS_MAX ? '15+' : String(attempts) }),
          ),
      },
      {
        name: 'scheduler_pending_pods',
        type: 'gauge',
        help: 'Number of pending pods, by the queue type.',
        samples: () => {
          const { active = 0, delayed = 0, failed = 0, waiting = 0, gated = 0 } = this.#queue?.counts ?? {}
          const places = { active, backoff: delayed + failed, unschedulable: waiting, gated }
          return Object.entries(places).map(([queue, value]) => ({ labels: { queue }, value }))
        },
      },
      {
        name: 'scheduler_preemption_attempts_total',
        type: 'counter',
        help: 'Total preemption attempts in the cluster till now',
        samples: one(() => this.#preemptions),
      },
      {
        name: 'wherry_scheduler_preemption_victims_total',
        type: 'counter',
        help: 'Pods that had to make room for others',
        samples: one(() => this.#victims),
      },
    ]
  }
}
