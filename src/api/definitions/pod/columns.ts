import { isConditionTrue } from '../../conditions.ts'
import type { TableColumn } from '../../definition.ts'
import { humanDuration } from '../../human-duration.ts'
import type { Pod } from '../../types/core-v1.gen.ts'
import { AGE_COLUMN, NAME_COLUMN } from '../name-and-age-columns.ts'
import { type PodSummary, podSummary } from './status-text.ts'

/** Three columns of one row share the summary; objects are immutable, so it can be kept with them. */
const summaries = new WeakMap<Pod, PodSummary>()

function summaryOf(pod: Pod): PodSummary {
  let summary = summaries.get(pod)
  if (summary === undefined) {
    summary = podSummary(pod)
    summaries.set(pod, summary)
  }
  return summary
}

function restartsOf(pod: Pod, nowMs: number): string {
  const { restarts, lastRestartMs } = summaryOf(pod)
  if (restarts === 0 || lastRestartMs === undefined) return String(restarts)
  return `${restarts} (${humanDuration(nowMs - lastRestartMs)} ago)`
}

function gatesOf(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? []
  if (gates.length === 0) return '<none>'
  const open = gates.filter((gate) => isConditionTrue(pod.status?.conditions, gate.conditionType))
  return `${open.length}/${gates.length}`
}

export const POD_COLUMNS: readonly TableColumn<Pod>[] = [
  NAME_COLUMN,
  {
    name: 'Ready',
    type: 'string',
    description: 'Ready containers of all that should run.',
    cell: (pod) => `${summaryOf(pod).ready}/${summaryOf(pod).total}`,
  },
  {
    name: 'Status',
    type: 'string',
    description: 'What the pod and its containers are doing.',
    cell: (pod) => summaryOf(pod).reason,
  },
  {
    name: 'Restarts',
    type: 'string',
    description: 'How often its containers were started again, and when last.',
    cell: restartsOf,
  },
  AGE_COLUMN,
  {
    name: 'IP',
    type: 'string',
    priority: 1,
    description: 'Its address.',
    cell: (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>',
  },
  {
    name: 'Node',
    type: 'string',
    priority: 1,
    description: 'Where it runs.',
    cell: (pod) => pod.spec?.nodeName || '<none>',
  },
  {
    name: 'Nominated Node',
    type: 'string',
    priority: 1,
    description: 'Where room is being made for it.',
    cell: (pod) => pod.status?.nominatedNodeName || '<none>',
  },
  {
    name: 'Readiness Gates',
    type: 'string',
    priority: 1,
    description: 'Gates that are open, of all it has.',
    cell: gatesOf,
  },
]
