import type { LabelMatcher } from '../../api/label-selector.ts'
import { objectKey, splitKey } from '../../api/object.ts'
import { HORIZONTAL_POD_AUTOSCALERS, PODS } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus } from '../../api/types/autoscaling-v2.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { ReconcileResult } from '../../client/run-workers.ts'
import type { Transport } from '../../client/transport.ts'
import { type ControllerContext, type RunningController, runController } from '../controllers/controller-context.ts'
import { OwnWrites } from '../controllers/own-writes.ts'
import { typed } from '../controllers/owner-references.ts'
import { sameValue } from '../controllers/same-value.ts'
import { type Conclusion, concludeResize } from './conclude-resize.ts'
import { findRivals, readSelector } from './judge-selector.ts'
import type { MetricReading } from './metric-reading.ts'
import { createMetricsClient } from './metrics-client.ts'
import {
  type AutoscalingObservation,
  type AutoscalingPlan,
  needsMetrics,
  planAutoscaling,
  withCondition,
} from './plan-autoscaling.ts'
import { createScaleClient, type ReadScale } from './scale-client.ts'
import type { ScalingHistory } from './scaling-history.ts'
import { PERIOD_MS, Turns } from './turns.ts'

export interface AutoscalerOptions
  extends Pick<ControllerContext, 'client' | 'informers' | 'clock' | 'logger' | 'random'> {
  /** Recorder of `horizontal-pod-autoscaler`. */
  readonly events: EventRecorder
  /** Reads scales and metrics, which the typed client does not. */
  readonly transport: Transport
  /** Calls the listener whenever there are new figures of the traffic; the return value ends it. */
  readonly onTraffic?: (listener: () => void) => () => void
}

/** A new or changed autoscaler is looked at within this time, not only at its next turn. */
const SOON_MS: Millis = 1_000
const WORKERS = 5

