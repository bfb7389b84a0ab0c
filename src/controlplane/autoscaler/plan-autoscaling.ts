import { findCondition, isConditionTrue, setCondition } from '../../api/conditions.ts'
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
} from '../../api/types/autoscaling-v2.gen.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import { isoSeconds } from '../controllers/timestamp.ts'
import { type Bounds, limitChange } from './limit-change.ts'
import type { MetricReading } from './metric-reading.ts'
import { type Proposal, proposeReplicas } from './propose-replicas.ts'
import { firstHistory, type ScalingHistory, withRecommendation } from './scaling-history.ts'
import { stabilize } from './stabilize.ts'
import { toleranceOf } from './tolerance.ts'

/** The `scale` subresource of what is scaled. */
export interface TargetScale {
  /** How many are asked for. */
  readonly replicas: number
  /** How many there are. */
  readonly statusReplicas: number
  /** Its pods' labels, in the text form. Empty when it has none. */
  readonly selector: string
}

/** Why the pods of a target cannot be told from others. */
export interface SelectorProblem {
  readonly event: Warning
  readonly reason: string
  readonly message: string
}

export interface AutoscalingObservation {
  readonly scale: TargetScale
  /** What the target's selector fits. */
  readonly pods: readonly Pod[]
  /** One for each of the autoscaler's metrics, in order; none when `needsMetrics` says so. */
  readonly readings: readonly MetricReading[]
  readonly selectorProblem?: SelectorProblem | undefined
  /** Nothing the first time. */
  readonly history: ScalingHistory | undefined
}

export interface Warning {
  readonly reason: string
  readonly message: string
}

export interface AutoscalingPlan {
  /** The size to write into the scale subresource; undefined leaves it as it is. */
  readonly resize: { readonly replicas: number; readonly why: string } | undefined
  /** The status if nothing is written or once it has been; see `concludeResize`. */
  readonly status: HorizontalPodAutoscalerStatus
  readonly warnings: readonly Warning[]
  readonly history: ScalingHistory
}

export type Conditions = readonly HorizontalPodAutoscalerCondition[] | undefined

/** Puts one condition in, in Kubernetes' words. */
export function withCondition(
  conditions: Conditions,
  type: string,
  status: 'True' | 'False',
  { reason, message }: Warning,
  nowMs: Millis,
): Conditions {
  return setCondition(conditions, { type, status, reason, message }, isoSeconds(nowMs))
}

function boundsOf({ spec }: HorizontalPodAutoscaler): Bounds {
  return { min: spec.minReplicas ?? 1, max: spec.maxReplicas }
}

/** It was this controller that scaled to nothing, and not somebody who wants it to stay so. */
function scaledToZeroByUs({ status }: HorizontalPodAutoscaler): boolean {
  return isConditionTrue(status?.conditions, 'ScaledToZero')
}

function measuresOutside({ spec }: HorizontalPodAutoscaler): boolean {
  return (spec.metrics ?? []).some(({ type }) => type === 'Object' || type === 'External')
}

/** A target of nothing is left alone, unless it was scaled there and can be measured or must have pods again. */
function isDisabled(autoscaler: HorizontalPodAutoscaler, currentReplicas: number): boolean {
  if (currentReplicas !== 0) return false
  if (!scaledToZeroByUs(autoscaler)) return true
  return boundsOf(autoscaler).min === 0 && !measuresOutside(autoscaler)
}

/** Whether a decision about a target of this size takes metrics; outside its bounds it is clamped without. */
export function needsMetrics(autoscaler: HorizontalPodAutoscaler, currentReplicas: number): boolean {
  if (currentReplicas === 0) return !isDisabled(autoscaler, 0)
  const { min, max } = boundsOf(autoscaler)
  return currentReplicas >= min && currentReplicas <= max
}

