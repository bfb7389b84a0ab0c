import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus } from '../../api/types/autoscaling-v2.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { EventType } from '../../client/event-recorder.ts'
import { isoSeconds } from '../controllers/timestamp.ts'
import { type AutoscalingPlan, type TargetScale, withCondition, withScaledToZero } from './plan-autoscaling.ts'
import { type ScalingHistory, withScaleChange } from './scaling-history.ts'

export interface Conclusion {
  readonly status: HorizontalPodAutoscalerStatus
  readonly history: ScalingHistory
  readonly event: { readonly type: EventType; readonly reason: string; readonly message: string }
}

/** What is said and remembered once the size of a plan was written, or could not be: `failure` is the server's word. */
export function concludeResize(
  autoscaler: HorizontalPodAutoscaler,
  plan: AutoscalingPlan & { readonly resize: NonNullable<AutoscalingPlan['resize']> },
  scale: TargetScale,
  failure: string | undefined,
  nowMs: Millis,
): Conclusion {
  const { replicas, why } = plan.resize
  if (failure !== undefined) {
    const text = {
      reason: 'FailedUpdateScale',
      message: `the HPA controller was unable to update the target scale: ${failure}`,
    }
    const conditions = withCondition(plan.status.conditions, 'AbleToScale', 'False', text, nowMs) ?? []
    return {
      status: { ...plan.status, desiredReplicas: autoscaler.status?.desiredReplicas ?? 0, conditions },
      history: plan.history,
      event: {
        type: 'Warning',
        reason: 'FailedRescale',
        message: `New size: ${replicas}; reason: ${why}; error: ${failure}`,
      },
    }
  }
  const text = {
    reason: 'SucceededRescale',
    message: `the HPA controller was able to update the target scale to ${replicas}`,
  }
  const able = withCondition(plan.status.conditions, 'AbleToScale', 'True', text, nowMs)
  const conditions = withScaledToZero(able, autoscaler, replicas, nowMs) ?? []
  return {
    status: { ...plan.status, lastScaleTime: isoSeconds(nowMs), conditions },
    history: withScaleChange(plan.history, scale.replicas, replicas, nowMs),
    event: { type: 'Normal', reason: 'SuccessfulRescale', message: `New size: ${replicas}; reason: ${why}` },
  }
}
