import { formatQuantity, quantityToMilli } from '../../api/quantity.ts'
import type {
  ContainerResourceMetricSource,
  ExternalMetricSource,
  MetricSpec,
  MetricStatus,
  MetricValueStatus,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '../../api/types/autoscaling-v2.gen.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import { MetricError } from './metric-error.ts'
import type { MetricReading, PodSample } from './metric-reading.ts'
import { averageAim, type PodAim, replicasForSamples, utilizationAim } from './replicas-for-samples.ts'
import { replicasForShare, replicasForTotal } from './replicas-for-total.ts'
import { requestsOfPods } from './requests-of-pods.ts'
import { selectorText } from './selector-text.ts'
import type { Tolerance } from './tolerance.ts'

export interface MetricContext {
  readonly namespace: string
  readonly pods: readonly Pod[]
  /** Asked for, and there. */
  readonly currentReplicas: number
  readonly statusReplicas: number
  readonly tolerance: Tolerance
  readonly nowMs: Millis
}

/** What one metric asks for, or why it cannot tell. */
export type Proposal =
  | {
      readonly kind: 'replicas'
      readonly replicas: number
      /** As it stands in the reason of a rescale: `cpu resource utilization (percentage of request)`. */
      readonly metric: string
      readonly status: MetricStatus
    }
  | {
      readonly kind: 'failed'
      readonly reason: string
      /** What the event and the condition say of it. */
      readonly message: string
      /** What is said when nothing can be done because of it. */
      readonly error: string
    }

/** How a kind of metric tells that it failed. */
interface FailureWords {
  readonly reason: string
  /** Wraps the cause for the event. */
  readonly event: (why: string) => string
  /** Wraps the event's text for the summary. */
  readonly error: (message: string) => string
}

function failedReading(reading: MetricReading): string {
  return reading.kind === 'failed' ? reading.why : 'the metrics API answered with another kind of metric'
}

function samplesOf(reading: MetricReading, what: string): ReadonlyMap<string, PodSample> {
  if (reading.kind === 'pods') return reading.samples
  throw new MetricError(`unable to get ${what}: ${failedReading(reading)}`)
}

function totalOf(reading: MetricReading, what: string): number {
  if (reading.kind === 'total') return reading.milli
  throw new MetricError(`unable to get ${what}: ${failedReading(reading)}`)
}

function milliText(milli: number, format: 'DecimalSI' | 'BinarySI' = 'DecimalSI'): string {
  return formatQuantity({ nano: BigInt(Math.round(milli)) * 1_000_000n, format })
}

interface Found {
  readonly replicas: number
  readonly metric: string
  readonly status: MetricStatus
}

/** Of all containers, or of one of them. */
function proposeForResource(
  { name, target }: ResourceMetricSource,
  container: string | undefined,
  reading: MetricReading,
  context: MetricContext,
): { readonly replicas: number; readonly metric: string; readonly current: MetricValueStatus } {
  const samples = samplesOf(reading, `metrics for resource ${name}`)
  const { averageUtilization, averageValue } = target
  const aim: PodAim =
    averageValue === undefined
      ? utilizationAim(name, averageUtilization!, () => requestsOfPods(context.pods, container, name))
      : averageAim(name, quantityToMilli(averageValue))
  const { replicas, gauged } = replicasForSamples({ ...context, samples }, aim)
  const average = milliText(gauged.averageMilli, name === 'memory' ? 'BinarySI' : 'DecimalSI')
  if (gauged.utilizationPercent === undefined)
    return { replicas, metric: `${name} resource`, current: { averageValue: average } }
  const kind = container === undefined ? 'resource' : 'container resource'
  return {
    replicas,
    metric: `${name} ${kind} utilization (percentage of request)`,
    current: { averageUtilization: gauged.utilizationPercent, averageValue: average },
  }
}

function resourceWords(source: ResourceMetricSource, container: string | undefined): FailureWords {
  const { name, target } = source
  const what = target.averageValue === undefined ? 'utilization' : 'usage'
  return {
    reason: container === undefined ? 'FailedGetResourceMetric' : 'FailedGetContainerResourceMetric',
    event: (why) => `failed to get ${name} ${what}: ${why}`,
    error: (message) =>
      container === undefined
        ? `failed to get ${name} resource metric value: ${message}`
        : `failed to get ${container} container metric value: ${message}`,
  }
}

function resource(source: ResourceMetricSource, reading: MetricReading, context: MetricContext): Found {
  const { current, ...found } = proposeForResource(source, undefined, reading, context)
  return { ...found, status: { type: 'Resource', resource: { name: source.name, current } } }
}

function containerResource(
  source: ContainerResourceMetricSource,
  reading: MetricReading,
  context: MetricContext,
): Found {
  const { name, container } = source
  const { current, ...found } = proposeForResource(source, container, reading, context)
  return { ...found, status: { type: 'ContainerResource', containerResource: { name, container, current } } }
}

function podsMetric({ metric, target }: PodsMetricSource, reading: MetricReading, context: MetricContext): Found {
  const samples = samplesOf(reading, `metric ${metric.name}`)
  const aim = averageAim(undefined, quantityToMilli(target.averageValue!))
  const { replicas, gauged } = replicasForSamples({ ...context, samples }, aim)
  return {
    replicas,
    metric: `pods metric ${metric.name}`,
    status: { type: 'Pods', pods: { metric, current: { averageValue: milliText(gauged.averageMilli) } } },
  }
}

function objectMetric(
  { metric, describedObject, target }: ObjectMetricSource,
  reading: MetricReading,
  context: MetricContext,
): Found {
  const { kind, name } = describedObject
  const total = totalOf(reading, `metric ${metric.name} on ${kind} ${context.namespace}/${name}`)
  const status = (current: MetricValueStatus): MetricStatus => ({
    type: 'Object',
    object: { describedObject, metric, current },
  })
  if (target.type === 'AverageValue' && target.averageValue !== undefined) {
    const { replicas, averageMilli } = replicasForShare(total, quantityToMilli(target.averageValue), context)
    return {
      replicas,
      // Upstream words it so, although it is none from outside.
      metric: `external metric ${metric.name}(${selectorText(metric.selector)})`,
      status: status({ averageValue: milliText(averageMilli) }),
    }
  }
  if (target.type !== 'Value' || target.value === undefined)
    throw new MetricError('invalid object metric source: neither a value target nor an average value target was set')
  return {
    replicas: replicasForTotal(total, quantityToMilli(target.value), context),
    metric: `${kind} metric ${metric.name}`,
    status: status({ value: milliText(total) }),
  }
}

function externalMetric(
  { metric, target }: ExternalMetricSource,
  reading: MetricReading,
  context: MetricContext,
): Found {
  const selector = selectorText(metric.selector)
  const total = totalOf(reading, `external metric ${context.namespace}/${metric.name}/${selector}`)
  const words = `external metric ${metric.name}(${selector})`
  const status = (current: MetricValueStatus): MetricStatus => ({ type: 'External', external: { metric, current } })
  if (target.averageValue !== undefined) {
    const { replicas, averageMilli } = replicasForShare(total, quantityToMilli(target.averageValue), context)
    return { replicas, metric: words, status: status({ averageValue: milliText(averageMilli) }) }
  }
  if (target.value === undefined)
    throw new MetricError('invalid external metric source: neither a value target nor an average value target was set')
  return {
    replicas: replicasForTotal(total, quantityToMilli(target.value), context),
    metric: words,
    status: status({ value: milliText(total) }),
  }
}

function externalWords({ metric, target }: ExternalMetricSource): FailureWords {
  const { name } = metric
  return {
    reason: 'FailedGetExternalMetric',
    event: (why) => why,
    error: (message) => {
      const inner = target.averageValue === undefined ? `external metric ${name}` : `${name} external metric`
      return `failed to get ${name} external metric value: failed to get ${inner}: ${message}`
    },
  }
}

/** A metric's own reader and words, whichever it is. */
function readerOf(
  spec: MetricSpec,
  reading: MetricReading,
  context: MetricContext,
): { readonly words: FailureWords; readonly find: () => Found } {
  const plain = (reason: string, what: string): FailureWords => ({
    reason,
    event: (why) => why,
    error: (message) => `failed to get ${what} metric value: ${message}`,
  })
  switch (spec.type) {
    case 'Resource':
      return {
        words: resourceWords(spec.resource!, undefined),
        find: () => resource(spec.resource!, reading, context),
      }
    case 'ContainerResource':
      return {
        words: resourceWords(spec.containerResource!, spec.containerResource!.container),
        find: () => containerResource(spec.containerResource!, reading, context),
      }
    case 'Pods':
      return { words: plain('FailedGetPodsMetric', 'pods'), find: () => podsMetric(spec.pods!, reading, context) }
    case 'Object':
      return {
        words: plain('FailedGetObjectMetric', 'object'),
        find: () => objectMetric(spec.object!, reading, context),
      }
    case 'External':
      return { words: externalWords(spec.external!), find: () => externalMetric(spec.external!, reading, context) }
    default:
      return {
        words: { reason: 'InvalidMetricSourceType', event: (why) => why, error: (message) => message },
        find: () => {
          throw new MetricError(`unknown metric source type "${spec.type}"`)
        },
      }
  }
}

/** The number of replicas that one metric asks for, before anything holds it back. */
export function proposeReplicas(spec: MetricSpec, reading: MetricReading, context: MetricContext): Proposal {
  const { words, find } = readerOf(spec, reading, context)
  try {
    return { kind: 'replicas', ...find() }
  } catch (error) {
    if (!(error instanceof MetricError)) throw error
    const message = words.event(error.message)
    return { kind: 'failed', reason: words.reason, message, error: words.error(message) }
  }
}
