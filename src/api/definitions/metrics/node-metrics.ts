import type { NodeMetrics } from '../../types/metrics-v1beta1.ts'
import { NAME_COLUMN } from '../name-and-age-columns.ts'
import { metricsDefinition, usageColumn } from './metrics-definition.ts'

export const NODE_METRICS = metricsDefinition<NodeMetrics>({
  resource: 'nodes',
  kind: 'NodeMetrics',
  namespaced: false,
  columns: [
    NAME_COLUMN,
    usageColumn('cpu', 'CPU of the whole node, in cores.', ({ usage }) => usage.cpu ?? ''),
    usageColumn('memory', 'Working set of the whole node, in bytes.', ({ usage }) => usage.memory ?? ''),
    usageColumn('Window', 'The time over which CPU was measured.', ({ window }) => window),
  ],
})
