import type { HorizontalPodAutoscaler } from '../../../src/api/types/autoscaling-v2.gen.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { concludeResize } from '../../../src/controlplane/autoscaler/conclude-resize.ts'
import type { MetricReading, PodSample } from '../../../src/controlplane/autoscaler/metric-reading.ts'
import { needsMetrics, planAutoscaling } from '../../../src/controlplane/autoscaler/plan-autoscaling.ts'
import type { ScalingHistory } from '../../../src/controlplane/autoscaler/scaling-history.ts'
import { PERIOD_MS } from '../../../src/controlplane/autoscaler/turns.ts'
import { isoSeconds } from '../../../src/controlplane/controllers/timestamp.ts'

/** What one pod with a whole CPU serves at most. */
export const REQUESTS_PER_SECOND_MAX = 100
const REQUEST_MILLI_CPU = 1_000
/** A pod is scheduled after 2 s, burns a whole CPU while it starts, and serves after 12 s. */
const SCHEDULED_MS = 2_000
const SERVES_MS = 12_000
/** Usage is sampled as often as it is averaged over. */
const WINDOW_MS = 15_000

interface SimulatedPod {
  readonly name: string
  readonly createdMs: number
  /** Thousandths of a CPU second by second, the newest last; one window of them. */
  readonly used: number[]
  sample: PodSample | undefined
}

export interface Second {
  readonly atSeconds: number
  readonly wanted: number
  readonly serving: number
  /** Requests that wait. */
  readonly queue: number
  /** Of the pods that serve, 0 to 1. */
  readonly busy: number
}

export interface SimulationOptions {
  readonly autoscaler: HorizontalPodAutoscaler
  readonly seconds: number
  readonly replicas: number
  /** Requests a second that arrive. */
  readonly load: (atSeconds: number) => number
}

function podObject(pod: SimulatedPod, nowMs: number): Pod {
  const age = nowMs - pod.createdMs
  const ready = age >= SERVES_MS
  return {
    metadata: { namespace: 'shop', name: pod.name, labels: { app: 'web' } },
    spec: {
      containers: [{ name: 'main', image: 'one', resources: { requests: { cpu: `${REQUEST_MILLI_CPU}m` } } }],
    },
    status: {
      phase: age < SCHEDULED_MS ? 'Pending' : 'Running',
      startTime: isoSeconds(pod.createdMs),
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          lastTransitionTime: isoSeconds(pod.createdMs + (ready ? SERVES_MS : SCHEDULED_MS)),
        },
      ],
    },
  }
}

/**
 * A service under load on virtual time: requests arrive, wait in one queue, and are served by the pods that are ready;
 * each pod's CPU follows what it serves. Every 15 s the plan is asked, and its size applied at once.
 */
export async function simulateLoad({
  autoscaler,
  seconds,
  replicas,
  load,
}: SimulationOptions): Promise<readonly Second[]> {
  const clock = new VirtualClock()
  const startMs = clock.now()
  let made = 0
  const newPod = (createdMs: number): SimulatedPod => ({
    name: `web-${made++}`,
    createdMs,
    used: [],
    sample: undefined,
  })
  let pods = Array.from({ length: replicas }, () => newPod(startMs - 3_600_000))
  let wanted = replicas
  let queue = 0
  let arrived = 0
  let history: ScalingHistory | undefined
  let { status } = autoscaler
  const log: Second[] = []

  const second = (): void => {
    clock.setTimer(1_000, second)
    const now = clock.now()
    const atSeconds = Math.round((now - startMs) / 1_000)
    const serving = pods.filter(({ createdMs }) => now - createdMs >= SERVES_MS)
    arrived = load(atSeconds)
    const served = Math.min(queue + arrived, serving.length * REQUESTS_PER_SECOND_MAX)
    queue += arrived - served
    const busy = serving.length === 0 ? 0 : served / (serving.length * REQUESTS_PER_SECOND_MAX)
    for (const pod of pods) {
      const age = now - pod.createdMs
      if (age < SCHEDULED_MS) continue
      pod.used.push(age < SERVES_MS ? REQUEST_MILLI_CPU : Math.round(busy * REQUEST_MILLI_CPU))
      if (pod.used.length > WINDOW_MS / 1_000) pod.used.shift()
      if (atSeconds % (WINDOW_MS / 1_000) === 0 && pod.used.length === WINDOW_MS / 1_000) {
        const milli = Math.round(pod.used.reduce((sum, one) => sum + one, 0) / pod.used.length)
        pod.sample = { milli, atMs: now, windowMs: WINDOW_MS }
      }
    }
    log.push({ atSeconds, wanted, serving: serving.length, queue, busy })
  }

  const readings = (): readonly MetricReading[] =>
    (autoscaler.spec.metrics ?? []).map(({ type }): MetricReading => {
      if (type === 'External') return { kind: 'total', milli: Math.round(arrived * 1_000) }
      const sampled = pods.flatMap(({ name, sample }) => (sample === undefined ? [] : [[name, sample] as const]))
      return { kind: 'pods', samples: new Map(sampled) }
    })

  const turn = (): void => {
    clock.setTimer(PERIOD_MS, turn)
    const now = clock.now()
    const current = { ...autoscaler, ...(status === undefined ? {} : { status }) }
    const scale = { replicas: wanted, statusReplicas: pods.length, selector: 'app=web' }
    const observed = {
      scale,
      pods: pods.map((pod) => podObject(pod, now)),
      readings: needsMetrics(current, wanted) ? readings() : [],
      history,
    }
    const plan = planAutoscaling(current, observed, now)
    ;({ status, history } = plan)
    if (plan.resize === undefined) return
    ;({ status, history } = concludeResize(current, { ...plan, resize: plan.resize }, scale, undefined, now))
    wanted = plan.resize.replicas
    // As a ReplicaSet: the youngest go first.
    pods = pods.slice(0, wanted)
    while (pods.length < wanted) pods.push(newPod(now))
  }

  clock.setTimer(1_000, second)
  // Between two samples, as it is in a cluster: nobody waits for anybody.
  clock.setTimer(7_000, turn)
  await clock.advance(seconds * 1_000)
  return log
}

/** The size each time it changes: `[second, from, to]`. */
export function changesOf(log: readonly Second[]): readonly (readonly [atSeconds: number, from: number, to: number])[] {
  return log.flatMap(({ atSeconds, wanted }, i) => {
    const before = log[i - 1]?.wanted ?? wanted
    return before === wanted ? [] : [[atSeconds, before, wanted] as const]
  })
}

/** How often it turns from growing to shrinking or back. */
export function turnsOf(log: readonly Second[]): number {
  const directions = changesOf(log).map(([, from, to]) => Math.sign(to - from))
  return directions.filter((direction, i) => i > 0 && direction !== directions[i - 1]).length
}
