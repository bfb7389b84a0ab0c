import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import { groupPods } from './group-pods.ts'
import { MetricError } from './metric-error.ts'
import type { PodSample } from './metric-reading.ts'
import { replicaCount } from './replica-count.ts'
import { isWithin, type Tolerance } from './tolerance.ts'

type Values = ReadonlyMap<string, number>

/** How samples of pods are held against the aim. */
export interface PodAim {
  /** The resource that is measured, if it is one. */
  readonly resource: string | undefined
  /** Measured over wanted, and the numbers that are shown of it. Throws MetricError. */
  gauge(values: Values): Gauged
  /** What a pod that was not measured is taken to use when there seem to be too many pods. */
  assumed(pod: string): number
}

export interface Gauged {
  readonly ratio: number
  /** Thousandths per pod, without fraction. */
  readonly averageMilli: number
  readonly utilizationPercent?: number
}

function sumOf(values: Iterable<number>): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

/** The aim is a share of what pods request, in whole per cent of all requests together. */
export function utilizationAim(resource: string, targetPercent: number, requests: () => Values): PodAim {
  let known: Values | undefined
  const requested = (): Values => {
    known ??= requests()
    return known
  }
  return {
    resource,
    gauge(values) {
      const counted = [...values].filter(([pod]) => requested().has(pod))
      const used = sumOf(counted.map(([, milli]) => milli))
      const asked = sumOf(counted.map(([pod]) => requested().get(pod)!))
      if (asked === 0) throw new MetricError('no metrics returned matched known pods')
      // Memory in thousandths of a byte times a hundred is beyond what a double tells apart.
      const utilizationPercent = Number((BigInt(used) * 100n) / BigInt(asked))
      const averageMilli = Math.trunc(used / counted.length)
      return { ratio: utilizationPercent / targetPercent, utilizationPercent, averageMilli }
    },
    assumed: (pod) => Math.trunc(((requested().get(pod) ?? 0) * Math.max(100, targetPercent)) / 100),
  }
}

/** The aim is an amount per pod. */
export function averageAim(resource: string | undefined, targetMilli: number): PodAim {
  return {
    resource,
    gauge(values) {
      const averageMilli = Math.trunc(sumOf(values.values()) / values.size)
      return { ratio: averageMilli / targetMilli, averageMilli }
    },
    assumed: () => targetMilli,
  }
}

export interface SampledPods {
  readonly pods: readonly Pod[]
  readonly samples: ReadonlyMap<string, PodSample>
  readonly currentReplicas: number
  readonly tolerance: Tolerance
  readonly nowMs: Millis
}

/** Whether two ratios ask for different directions. */
function flips(before: number, after: number): boolean {
  return (before < 1 && after > 1) || (before > 1 && after < 1)
}

/**
 * The replicas that samples of pods ask for. Pods whose samples are missing or say nothing are assumed to be what
 * speaks against acting: idle when there seem to be too few pods, busy when there seem to be too many. Throws
 * MetricError.
 */
export function replicasForSamples(
  { pods, samples, currentReplicas, tolerance, nowMs }: SampledPods,
  aim: PodAim,
): { readonly replicas: number; readonly gauged: Gauged } {
  if (pods.length === 0) throw new MetricError('no pods returned by selector while calculating replica count')
  const { ready, unready, missing } = groupPods(pods, samples, aim.resource, nowMs)
  if (ready.size === 0) throw new MetricError('did not receive metrics for targeted pods (pods might be unready)')
  const values = new Map([...ready].map((pod) => [pod, samples.get(pod)!.milli]))
  const gauged = aim.gauge(values)
  const { ratio } = gauged
  const upWithUnready = unready.size > 0 && ratio > 1
  if (!upWithUnready && missing.size === 0) {
    const replicas = isWithin(tolerance, ratio) ? currentReplicas : replicaCount(ratio * ready.size)
    return { replicas, gauged }
  }
  if (ratio < 1) for (const pod of missing) values.set(pod, aim.assumed(pod))
  if (ratio > 1) for (const pod of missing) values.set(pod, 0)
  if (upWithUnready) for (const pod of unready) values.set(pod, 0)
  const refilled = aim.gauge(values).ratio
  if (isWithin(tolerance, refilled) || flips(ratio, refilled)) return { replicas: currentReplicas, gauged }
  const replicas = replicaCount(refilled * values.size)
  const turnsBack = (refilled < 1 && replicas > currentReplicas) || (refilled > 1 && replicas < currentReplicas)
  return { replicas: turnsBack ? currentReplicas : replicas, gauged }
}
