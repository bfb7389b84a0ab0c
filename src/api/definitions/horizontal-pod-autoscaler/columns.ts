import type { TableColumn } from '../../definition.ts'
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../types/autoscaling-v2.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'

/** Metrics beyond these are only counted. */
const SHOWN_MAX = 2
const UNKNOWN = '<unknown>'

function percent(value: number | undefined, otherwise: string): string {
  return value === undefined ? otherwise : `${value}%`
}

function resourceText(name: string, target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  const text =
    target?.averageValue === undefined
      ? `${percent(current?.averageUtilization, UNKNOWN)}/${percent(target?.averageUtilization, '<auto>')}`
      : `${current?.averageValue ?? UNKNOWN}/${target.averageValue}`
  return `${name}: ${text}`
}

function totalText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue === undefined) return `${current?.value ?? UNKNOWN}/${target?.value ?? UNKNOWN}`
  return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'External':
      return totalText(spec.external?.target, status?.external?.current)
    case 'Object':
      return totalText(spec.object?.target, status?.object?.current)
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? UNKNOWN}/${spec.pods?.target?.averageValue ?? UNKNOWN}`
    case 'Resource':
      return resourceText(spec.resource?.name ?? '', spec.resource?.target, status?.resource?.current)
    case 'ContainerResource': {
      const { name = '', target } = spec.containerResource ?? {}
      return resourceText(name, target, status?.containerResource?.current)
    }
    default:
      return '<unknown type>'
  }
}

/** What is measured beside what is aimed at, the first two metrics in full: `cpu: 12%/50%, 3/10 + 1 more...`. */
function targetsText({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? []
  if (metrics.length === 0) return '<none>'
  const texts = metrics.slice(0, SHOWN_MAX).map((metric, i) => metricText(metric, status?.currentMetrics?.[i]))
  const more = metrics.length > SHOWN_MAX ? ` + ${metrics.length - SHOWN_MAX} more...` : ''
  return `${texts.join(', ')}${more}`
}

export const AUTOSCALER_COLUMNS: readonly TableColumn<HorizontalPodAutoscaler>[] = [
  NAME_COLUMN,
  {
    name: 'Reference',
    type: 'string',
    description: 'What is scaled.',
    cell: ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`,
  },
  { name: 'Targets', type: 'string', description: 'What is measured, and what is aimed at.', cell: targetsText },
  {
    name: 'MinPods',
    type: 'string',
    description: 'The fewest pods.',
    cell: ({ spec }) => String(spec?.minReplicas ?? '<unset>'),
  },
  { name: 'MaxPods', type: 'string', description: 'The most pods.', cell: ({ spec }) => spec?.maxReplicas ?? 0 },
  {
    name: 'Replicas',
    type: 'string',
    description: 'Pods asked for when last looked at.',
    cell: ({ status }) => status?.currentReplicas ?? 0,
  },
  AGE_COLUMN,
]