/** Metrics that follow the traffic at once, unlike the usage of pods, which is an average of past seconds. */
function isFast({ spec }: HorizontalPodAutoscaler): boolean {
  return (spec.metrics ?? []).some(({ type }) => type !== 'Resource' && type !== 'ContainerResource')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Keeps the size of what HorizontalPodAutoscalers point at where their metrics want it. */
export function startAutoscaler(options: AutoscalerOptions): RunningController {
  const { client, clock, events, transport, random, logger } = options
  const autoscalers = options.informers.for(HORIZONTAL_POD_AUTOSCALERS)
  const pods = options.informers.for(PODS)
  const written = new OwnWrites(autoscalers)
  const scales = createScaleClient(client, transport)
  const closing = new AbortController()
  const metrics = createMetricsClient({ transport, clock, signal: closing.signal })
  const turns = new Turns()
  const histories = new Map<string, ScalingHistory>()
  /** What each autoscaler's target selected when it was last read. */
  const selectors = new Map<string, LabelMatcher>()

  const writeStatus = async (
    autoscaler: HorizontalPodAutoscaler,
    status: HorizontalPodAutoscalerStatus,
  ): Promise<void> => {
    if (sameValue(status, autoscaler.status)) return
    const { namespace, name = '', uid } = autoscaler.metadata ?? {}
    try {
      try {
        written.record(await client.updateStatus(HORIZONTAL_POD_AUTOSCALERS, { ...autoscaler, status }))
      } catch (error) {
        if (!isReason(error, 'Conflict')) throw error
        const newer = await client.get(HORIZONTAL_POD_AUTOSCALERS, { namespace, name })
        // A namesake knows nothing of this one's past.
        if (newer.metadata?.uid !== uid) return
        written.record(await client.updateStatus(HORIZONTAL_POD_AUTOSCALERS, { ...newer, status }))
      }
    } catch (error) {
      if (isReason(error, 'NotFound')) return
      logger.debug({ err: error, autoscaler: `${namespace}/${name}` }, 'the status could not be written')
      if (isReason(error, 'Conflict')) return
      const about = typed(HORIZONTAL_POD_AUTOSCALERS, autoscaler)
      events.event(about, 'Warning', 'FailedUpdateStatus', messageOf(error))
    }
  }

  const failedGetScale = async (autoscaler: HorizontalPodAutoscaler, error: unknown): Promise<void> => {
    const why = messageOf(error)
    events.event(typed(HORIZONTAL_POD_AUTOSCALERS, autoscaler), 'Warning', 'FailedGetScale', why)
    const message = `the HPA controller was unable to get the target's current scale: ${why}`
    const { conditions: before, ...rest } = autoscaler.status ?? { desiredReplicas: 0 }
    const failed = { reason: 'FailedGetScale', message }
    const conditions = withCondition(before, 'AbleToScale', 'False', failed, clock.now())
    await writeStatus(autoscaler, { ...rest, ...(conditions === undefined ? {} : { conditions }) })
  }

  /** The other autoscalers of the namespace whose targets have been read. */
  const othersOf = (autoscaler: HorizontalPodAutoscaler) =>
    autoscalers.list(autoscaler.metadata?.namespace).flatMap((other) => {
      const matcher = selectors.get(objectKey(other))
      const { name = '', namespace = '' } = other.metadata ?? {}
      return matcher === undefined || name === autoscaler.metadata?.name ? [] : [{ name, namespace, matcher }]
    })

  const observe = async (
    key: string,
    autoscaler: HorizontalPodAutoscaler,
    scale: ReadScale,
    glance: boolean,
  ): Promise<AutoscalingObservation> => {
    const { namespace = '', name = '' } = autoscaler.metadata ?? {}
    const observed = { scale, pods: [], readings: [], history: histories.get(key) }
    const selector = readSelector(scale.selector)
    if ('matches' in selector) selectors.set(key, selector)
    if (!needsMetrics(autoscaler, scale.replicas)) return observed
    if (!('matches' in selector)) return { ...observed, selectorProblem: selector }
    const selected = pods.list(namespace).filter(({ metadata }) => selector.matches(metadata?.labels))
    const own = { name, namespace, selector: scale.selector }
    // The last turn has seen to it; looking at every other autoscaler is too much for a glance.
    const selectorProblem = glance ? undefined : findRivals(own, selected, othersOf(autoscaler))
    if (selectorProblem !== undefined) return { ...observed, selectorProblem }
    const readings: MetricReading[] = await Promise.all(
      (autoscaler.spec.metrics ?? []).map((metric) => metrics.read(metric, namespace, scale.selector)),
    )
    return { ...observed, pods: selected, readings }
  }

  /** Writes the size; undefined when somebody else was faster, and all has to be looked at anew. */
  const resize = async (
    autoscaler: HorizontalPodAutoscaler,
    plan: AutoscalingPlan & { readonly resize: NonNullable<AutoscalingPlan['resize']> },
    scale: ReadScale,
  ): Promise<Conclusion | undefined> => {
    const { scaleTargetRef } = autoscaler.spec
    const { replicas, why } = plan.resize
    const namespace = autoscaler.metadata?.namespace ?? ''
    let failure: string | undefined
    try {
      if (!(await scales.write(scaleTargetRef, namespace, scale, replicas))) return undefined
      const autoscalerKey = objectKey(autoscaler)
      logger.info({ autoscaler: autoscalerKey, from: scale.replicas, to: replicas, why }, 'rescaled')
    } catch (error) {
      failure = messageOf(error)
    }
    return concludeResize(autoscaler, plan, scale, failure, clock.now())
  }

  const carryOut = async (
    key: string,
    autoscaler: HorizontalPodAutoscaler,
    scale: ReadScale,
    plan: AutoscalingPlan,
  ): Promise<'done' | 'again'> => {
    const about = typed(HORIZONTAL_POD_AUTOSCALERS, autoscaler)
    for (const { reason, message } of plan.warnings) events.event(about, 'Warning', reason, message)
    let { status, history } = plan
    if (plan.resize !== undefined) {
      const conclusion = await resize(autoscaler, { ...plan, resize: plan.resize }, scale)
      if (conclusion === undefined) return 'again'
      ;({ status, history } = conclusion)
      const { type, reason, message } = conclusion.event
      events.event(about, type, reason, message)
    }
    histories.set(key, history)
    await writeStatus(autoscaler, status)
    return 'done'
  }

  const forget = (key: string): void => {
    turns.forget(key)
    histories.delete(key)
    selectors.delete(key)
  }

  const look = async (key: string, autoscaler: HorizontalPodAutoscaler, glance: boolean): Promise<void> => {
    const namespace = autoscaler.metadata?.namespace ?? ''
    let scale: ReadScale
    try {
      scale = await scales.read(autoscaler.spec.scaleTargetRef, namespace)
    } catch (error) {
      if (glance) return
      turns.taken(key, clock.monotonic(), false)
      selectors.delete(key)
      return failedGetScale(autoscaler, error)
    }
    const observed = await observe(key, autoscaler, scale, glance)
    // What was not waited for says nothing of the metrics.
    if (closing.signal.aborted) return
    const plan = planAutoscaling(autoscaler, observed, clock.now())
    // A glance only ever adds pods; everything else waits for its turn.
    if (glance && (plan.resize === undefined || plan.resize.replicas <= scale.replicas)) return
    const glances = isFast(autoscaler) && plan.resize === undefined && observed.selectorProblem === undefined
    turns.taken(key, clock.monotonic(), glances)
    if ((await carryOut(key, autoscaler, scale, plan)) === 'again') turns.byLatest(key, clock.monotonic())
  }

  const reconcile = async (key: string): Promise<ReconcileResult | undefined> => {
    const { namespace, name } = splitKey(key)
    const autoscaler = written.get(namespace, name)
    if (autoscaler === undefined || autoscaler.metadata?.deletionTimestamp !== undefined) {
      forget(key)
      return undefined
    }
    const due = turns.due(key, clock.monotonic())
    if (due !== 'nothing') await look(key, autoscaler, due === 'glance')
    return { requeueAfterMs: turns.untilNext(key, clock.monotonic()) }
  }

  const running = runController({
    name: 'horizontal-pod-autoscaler',
    context: options,
    informers: [autoscalers, pods],
    workers: WORKERS,
    reconcile,
    subscribe(queue) {
      // Those that are there from the start take their turns one after another, not all at once.
      let withinMs = PERIOD_MS
      const unhook = autoscalers.onChange((change) => {
        const key = objectKey(change.object)
        if (change.type === 'deleted') {
          queue.add(key)
          return
        }
        const isNews = change.type === 'added' || !sameValue(change.previous.spec, change.object.spec)
        if (!isNews) return
        if (change.type === 'added') forget(key)
        const delayMs = Math.ceil(random() * withinMs)
        turns.byLatest(key, clock.monotonic() + delayMs)
        queue.addAfter(key, delayMs)
      })
      withinMs = SOON_MS
      // A step in the load is met as soon as it can be seen.
      const unlisten = options.onTraffic?.(() => {
        for (const key of turns.glancing()) queue.add(key)
      })
      return unlisten === undefined ? [unhook] : [unhook, unlisten]
    },
  })
  return {
    async close() {
      closing.abort()
      await running.close()
    },
  }
}
