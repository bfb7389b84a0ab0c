import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123LabelErrors, pathSegmentErrors } from '../../names.ts'
import { parseQuantity } from '../../quantity.ts'
import type {
  ContainerResourceMetricSource,
  ExternalMetricSource,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '../../types/autoscaling-v2.gen.ts'
import { validateResourceName } from '../pod/resource-validation.ts'
import { validateReference } from './reference-validation.ts'

/** Each type of metric and the field that describes it, in the order in which they are looked at. */
const FIELD_OF = {
  Object: 'object',
  External: 'external',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
} as const
type MetricField = (typeof FIELD_OF)[keyof typeof FIELD_OF]

const TYPES = Object.keys(FIELD_OF).toSorted()
const TARGET_TYPES = ['Utilization', 'Value', 'AverageValue']

function validateIdentifier(metric: MetricIdentifier | undefined, path: string): readonly FieldError[] {
  const name = metric?.name
  if (!name) return [required(`${path}.name`, 'must specify a metric name')]
  return pathSegmentErrors(name).map((text) => invalid(`${path}.name`, name, text))
}

function positive(quantity: string | undefined, path: string): readonly FieldError[] {
  return quantity !== undefined && parseQuantity(quantity).nano <= 0n
    ? [invalid(path, quantity, 'must be positive')]
    : []
}

function validateTarget(target: MetricTarget | undefined, path: string): readonly FieldError[] {
  const { type = '', value, averageValue, averageUtilization } = target ?? {}
  const errors: FieldError[] = []
  if (type === '') errors.push(required(`${path}.type`, 'must specify a metric target type'))
  if (!TARGET_TYPES.includes(type))
    errors.push(invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  errors.push(...positive(value, `${path}.value`), ...positive(averageValue, `${path}.averageValue`))
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
  return errors
}

function validateObjectSource(source: ObjectMetricSource, path: string): readonly FieldError[] {
  const { value, averageValue } = source.target ?? {}
  const errors = [
    ...validateReference(source.describedObject, `${path}.describedObject`),
    ...validateIdentifier(source.metric, `${path}.metric`),
    ...validateTarget(source.target, `${path}.target`),
  ]
  if (value === undefined && averageValue === undefined)
    errors.push(required(`${path}.target.averageValue`, 'must set either a target value or averageValue'))
  return errors
}

function validateExternalSource(source: ExternalMetricSource, path: string): readonly FieldError[] {
  const { value, averageValue } = source.target ?? {}
  const errors = [
    ...validateIdentifier(source.metric, `${path}.metric`),
    ...validateTarget(source.target, `${path}.target`),
  ]
  if (value === undefined && averageValue === undefined) {
    const text = 'must set either a target value for metric or a per-pod target'
    errors.push(required(`${path}.target.averageValue`, text))
  }
  if (value !== undefined && averageValue !== undefined)
    errors.push(forbidden(`${path}.target.value`, 'may not set both a target value for metric and a per-pod target'))
  return errors
}

function validatePodsSource(source: PodsMetricSource, path: string): readonly FieldError[] {
  const errors = [
    ...validateIdentifier(source.metric, `${path}.metric`),
    ...validateTarget(source.target, `${path}.target`),
  ]
  if (source.target?.averageValue === undefined)
    errors.push(required(`${path}.target.averageValue`, 'must specify a positive target averageValue'))
  return errors
}

function validateResourceSource(
  source: ResourceMetricSource | ContainerResourceMetricSource,
  path: string,
): readonly FieldError[] {
  const { averageUtilization, averageValue } = source.target ?? {}
  const errors = [...validateTarget(source.target, `${path}.target`)]
  if (averageUtilization === undefined && averageValue === undefined) {
    const text = 'must set either a target raw value or a target utilization'
    errors.push(required(`${path}.target.averageUtilization`, text))
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const text = 'may not set both a target raw value and a target utilization'
    errors.push(forbidden(`${path}.target.averageValue`, text))
  }
  return errors
}

function validatePodResourceSource(source: ResourceMetricSource, path: string): readonly FieldError[] {
  const named = source.name ? [] : [required(`${path}.name`, 'must specify a resource name')]
  return [...named, ...validateResourceSource(source, path)]
}

function validateContainerSource(source: ContainerResourceMetricSource, path: string): readonly FieldError[] {
  const { name, container } = source
  const errors: FieldError[] = []
  if (!name) errors.push(required(`${path}.name`, 'must specify a resource name'))
  else errors.push(...validateResourceName(name, `${path}.name`))
  if (!container) errors.push(required(`${path}.container`, 'must specify a container'))
  else errors.push(...dns1123LabelErrors(container).map((text) => invalid(`${path}.container`, container, text)))
  return [...errors, ...validateResourceSource(source, path)]
}

function validateSource(metric: MetricSpec, field: MetricField, path: string): readonly FieldError[] {
  switch (field) {
    case 'object':
      return validateObjectSource(metric.object!, path)
    case 'external':
      return validateExternalSource(metric.external!, path)
    case 'pods':
      return validatePodsSource(metric.pods!, path)
    case 'resource':
      return validatePodResourceSource(metric.resource!, path)
    case 'containerResource':
      return validateContainerSource(metric.containerResource!, path)
  }
}

/** Findings on one metric: its type, and the one description that goes with the type. */
export function validateMetric(metric: MetricSpec, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  const type = metric.type ?? ''
  const wanted = Object.hasOwn(FIELD_OF, type) ? FIELD_OF[type as keyof typeof FIELD_OF] : undefined
  if (type === '') errors.push(required(`${path}.type`, 'must specify a metric source type'))
  if (wanted === undefined) errors.push(notSupported(`${path}.type`, type, TYPES))
  const present = Object.values(FIELD_OF).filter((field) => metric[field] !== undefined)
  const [first] = present
  if (first !== undefined) errors.push(...validateSource(metric, first, `${path}.${first}`))
  if (wanted !== undefined && !present.includes(wanted))
    errors.push(required(`${path}.${wanted}`, 'must populate information for the given metric source'))
  if (present.length > 1) {
    const others = present.filter((field) => field !== wanted)
    errors.push(...others.map((field) => forbidden(`${path}.${field}`, 'must populate the given metric source only')))
  }
  return errors
}
