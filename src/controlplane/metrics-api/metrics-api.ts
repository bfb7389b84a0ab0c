import type { ResourceDefinition } from '../../api/definition.ts'
import { NODE_METRICS } from '../../api/definitions/metrics/node-metrics.ts'
import { POD_METRICS } from '../../api/definitions/metrics/pod-metrics.ts'
import type { Node, Pod } from '../../api/types/core-v1.gen.ts'
import type { NodeMetrics, PodMetrics } from '../../api/types/metrics-v1beta1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { PodLogSource } from '../apiserver/edge/pod-log-source.ts'
import type { VirtualResource } from '../apiserver/virtual-resource.ts'
import { inSlices } from './in-slices.ts'
import { nodeMetrics, podMetrics } from './metrics-objects.ts'
import { UsageCollector } from './usage-collector.ts'

export interface MetricsApiOptions {
  /** The cluster's objects, as the API server's cache has them. */
  readonly objects: {
    node(name: string): Node | undefined
    nodes(): readonly Node[]
    pod(namespace: string, name: string): Pod | undefined
    /** Of all namespaces when it is empty. */
    pods(namespace: string): readonly Pod[]
  }
  /** Reads a document of a node's API. */
  readonly source: PodLogSource
  readonly clock: Clock
  readonly logger: Logger
}

export interface MetricsApi {
  readonly resources: readonly VirtualResource[]
  close(): void
}

/**
 * metrics.k8s.io: usage of pods and nodes, from what their agents measure. A node is believed about the pods that are
 * bound to it and about no other.
 */
export function createMetricsApi({ objects, source, clock, logger }: MetricsApiOptions): MetricsApi {
  const collector = new UsageCollector({ nodes: objects.nodes, source, clock, logger })
  const ofPod = (pod: Pod | undefined): PodMetrics | undefined => {
    if (pod?.status?.phase !== 'Running') return undefined
    const usages = collector.history(pod.spec?.nodeName ?? '')?.pod(pod.metadata?.uid ?? '')
    return usages && podMetrics(pod, usages, clock.now())
  }
  const ofNode = (node: Node | undefined): NodeMetrics | undefined => {
    const usage = node && collector.history(node.metadata?.name ?? '')?.node()
    return usage && nodeMetrics(node, usage, clock.now())
  }
  const pods: VirtualResource = {
    definition: POD_METRICS as unknown as ResourceDefinition,
    async get(namespace, name) {
      if (objects.pod(namespace, name) === undefined) return undefined
      await collector.ready()
      return ofPod(objects.pod(namespace, name))
    },
    async list(namespace, selects) {
      await collector.ready()
      return inSlices(objects.pods(namespace), (pod) => (selects(pod) ? ofPod(pod) : undefined))
    },
  }
  const nodes: VirtualResource = {
    definition: NODE_METRICS as unknown as ResourceDefinition,
    async get(_namespace, name) {
      if (objects.node(name) === undefined) return undefined
      await collector.ready()
      return ofNode(objects.node(name))
    },
    async list(_namespace, selects) {
      await collector.ready()
      return inSlices(objects.nodes(), (node) => (selects(node) ? ofNode(node) : undefined))
    },
  }
  return { resources: [pods, nodes], close: () => collector.close() }
}
