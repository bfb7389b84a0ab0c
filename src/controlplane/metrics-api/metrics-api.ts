import type { ResourceDefinition } from '../../api/definition.ts'
import { NODE_METRICS } from '../../api/definitions/metrics/node-metrics.ts'
import { POD_METRICS } from '../../api/definitions/metrics/pod-metrics.ts'
import type { Node, Pod } from '../../api/types/core-v1.gen.ts'
import type { NodeMetrics, PodMetrics } from '../../api/types/metrics-v1beta1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { PodLogSource } from '../apiserver/edge/pod-log-source.ts'
import type { VirtualGroup } from '../apiserver/virtual-group.ts'
import type { VirtualResource } from '../apiserver/virtual-resource.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import { inSlices } from './in-slices.ts'
import { findProxies } from './mesh/find-proxies.ts'
import { MeshCollector } from './mesh/mesh-collector.ts'
import { MeshMetrics } from './mesh/mesh-metrics.ts'
import type { MeshSource } from './mesh/mesh-source.ts'
import type { MetricSource } from './metric-source.ts'
import { nodeMetrics, podMetrics } from './metrics-objects.ts'
import { ScrapeCollector } from './scraped/scrape-collector.ts'
import { ScrapedMetrics } from './scraped/scraped-metrics.ts'
import { UsageCollector } from './usage-collector.ts'
import { createCustomMetricsGroup } from './values/custom-metrics-group.ts'
import { createExternalMetricsGroup } from './values/external-metrics-group.ts'

export interface MetricsApiOptions {
  /** The cluster's objects, as the API server's cache has them. */
  readonly objects: {
    node(name: string): Node | undefined
    nodes(): readonly Node[]
    pod(namespace: string, name: string): Pod | undefined
    /** Of all namespaces when it is empty. */
    pods(namespace: string): readonly Pod[]
  }
  readonly cluster: ClusterObjects
  /** Reads a document of a node's API. */
  readonly source: PodLogSource
  readonly meshSource: MeshSource
  readonly clock: Clock
  readonly logger: Logger
}

export interface MetricsApi {
  /** metrics.k8s.io */
  readonly resources: readonly VirtualResource[]
  /** custom.metrics.k8s.io and external.metrics.k8s.io */
  readonly groups: readonly VirtualGroup[]
  /** Calls the listener whenever there are new figures of the traffic; the return value ends it. */
  onTraffic(listener: () => void): () => void
  close(): void
}

/** The metrics APIs: usage from what agents measure, traffic from what proxies count, and what pods tell of themselves. */
export function createMetricsApi(options: MetricsApiOptions): MetricsApi {
  const { cluster, source, meshSource, clock, logger } = options
  const usage = createUsageResources(options)
  const listeners = new Set<() => void>()
  const mesh = new MeshCollector({
    proxies: () => findProxies(cluster),
    source: meshSource,
    clock,
    logger,
    onSamples: () => {
      for (const listener of listeners) listener()
    },
  })
  const scraped = new ScrapeCollector({ cluster, source, clock, logger })
  // What was measured where it flows goes before what a pod tells under the same name.
  const sources = [new MeshMetrics(mesh), new ScrapedMetrics(scraped, cluster)] as readonly MetricSource[]
  return {
    resources: usage.resources,
    groups: [createCustomMetricsGroup({ sources, objects: cluster }), createExternalMetricsGroup({ sources })],
    onTraffic(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      usage.close()
      mesh.close()
      scraped.close()
    },
  }
}

/**
 * metrics.k8s.io: usage of pods and nodes, from what their agents measure. A node is believed about the pods that are
 * bound to it and about no other.
 */
function createUsageResources({
  objects,
  source,
  clock,
  logger,
}: MetricsApiOptions): Pick<MetricsApi, 'resources' | 'close'> {
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