/** The status with sizes and metrics anew; `desired` stays what it was when nothing could be decided. */
export function statusWith(
  { metadata, status }: HorizontalPodAutoscaler,
  currentReplicas: number,
  desiredReplicas: number | undefined,
  currentMetrics: readonly MetricStatus[] | undefined,
  conditions: Conditions,
): HorizontalPodAutoscalerStatus {
  return {
    ...(metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    ...(status?.lastScaleTime === undefined ? {} : { lastScaleTime: status.lastScaleTime }),
    currentReplicas,
    desiredReplicas: desiredReplicas ?? status?.desiredReplicas ?? 0,
    ...(currentMetrics === undefined ? {} : { currentMetrics }),
    ...(conditions === undefined ? {} : { conditions }),
  }
}

interface Combined {
  readonly statuses: readonly MetricStatus[]
  readonly warnings: readonly Warning[]
  /** The most that any metric asks for. */
  readonly best: Extract<Proposal, { kind: 'replicas' }> | undefined
  readonly failed: readonly Extract<Proposal, { kind: 'failed' }>[]
}

function combine(proposals: readonly Proposal[]): Combined {
  const failed = proposals.filter((proposal) => proposal.kind === 'failed')
  let best: Combined['best']
  for (const proposal of proposals) {
    if (proposal.kind === 'replicas' && (best === undefined || proposal.replicas > best.replicas)) best = proposal
  }
  // A metric that failed keeps its place, or the others would be taken for it.
  const statuses = proposals.map((proposal) => (proposal.kind === 'replicas' ? proposal.status : { type: '' }))
  return { statuses, warnings: failed.map(({ reason, message }) => ({ reason, message })), best, failed }
}

/** Only conditions of autoscalers that ever have to do with nothing speak of it. */
function knowsZero(autoscaler: HorizontalPodAutoscaler): boolean {
  return boundsOf(autoscaler).min === 0 || findCondition(autoscaler.status?.conditions, 'ScaledToZero') !== undefined
}

/** After a resize: whether the target is at nothing because this controller scaled it there. */
export function withScaledToZero(
  conditions: Conditions,
  autoscaler: HorizontalPodAutoscaler,
  replicas: number,
  nowMs: Millis,
): Conditions {
  if (!knowsZero(autoscaler)) return conditions
  const text =
    replicas === 0
      ? { reason: 'ScaledToZero', message: 'the HPA controller scaled the workload to zero' }
      : { reason: 'NotScaledToZero', message: 'the HPA controller did not scale the workload to zero' }
  return withCondition(conditions, 'ScaledToZero', replicas === 0 ? 'True' : 'False', text, nowMs)
}

/** Of a target that metrics do not decide about: left at nothing, or brought back between its bounds. */
function planWithoutMetrics(
  autoscaler: HorizontalPodAutoscaler,
  current: number,
  conditions: Conditions,
  history: ScalingHistory,
  nowMs: Millis,
): AutoscalingPlan {
  const { min, max } = boundsOf(autoscaler)
  if (current === 0) {
    const text = {
      reason: 'ScalingDisabled',
      message: 'scaling is disabled since the replica count of the target is zero',
    }
    const disabled = withCondition(conditions, 'ScalingActive', 'False', text, nowMs)
    return { resize: undefined, status: statusWith(autoscaler, 0, 0, undefined, disabled), warnings: [], history }
  }
  const [replicas, why] =
    current > max
      ? [max, 'Current number of replicas above Spec.MaxReplicas']
      : [min, 'Current number of replicas below Spec.MinReplicas']
  const status = statusWith(autoscaler, current, replicas, undefined, conditions)
  return { resize: { replicas, why }, status, warnings: [], history }
}

/** Of a target about which nothing can be decided: the status says why, and the size stays. */
function planBlocked(
  autoscaler: HorizontalPodAutoscaler,
  current: number,
  conditions: Conditions,
  statuses: readonly MetricStatus[] | undefined,
  warnings: readonly Warning[],
  error: string,
  history: ScalingHistory,
): AutoscalingPlan {
  const blocked = { reason: 'FailedComputeMetricsReplicas', message: error }
  const status = statusWith(autoscaler, current, undefined, statuses, conditions)
  return { resize: undefined, status, warnings: [...warnings, blocked], history }
}

/** The reason of a resize. A higher recommendation of the last minutes can ask for more than any metric does now. */
function resizeReason(wanted: number, current: number, replicas: number, metric: string, held: string): string {
  if (replicas > current && wanted <= current) return held
  return wanted > current ? `${metric} above target` : 'All metrics below target'
}

/**
 * What to do about one autoscaler's target: the size to ask for, with the reason that becomes the event, the status and
 * its conditions. Pure and total; planning again after acting, with the same metrics, asks for nothing more than the
 * limits held back. Source: kube-controller-manager's horizontal pod autoscaler, KEP-853 (behavior), KEP-2021 (zero),
 * KEP-4951 (tolerance).
 */
export function planAutoscaling(
  autoscaler: HorizontalPodAutoscaler,
  observed: AutoscalingObservation,
  nowMs: Millis,
): AutoscalingPlan {
  const { spec } = autoscaler
  const current = observed.scale.replicas
  const history = observed.history ?? firstHistory(current, nowMs)
  const gotScale = {
    reason: 'SucceededGetScale',
    message: "the HPA controller was able to get the target's current scale",
  }
  let conditions = withCondition(autoscaler.status?.conditions, 'AbleToScale', 'True', gotScale, nowMs)
  if (!needsMetrics(autoscaler, current)) return planWithoutMetrics(autoscaler, current, conditions, history, nowMs)

  const problem = observed.selectorProblem
  if (problem !== undefined) {
    conditions = withCondition(conditions, 'ScalingActive', 'False', problem, nowMs)
    return planBlocked(autoscaler, current, conditions, undefined, [problem.event], problem.event.message, history)
  }
  const metrics = spec.metrics ?? []
  const context = {
    namespace: autoscaler.metadata?.namespace ?? '',
    pods: observed.pods,
    currentReplicas: current,
    statusReplicas: observed.scale.statusReplicas,
    tolerance: toleranceOf(spec.behavior),
    nowMs,
  }
  const unread: MetricReading = { kind: 'failed', why: 'it was not read' }
  const proposals = metrics.map((metric, i) => proposeReplicas(metric, observed.readings[i] ?? unread, context))
  const { statuses, warnings, best, failed } = combine(proposals)
  // What a failed metric would have asked for may be more, so nothing is taken away meanwhile.
  if (best === undefined || (failed.length > 0 && best.replicas < current)) {
    const [first] = failed
    const message = `the HPA was unable to compute the replica count: ${first?.message ?? 'no metrics'}`
    conditions = withCondition(conditions, 'ScalingActive', 'False', { reason: first?.reason ?? '', message }, nowMs)
    const error = `invalid metrics (${failed.length} invalid out of ${metrics.length}), first error is: ${first?.error ?? ''}`
    return planBlocked(autoscaler, current, conditions, statuses, warnings, error, history)
  }
  const valid = {
    reason: 'ValidMetricFound',
    message: `the HPA was able to successfully calculate a replica count from ${best.metric}`,
  }
  conditions = withCondition(conditions, 'ScalingActive', 'True', valid, nowMs)

  const wanted = best.replicas
  const bounds = boundsOf(autoscaler)
  const stable = stabilize(wanted, current, history.recommendations, spec.behavior, nowMs)
  const able = stable.held ?? { reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
  conditions = withCondition(conditions, 'AbleToScale', 'True', able, nowMs)
  const limited = limitChange(stable.replicas, current, bounds, spec.behavior, history, nowMs)
  const isLimited = limited.replicas !== stable.replicas
  conditions = withCondition(conditions, 'ScalingLimited', isLimited ? 'True' : 'False', limited, nowMs)

  // From nothing, with a minimum that was raised meanwhile: no metric has to ask for it.
  const raised = current === 0 && limited.replicas < bounds.min
  const replicas = raised ? bounds.min : limited.replicas
  const held = current === 0 ? 'Current number of replicas below Spec.MinReplicas' : (stable.held?.message ?? '')
  const why = resizeReason(wanted, current, replicas, best.metric, held)
  return {
    resize: replicas === current ? undefined : { replicas, why },
    status: statusWith(autoscaler, current, replicas, statuses, conditions),
    warnings,
    history: withRecommendation(history, wanted, nowMs),
  }
}
