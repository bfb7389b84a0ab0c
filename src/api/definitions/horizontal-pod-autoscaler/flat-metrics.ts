import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../types/autoscaling-v2.gen.ts'
import type { LabelSelector } from '../../types/meta-v1.gen.ts'

// Metrics as version 1 writes them into annotations: one flat level, the names of version 2's first draft. What is read
// may be anything a client wrote; it is decoded by version 2's schema afterwards, which refuses wrong types.

type Fields = Readonly<Record<string, unknown>>

/** Leaves out what is undefined, so that a round trip adds no fields. */
function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

function identifier(name: unknown, selector: unknown): MetricIdentifier {
  return compact({ name: name as string, selector: selector as LabelSelector })
}

/** The form of one metric's aim in version 1. */
export function flatMetric(metric: MetricSpec): Fields {
  const { type, object, pods, resource, containerResource, external } = metric
  const ofResource = (target: MetricTarget): Fields => ({
    targetAverageUtilization: target.averageUtilization,
    targetAverageValue: target.averageValue,
  })
  return compact({
    type,
    object:
      object &&
      compact({
        target: object.describedObject,
        metricName: object.metric.name,
        targetValue: object.target.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.target.averageValue,
      }),
    pods:
      pods &&
      compact({
        metricName: pods.metric.name,
        targetAverageValue: pods.target.averageValue ?? '0',
        selector: pods.metric.selector,
      }),
    resource: resource && compact({ name: resource.name, ...ofResource(resource.target) }),
    containerResource:
      containerResource &&
      compact({
        name: containerResource.name,
        ...ofResource(containerResource.target),
        container: containerResource.container,
      }),
    external:
      external &&
      compact({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        targetValue: external.target.value,
        targetAverageValue: external.target.averageValue,
      }),
  })
}

function resourceTarget({ targetAverageUtilization: utilization, targetAverageValue: value }: Fields): MetricTarget {
  return compact({
    type: utilization === undefined ? 'AverageValue' : 'Utilization',
    averageUtilization: utilization as number,
    averageValue: value as string,
  })
}

function objectTarget({ targetValue, averageValue }: Fields): MetricTarget {
  // Version 1 always writes a total there, 0 when the aim is an average.
  const average = averageValue as string | undefined
  if (average !== undefined) return { type: 'AverageValue', averageValue: average }
  return compact({ type: 'Value', value: targetValue as string })
}

function externalTarget({ targetValue: value, targetAverageValue: average }: Fields): MetricTarget {
  return compact({
    type: value === undefined ? 'AverageValue' : 'Value',
    value: value as string,
    averageValue: average as string,
  })
}

/** Reads what `flatMetric` wrote. */
export function unflattenMetric(flat: unknown): unknown {
  const fields = fieldsOf(flat)
  if (fields === undefined) return flat
  const [object, pods, resource, container, external] = [
    fieldsOf(fields.object),
    fieldsOf(fields.pods),
    fieldsOf(fields.resource),
    fieldsOf(fields.containerResource),
    fieldsOf(fields.external),
  ]
  return compact({
    type: fields.type,
    object: object && {
      describedObject: object.target,
      metric: identifier(object.metricName, object.selector),
      target: objectTarget(object),
    },
    pods: pods && {
      metric: identifier(pods.metricName, pods.selector),
      target: { type: 'AverageValue', averageValue: pods.targetAverageValue },
    },
    resource: resource && { name: resource.name, target: resourceTarget(resource) },
    containerResource: container && {
      name: container.name,
      container: container.container,
      target: resourceTarget(container),
    },
    external: external && {
      metric: identifier(external.metricName, external.metricSelector),
      target: externalTarget(external),
    },
  })
}

/** The form of one metric's reading in version 1. */
export function flatStatus(status: MetricStatus): Fields {
  const { type, object, pods, resource, containerResource, external } = status
  const ofResource = (current: MetricValueStatus): Fields => ({
    currentAverageUtilization: current.averageUtilization,
    currentAverageValue: current.averageValue ?? '0',
  })
  return compact({
    type,
    object:
      object &&
      compact({
        target: object.describedObject,
        metricName: object.metric.name,
        currentValue: object.current.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.current.averageValue,
      }),
    pods:
      pods &&
      compact({
        metricName: pods.metric.name,
        currentAverageValue: pods.current.averageValue ?? '0',
        selector: pods.metric.selector,
      }),
    resource: resource && compact({ name: resource.name, ...ofResource(resource.current) }),
    containerResource:
      containerResource &&
      compact({
        name: containerResource.name,
        ...ofResource(containerResource.current),
        container: containerResource.container,
      }),
    external:
      external &&
      compact({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        currentValue: external.current.value ?? '0',
        currentAverageValue: external.current.averageValue,
      }),
  })
}

function resourceReading(fields: Fields): MetricValueStatus {
  return compact({
    averageUtilization: fields.currentAverageUtilization as number,
    averageValue: fields.currentAverageValue as string,
  })
}

/** A total, or an average when there is one. */
function reading(total: unknown, average: unknown): MetricValueStatus {
  return average === undefined ? compact({ value: total as string }) : { averageValue: average as string }
}

/** Reads what `flatStatus` wrote. */
export function unflattenStatus(flat: unknown): unknown {
  const fields = fieldsOf(flat)
  if (fields === undefined) return flat
  const [object, pods, resource, container, external] = [
    fieldsOf(fields.object),
    fieldsOf(fields.pods),
    fieldsOf(fields.resource),
    fieldsOf(fields.containerResource),
    fieldsOf(fields.external),
  ]
  return compact({
    type: fields.type,
    object: object && {
      describedObject: object.target as CrossVersionObjectReference,
      metric: identifier(object.metricName, object.selector),
      current: reading(object.currentValue, object.averageValue),
    },
    pods: pods && {
      metric: identifier(pods.metricName, pods.selector),
      current: { averageValue: pods.currentAverageValue },
    },
    resource: resource && { name: resource.name, current: resourceReading(resource) },
    containerResource: container && {
      name: container.name,
      container: container.container,
      current: resourceReading(container),
    },
    external: external && {
      metric: identifier(external.metricName, external.metricSelector),
      current: reading(external.currentValue, external.currentAverageValue),
    },
  })
}
