import { HORIZONTAL_POD_AUTOSCALERS, POD_DISRUPTION_BUDGETS } from '../../api/resource-type.ts'
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../../api/types/autoscaling-v2.gen.ts'
import type { PodDisruptionBudget } from '../../api/types/policy-v1.gen.ts'
import { labelsFamily } from './label-labels.ts'
import { resourceAmounts } from './resource-amount.ts'
import { type Emit, emitCondition, type Labels, numberOf, type StateKind, secondsOf } from './state-family.ts'

function own({ metadata }: HorizontalPodAutoscaler): Labels {
  return { namespace: metadata?.namespace, horizontalpodautoscaler: metadata?.name }
}

/** The name a metric is shown under: its own, or the resource's. */
function metricName(metric: MetricSpec | MetricStatus): string {
  const { resource, containerResource, pods, object, external } = metric
  return resource?.name ?? containerResource?.name ?? (pods ?? object ?? external)?.metric.name ?? ''
}

interface Amounts {
  readonly value?: string
  readonly averageValue?: string
  readonly averageUtilization?: number
}

/** Each amount that stands in a target or status, as kube-state-metrics names its kind. */
function emitAmounts(emit: Emit, labels: Labels, amounts: Amounts | undefined): void {
  const { value, averageValue, averageUtilization } = amounts ?? {}
  // Whole for bytes and requests, thousandths for cores: what is asked for here is told apart by the metric's name.
  const number = (text: string): number | undefined => resourceAmounts({ cpu: text })[0]?.value
  const kinds = [
    ['value', value === undefined ? undefined : number(value)],
    ['average', averageValue === undefined ? undefined : number(averageValue)],
    ['utilization', averageUtilization],
  ] as const
  for (const [metric_target_type, amount] of kinds)
    if (amount !== undefined) emit({ ...labels, metric_target_type }, amount)
}

export const AUTOSCALER_STATE: StateKind<HorizontalPodAutoscaler> = {
  type: HORIZONTAL_POD_AUTOSCALERS,
  families: [
    {
      name: 'kube_horizontalpodautoscaler_info',
      type: 'gauge',
      help: 'Information about this autoscaler.',
      write(autoscaler, emit) {
        const { apiVersion, kind, name } = autoscaler.spec?.scaleTargetRef ?? {}
        emit(
          {
            ...own(autoscaler),
            scaletargetref_api_version: apiVersion,
            scaletargetref_kind: kind,
            scaletargetref_name: name,
          },
          1,
        )
      },
    },
    numberOf(
      'kube_horizontalpodautoscaler_metadata_generation',
      'The generation observed by the HorizontalPodAutoscaler controller.',
      own,
      ({ metadata }) => metadata?.generation,
    ),
    numberOf(
      'kube_horizontalpodautoscaler_spec_min_replicas',
      'Lower limit for the number of pods that can be set by the autoscaler, default 1.',
      own,
      ({ spec }) => spec?.minReplicas ?? 1,
    ),
    numberOf(
      'kube_horizontalpodautoscaler_spec_max_replicas',
      'Upper limit for the number of pods that can be set by the autoscaler; cannot be smaller than MinReplicas.',
      own,
      ({ spec }) => spec?.maxReplicas,
    ),
    {
      name: 'kube_horizontalpodautoscaler_spec_target_metric',
      type: 'gauge',
      help: 'The metric specifications used by this autoscaler when calculating the desired replica count.',
      mayRepeat: true,
      write(autoscaler, emit) {
        for (const metric of autoscaler.spec?.metrics ?? []) {
          const { resource, containerResource, pods, object, external } = metric
          const source = resource ?? containerResource ?? pods ?? object ?? external
          emitAmounts(emit, { ...own(autoscaler), metric_name: metricName(metric) }, source?.target)
        }
      },
    },
    {
      name: 'kube_horizontalpodautoscaler_status_target_metric',
      type: 'gauge',
      help: 'The current metric status used by this autoscaler when calculating the desired replica count.',
      mayRepeat: true,
      write(autoscaler, emit) {
        for (const metric of autoscaler.status?.currentMetrics ?? []) {
          const { resource, containerResource, pods, object, external } = metric
          const source = resource ?? containerResource ?? pods ?? object ?? external
          emitAmounts(emit, { ...own(autoscaler), metric_name: metricName(metric) }, source?.current)
        }
      },
    },
    numberOf(
      'kube_horizontalpodautoscaler_status_current_replicas',
      'Current number of replicas of pods managed by this autoscaler.',
      own,
      ({ status }) => status?.currentReplicas ?? 0,
    ),
    numberOf(
      'kube_horizontalpodautoscaler_status_desired_replicas',
      'Desired number of replicas of pods managed by this autoscaler.',
      own,
      ({ status }) => status?.desiredReplicas ?? 0,
    ),
    {
      name: 'kube_horizontalpodautoscaler_status_condition',
      type: 'gauge',
      help: 'The condition of this autoscaler.',
      mayRepeat: true,
      write(autoscaler, emit) {
        for (const { type, status } of autoscaler.status?.conditions ?? [])
          emitCondition(emit, { ...own(autoscaler), condition: type }, status)
      },
    },
    labelsFamily('horizontalpodautoscaler', own),
  ],
}

function ofBudget({ metadata }: PodDisruptionBudget): Labels {
  return { namespace: metadata?.namespace, poddisruptionbudget: metadata?.name }
}

export const DISRUPTION_BUDGET_STATE: StateKind<PodDisruptionBudget> = {
  type: POD_DISRUPTION_BUDGETS,
  families: [
    numberOf('kube_poddisruptionbudget_created', 'Unix creation timestamp', ofBudget, ({ metadata }) =>
      secondsOf(metadata?.creationTimestamp),
    ),
    numberOf(
      'kube_poddisruptionbudget_status_current_healthy',
      'Current number of healthy pods',
      ofBudget,
      ({ status }) => status?.currentHealthy ?? 0,
    ),
    numberOf(
      'kube_poddisruptionbudget_status_desired_healthy',
      'Minimum desired number of healthy pods',
      ofBudget,
      ({ status }) => status?.desiredHealthy ?? 0,
    ),
    numberOf(
      'kube_poddisruptionbudget_status_pod_disruptions_allowed',
      'Number of pod disruptions that are currently allowed',
      ofBudget,
      ({ status }) => status?.disruptionsAllowed ?? 0,
    ),
    numberOf(
      'kube_poddisruptionbudget_status_expected_pods',
      'Total number of pods counted by this disruption budget',
      ofBudget,
      ({ status }) => status?.expectedPods ?? 0,
    ),
  ],
}
