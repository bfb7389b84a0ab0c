import type { TestContext } from 'node:test'
import type { MeshEndpoint, MeshSummary } from '../../../src/api/mesh-summary.ts'
import type { KubeObject } from '../../../src/api/object.ts'
import { DEPLOYMENTS, NODES, PODS, REPLICA_SETS, type ResourceType, SERVICES } from '../../../src/api/resource-type.ts'
import type { Deployment, ReplicaSet } from '../../../src/api/types/apps-v1.gen.ts'
import type { Pod, Service } from '../../../src/api/types/core-v1.gen.ts'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { ApiServerOptions } from '../../../src/controlplane/apiserver/api-server.ts'
import type { PodLogSource } from '../../../src/controlplane/apiserver/edge/pod-log-source.ts'
import { cacheObjects } from '../../../src/controlplane/metrics-api/cache-objects.ts'
import { createMetricsApi, type MetricsApi } from '../../../src/controlplane/metrics-api/metrics-api.ts'
import { startTestServer, type TestServer, type WireAnswer } from '../apiserver/server-fixture.ts'
import { meshSummary } from './mesh/mesh-fixture.ts'

/** What is waited for comes at once. */
const impatient: Clock = { ...systemClock, setTimer: (ms, run) => systemClock.setTimer(Math.min(ms, 20), run) }

export interface MetricsServer {
  readonly api: TestServer
  readonly metrics: MetricsApi
  /** The endpoints that the proxy tells of, given how many seconds it has been up; each look is a second later. */
  endpoints: (atSeconds: number) => readonly MeshEndpoint[]
  /** What nodes answer at `/stats/custom…`. */
  node: PodLogSource
  create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T>
  addPod(
    name: string,
    more?: {
      readonly labels?: Readonly<Record<string, string>>
      readonly owner?: KubeObject
      readonly namespace?: string
      readonly annotations?: Readonly<Record<string, string>>
    },
  ): Promise<Pod>
  get(path: string): Promise<WireAnswer>
}

/** A real API server with a node and a proxy, both of which answer as they are told to. */
export async function startMetricsServer(
  t: TestContext,
  options: Partial<ApiServerOptions> = {},
): Promise<MetricsServer> {
  let api: TestServer | undefined
  let looks = 0
  const metrics = createMetricsApi({
    objects: { node: () => undefined, nodes: () => [], pod: () => undefined, pods: () => [] },
    cluster: cacheObjects(() => api?.server.registry),
    source: (node, path, signal) => made.node(node, path, signal),
    async meshSource() {
      looks += 1
      const summary: MeshSummary = meshSummary(looks * 1_000, made.endpoints(looks))
      return {
        status: 200,
        body: (async function* () {
          yield Buffer.from(JSON.stringify(summary))
        })(),
      }
    },
    clock: impatient,
    logger: silentLogger,
  })
  api = await startTestServer({ ...options, virtual: metrics.resources, groups: metrics.groups })
  const server = api
  t.after(async () => {
    metrics.close()
    await server.close()
  })
  const made: MetricsServer = {
    api: server,
    metrics,
    endpoints: () => [],
    node: () => Promise.reject(new Error('connection refused')),
    create: (type, object) => server.client.create(type, object),
    async addPod(name, { labels = {}, owner, namespace = 'default', annotations } = {}) {
      const { kind = '', apiVersion = '', metadata } = owner ?? {}
      const pod = await server.client.create<Pod>(PODS, {
        metadata: {
          name,
          namespace,
          labels,
          ...(annotations === undefined ? {} : { annotations }),
          ...(owner === undefined
            ? {}
            : {
                ownerReferences: [
                  { kind, apiVersion, name: metadata?.name ?? '', uid: metadata?.uid ?? '', controller: true },
                ],
              }),
        },
        spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'x' }] },
      })
      return server.client.updateStatus<Pod>(PODS, { ...pod, status: { phase: 'Running' } })
    },
    get: (path) => server.wire({ path }),
  }
  await made.create(NODES, { metadata: { name: 'n1' } })
  const namespaces = '/api/v1/namespaces'
  for (const name of ['kube-system', 'other'])
    await server.transport.request({ method: 'POST', path: namespaces, body: { metadata: { name } } })
  await server.transport.request({
    method: 'POST',
    path: '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices',
    body: {
      metadata: { name: 'wherry-proxy-p', labels: { 'kubernetes.io/service-name': 'wherry-proxy' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.64.0.1'], conditions: { ready: true } }],
      ports: [{ name: 'metrics', port: 10_249, protocol: 'TCP' }],
    },
  })
  return made
}

/** A Service `web`, a Deployment `web` with its ReplicaSet and two pods `web-1` and `web-2`, and a pod `lone` beside them. */
export async function addShop(server: MetricsServer): Promise<void> {
  const labels = { app: 'web' }
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x' }] } }
  const spec = { selector: { matchLabels: labels }, template }
  await server.create<Service>(SERVICES, {
    metadata: { name: 'web', namespace: 'default', labels: { tier: 'front' } },
    spec: { selector: labels, clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
  })
  const typed = <T extends KubeObject>(type: ResourceType<T>, object: T): T => ({
    ...object,
    kind: type.kind,
    apiVersion: 'apps/v1',
  })
  const deployment = await server.create<Deployment>(DEPLOYMENTS, {
    metadata: { name: 'web', namespace: 'default' },
    spec,
  })
  const { name = '', uid = '' } = deployment.metadata ?? {}
  const replicaSet = await server.create<ReplicaSet>(REPLICA_SETS, {
    metadata: {
      name: 'web-6d4',
      namespace: 'default',
      ownerReferences: [{ kind: 'Deployment', apiVersion: 'apps/v1', name, uid, controller: true }],
    },
    spec,
  })
  const owner = typed(REPLICA_SETS, replicaSet)
  await server.addPod('web-1', { labels, owner })
  await server.addPod('web-2', { labels: { ...labels, canary: 'yes' }, owner })
  await server.addPod('lone', { labels: { app: 'lone' } })
}
