import { formatQuantity, parseQuantity } from '../../quantity.ts'
import type { PodMetrics } from '../../types/metrics-v1beta1.ts'
import { NAME_COLUMN } from '../name-and-age-columns.ts'
import { metricsDefinition, usageColumn } from './metrics-definition.ts'

function total(pod: PodMetrics, resource: 'cpu' | 'memory'): string {
  const quantities = pod.containers.map(({ usage }) => parseQuantity(usage[resource] ?? '0'))
  const nano = quantities.reduce((sum, quantity) => sum + quantity.nano, 0n)
  return formatQuantity({ nano, format: resource === 'cpu' ? 'DecimalSI' : 'BinarySI' })
}

export const POD_METRICS = metricsDefinition<PodMetrics>({
  resource: 'pods',
  kind: 'PodMetrics',
  namespaced: true,
  columns: [
    NAME_COLUMN,
    usageColumn('cpu', 'CPU of all containers, in cores.', (pod) => total(pod, 'cpu')),
    usageColumn('memory', 'Working set of all containers, in bytes.', (pod) => total(pod, 'memory')),
    usageColumn('Window', 'The time over which CPU was measured.', ({ window }) => window),
  ],
})
