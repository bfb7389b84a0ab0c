import type { Draft } from '../../object.ts'
import { decodeObject } from '../../schema/decode.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../../types/autoscaling-v1.gen.ts'
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  HorizontalPodAutoscalerStatus,
  MetricSpec,
} from '../../types/autoscaling-v2.gen.ts'
import type { ObjectMeta } from '../../types/meta-v1.gen.ts'
import { behaviorAnnotation, behaviorOfAnnotation } from './behavior-annotation.ts'
import { cpuUtilizationMetric, DEFAULT_CPU_UTILIZATION, setBehaviorDefaults } from './defaults.ts'
import { flatMetric, flatStatus, unflattenMetric, unflattenStatus } from './flat-metrics.ts'
import {
  BEHAVIOR_ANNOTATION,
  CONDITIONS_ANNOTATION,
  CURRENT_METRICS_ANNOTATION,
  METRICS_ANNOTATION,
  VERSION_ANNOTATIONS,
} from './version-annotations.ts'

const SPEC_SCHEMA = 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec'
const STATUS_SCHEMA = 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus'

function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

/** Takes away the annotations in which version 1 carries the rest of an autoscaler. */
export function dropVersionAnnotations(draft: Draft<{ readonly metadata?: ObjectMeta }>): void {
  const annotations = draft.metadata?.annotations
  if (annotations === undefined) return
  const dropped = VERSION_ANNOTATIONS.filter((key) => Object.hasOwn(annotations, key))
  for (const key of dropped) delete annotations[key]
  if (dropped.length > 0 && Object.keys(annotations).length === 0) delete draft.metadata!.annotations
}

function metadataWith(
  metadata: ObjectMeta | undefined,
  more: Readonly<Record<string, string | undefined>>,
): ObjectMeta {
  const kept = Object.entries(metadata?.annotations ?? {}).filter(([key]) => !VERSION_ANNOTATIONS.includes(key))
  const added = Object.entries(more).filter(([, value]) => value !== undefined)
  const { annotations: _, ...rest } = metadata ?? {}
  return kept.length + added.length === 0
    ? rest
    : { ...rest, annotations: Object.fromEntries([...kept, ...added]) as Record<string, string> }
}

/** What version 1 has a field of its own for. */
function isCpuUtilization({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target?.averageUtilization !== undefined
}

function annotated(list: readonly unknown[]): string | undefined {
  return list.length === 0 ? undefined : JSON.stringify(list)
}

/** The stored form as version 1 shows it: one CPU target in a field, everything else in annotations. */
export function toAutoscalerV1({ metadata, spec, status }: HorizontalPodAutoscaler): AutoscalerV1 {
  const metrics = spec.metrics ?? []
  const current = status?.currentMetrics ?? []
  const cpu = metrics.find(isCpuUtilization)
  const cpuNow = current.find(({ type, resource }) => type === 'Resource' && resource?.name === 'cpu')
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadataWith(metadata, {
      [METRICS_ANNOTATION]: annotated(metrics.filter((metric) => !isCpuUtilization(metric)).map(flatMetric)),
      [CURRENT_METRICS_ANNOTATION]: annotated(current.map(flatStatus)),
      [BEHAVIOR_ANNOTATION]: spec.behavior && behaviorAnnotation(spec.behavior),
      [CONDITIONS_ANNOTATION]: annotated(status?.conditions ?? []),
    }),
    spec: compact({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: cpu?.resource?.target.averageUtilization,
    }),
    status: compact({
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas ?? 0,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentCPUUtilizationPercentage: cpuNow?.resource?.current.averageUtilization,
    }),
  }
}

/**
 * An annotation's value, read by a schema of version 2. Undefined when it is absent or cannot be read: as in
 * kube-apiserver, an annotation that makes no sense says nothing.
 */
function readAnnotation<T>(
  annotations: Readonly<Record<string, string>>,
  key: string,
  schema: string,
  shape: (parsed: unknown) => object,
): Draft<T> | undefined {
  const text = Object.hasOwn(annotations, key) ? annotations[key] : undefined
  if (text === undefined) return undefined
  try {
    return decodeObject(schema, shape(JSON.parse(text))).object as Draft<T>
  } catch {
    return undefined
  }
}

function listOf(parsed: unknown, read: (item: unknown) => unknown): readonly unknown[] {
  return Array.isArray(parsed) ? parsed.map(read) : []
}

/** Metrics that version 1 has no field for. */
export function annotatedMetrics(metadata: ObjectMeta | undefined): readonly MetricSpec[] {
  const shape = (parsed: unknown): object => ({ metrics: listOf(parsed, unflattenMetric) })
  const annotations = metadata?.annotations ?? {}
  return readAnnotation<HorizontalPodAutoscalerSpec>(annotations, METRICS_ANNOTATION, SPEC_SCHEMA, shape)?.metrics ?? []
}

/** An autoscaler of version 1, complete with what its annotations say, in the form that is stored. */
export function fromAutoscalerV1({ metadata, spec, status }: AutoscalerV1): HorizontalPodAutoscaler {
  const annotations = metadata?.annotations ?? {}
  const cpu = spec.targetCPUUtilizationPercentage
  const others = annotatedMetrics(metadata)
  const metrics = [...others, ...(cpu === undefined ? [] : [cpuUtilizationMetric(cpu)])]
  const behavior = readAnnotation<HorizontalPodAutoscalerSpec>(
    annotations,
    BEHAVIOR_ANNOTATION,
    SPEC_SCHEMA,
    (parsed) => ({
      behavior: behaviorOfAnnotation(parsed),
    }),
  )?.behavior
  const complete = {
    scaleTargetRef: spec.scaleTargetRef,
    minReplicas: spec.minReplicas,
    maxReplicas: spec.maxReplicas,
    metrics: metrics.length === 0 ? [cpuUtilizationMetric(DEFAULT_CPU_UTILIZATION)] : metrics,
    behavior,
  } as Draft<HorizontalPodAutoscalerSpec>
  setBehaviorDefaults(complete)
  const current = readAnnotation<HorizontalPodAutoscalerStatus>(
    annotations,
    CURRENT_METRICS_ANNOTATION,
    STATUS_SCHEMA,
    (parsed) => ({ currentMetrics: listOf(parsed, unflattenStatus) }),
  )
  const conditions = readAnnotation<HorizontalPodAutoscalerStatus>(
    annotations,
    CONDITIONS_ANNOTATION,
    STATUS_SCHEMA,
    (parsed) => ({ conditions: listOf(parsed, (condition) => condition) }),
  )
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadataWith(metadata, {}),
    spec: compact(complete) as HorizontalPodAutoscalerSpec,
    status: compact({
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas ?? 0,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentMetrics: current?.currentMetrics,
      conditions: conditions?.conditions,
    }) as HorizontalPodAutoscalerStatus,
  }
}
