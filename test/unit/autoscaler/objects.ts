import type { HorizontalPodAutoscaler, MetricSpec } from '../../../src/api/types/autoscaling-v2.gen.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import type { MetricReading } from '../../../src/controlplane/autoscaler/metric-reading.ts'
import type { AutoscalingObservation } from '../../../src/controlplane/autoscaler/plan-autoscaling.ts'
import { isoSeconds } from '../../../src/controlplane/controllers/timestamp.ts'

/** A moment that all tables count from. */
export const NOW = Date.UTC(2026, 0, 10, 12)

export function at(secondsFromNow: number): string {
  return isoSeconds(NOW + secondsFromNow * 1000)
}

export interface PodParts {
  /** Thousandths of a CPU that its one container requests; undefined: none. */
  readonly cpu?: number | undefined
  readonly phase?: string
  readonly startedAgo?: number | undefined
  readonly ready?: 'True' | 'False' | 'Unknown' | undefined
  readonly readyChangedAgo?: number
  readonly deleted?: boolean
}

/** A pod that requests half a CPU, started ten minutes ago and was ready ten seconds later, but for what is said. */
export function pod(name: string, parts: PodParts = {}): Pod {
  const {
    cpu,
    phase = 'Running',
    ready,
    startedAgo,
    readyChangedAgo = 590,
    deleted,
  } = {
    cpu: 500,
    ready: 'True' as const,
    startedAgo: 600,
    ...parts,
  }
  return {
    metadata: {
      namespace: 'shop',
      name,
      labels: { app: 'web' },
      ...(deleted === true ? { deletionTimestamp: at(-1) } : {}),
    },
    spec: {
      containers: [
        { name: 'main', image: 'one', ...(cpu === undefined ? {} : { resources: { requests: { cpu: `${cpu}m` } } }) },
      ],
    },
    status: {
      phase,
      ...(startedAgo === undefined ? {} : { startTime: at(-startedAgo) }),
      conditions:
        ready === undefined ? [] : [{ type: 'Ready', status: ready, lastTransitionTime: at(-readyChangedAgo) }],
    },
  }
}

export function pods(count: number, parts: PodParts = {}): readonly Pod[] {
  return Array.from({ length: count }, (_, i) => pod(`web-${i}`, parts))
}

/** One sample for each pod's name, in thousandths, taken a second ago over 15 seconds. */
export function usage(values: Readonly<Record<string, number>>, agoSeconds = 1, windowMs = 15_000): MetricReading {
  const samples = Object.entries(values).map(
    ([name, milli]) => [name, { milli, atMs: NOW - agoSeconds * 1000, windowMs }] as const,
  )
  return { kind: 'pods', samples: new Map(samples) }
}

/** The same sample for `web-0`, `web-1`, … */
export function evenUsage(count: number, milli: number): MetricReading {
  return usage(Object.fromEntries(Array.from({ length: count }, (_, i) => [`web-${i}`, milli])))
}

export function total(milli: number): MetricReading {
  return { kind: 'total', milli }
}

export const CPU_50: MetricSpec = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
}

export function external(target: { readonly value: string } | { readonly averageValue: string }): MetricSpec {
  const type = 'value' in target ? 'Value' : 'AverageValue'
  return { type: 'External', external: { metric: { name: 'queue' }, target: { type, ...target } } }
}

export function autoscaler(
  spec: Partial<HorizontalPodAutoscaler['spec']> = {},
  status: Partial<HorizontalPodAutoscaler['status']> = {},
): HorizontalPodAutoscaler {
  return {
    metadata: { namespace: 'shop', name: 'web', uid: 'uid-web', generation: 1 },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 100,
      metrics: [CPU_50],
      ...spec,
    },
    status: { currentReplicas: 0, desiredReplicas: 0, ...status },
  }
}

/** What is seen of a target of so many pods, none of which has a past. */
export function observed(
  replicas: number,
  readings: readonly MetricReading[],
  more: Partial<AutoscalingObservation> = {},
): AutoscalingObservation {
  return {
    scale: { replicas, statusReplicas: replicas, selector: 'app=web' },
    pods: pods(replicas),
    readings,
    history: { recommendations: [], ups: [], downs: [] },
    ...more,
  }
}
