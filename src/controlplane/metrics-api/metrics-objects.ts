import { formatQuantity } from '../../api/quantity.ts'
import type { Node, Pod } from '../../api/types/core-v1.gen.ts'
import type { ObjectMeta } from '../../api/types/meta-v1.gen.ts'
import type { NodeMetrics, PodMetrics } from '../../api/types/metrics-v1beta1.ts'
import { goDuration } from './go-duration.ts'
import type { Usage } from './usage-rate.ts'

const API_VERSION = 'metrics.k8s.io/v1beta1'
const NANO = 1_000_000_000n

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

function quantities({ cpuNanoCores, workingSetBytes }: Usage): Readonly<Record<string, string>> {
  return {
    cpu: formatQuantity({ nano: BigInt(cpuNanoCores), format: 'DecimalSI' }),
    memory: formatQuantity({ nano: BigInt(workingSetBytes) * NANO, format: 'BinarySI' }),
  }
}

/** Name and labels of what was measured, so that selectors work on the measurements. */
function metadataOf({ name, namespace, labels }: ObjectMeta, nowMs: number): ObjectMeta {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    creationTimestamp: timestamp(nowMs),
    ...(labels === undefined ? {} : { labels }),
  }
}

/** Usage of the containers that the pod's spec names and that run. Undefined when there is none of them. */
export function podMetrics(pod: Pod, usages: ReadonlyMap<string, Usage>, nowMs: number): PodMetrics | undefined {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  const found = [...containers, ...initContainers].flatMap(({ name }) => {
    const usage = usages.get(name)
    return usage === undefined ? [] : [{ name, usage }]
  })
  const first = found[0]
  if (first === undefined) return undefined
  return {
    kind: 'PodMetrics',
    apiVersion: API_VERSION,
    metadata: metadataOf(pod.metadata ?? {}, nowMs),
    timestamp: timestamp(first.usage.atMs),
    window: goDuration(first.usage.windowMs),
    containers: found.map(({ name, usage }) => ({ name, usage: quantities(usage) })),
  }
}

export function nodeMetrics(node: Node, usage: Usage, nowMs: number): NodeMetrics {
  return {
    kind: 'NodeMetrics',
    apiVersion: API_VERSION,
    metadata: metadataOf(node.metadata ?? {}, nowMs),
    timestamp: timestamp(usage.atMs),
    window: goDuration(usage.windowMs),
    usage: quantities(usage),
  }
}
