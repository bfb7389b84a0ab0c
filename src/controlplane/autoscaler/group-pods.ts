import { isPodTerminal, podReadyCondition } from '../../api/pod-readiness.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { PodSample } from './metric-reading.ts'

/** For so long after its start, a pod's CPU counts only once it is ready and measured as such: starting costs CPU. */
const CPU_INITIALIZATION_MS = 5 * 60_000
/** Readiness that was lost this soon after the start was never there. */
const INITIAL_READINESS_DELAY_MS = 30_000

/**
 * The shortest window that upstream's metrics-server measures over. Here the first answer after a pause covers less, and
 * what a program does in its first seconds of service (compiling, filling caches) would pass for load.
 */
const WINDOW_MS_MIN = 15_000

/** Names of pods by what their samples are worth. Pods that have ended or are being deleted are in none of them. */
export interface PodGroups {
  /** Measured, and the measurement says something. */
  readonly ready: ReadonlySet<string>
  /** Not started, or not yet what their load is about. */
  readonly unready: ReadonlySet<string>
  /** Running, but not measured. */
  readonly missing: ReadonlySet<string>
}

/** CPU while a program starts says nothing of the load: whether this sample is of such a time. */
function isStartingUp(pod: Pod, sample: PodSample, nowMs: Millis): boolean {
  const condition = podReadyCondition(pod)
  const startedMs = Date.parse(pod.status?.startTime ?? '')
  if (condition === undefined || Number.isNaN(startedMs)) return true
  const unready = condition.status === 'False'
  const changedMs = Date.parse(condition.lastTransitionTime ?? '')
  if (startedMs + CPU_INITIALIZATION_MS > nowMs) {
    return unready || sample.atMs < changedMs + Math.max(sample.windowMs, WINDOW_MS_MIN)
  }
  return unready && startedMs + INITIAL_READINESS_DELAY_MS > changedMs
}

/** `resource` is the resource that was measured; nothing for other metrics, which have no start-up to be wary of. */
export function groupPods(
  pods: readonly Pod[],
  samples: ReadonlyMap<string, PodSample>,
  resource: string | undefined,
  nowMs: Millis,
): PodGroups {
  const [ready, unready, missing] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp !== undefined || isPodTerminal(pod)) continue
    const name = pod.metadata?.name ?? ''
    const sample = samples.get(name)
    if (pod.status?.phase === 'Pending') unready.add(name)
    else if (sample === undefined) missing.add(name)
    else if (resource === 'cpu' && isStartingUp(pod, sample, nowMs)) unready.add(name)
    else ready.add(name)
  }
  return { ready, unready, missing }
}
