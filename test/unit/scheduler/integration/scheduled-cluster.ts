import { DEFINITIONS } from '../../../../src/api/definitions/all.ts'
import { EVENTS, NAMESPACES, NODES, PODS } from '../../../../src/api/resource-type.ts'
import type { Event, Pod, PodCondition } from '../../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import type { Client } from '../../../../src/client/client.ts'
import { createClient } from '../../../../src/client/create-client.ts'
import { createEventRecorder } from '../../../../src/client/event-recorder.ts'
import type { Informer } from '../../../../src/client/informer.ts'
import { createInformerFactory } from '../../../../src/client/informer-factory.ts'
import { createApiServer } from '../../../../src/controlplane/apiserver/api-server.ts'
import { CONTROL_PLANE_USER } from '../../../../src/controlplane/apiserver/user.ts'
import { SchedulerMetrics } from '../../../../src/controlplane/scheduler/scheduler-metrics.ts'
import { startScheduler } from '../../../../src/controlplane/scheduler/start-scheduler.ts'
import { createMemoryStore } from '../../../../src/controlplane/store/memory-store.ts'
import { eventually } from '../../../harness/eventually.ts'
import { type NodeSettings, node, type PodSettings, pod } from '../objects.ts'

export interface ScheduledCluster {
  readonly client: Client
  readonly pods: Informer<Pod>
  readonly metrics: SchedulerMetrics
  addNode(name: string, settings?: NodeSettings): Promise<void>
  addPod(name: string, settings?: PodSettings): Promise<Pod>
  /** `wrap` stands between the scheduler and the API. */
  startScheduler(wrap?: (client: Client) => Client): Promise<void>
  stopScheduler(): Promise<void>
  /** The node that a pod is on, as soon as it is on one. */
  nodeOf(name: string): Promise<string>
  /** The condition that says whether it has a node, as soon as there is one that fits. */
  scheduled(name: string, fits?: (condition: PodCondition) => boolean): Promise<PodCondition>
  /** Events about an object, as soon as there are any of this reason. */
  events(name: string, reason: string): Promise<readonly Event[]>
  close(): Promise<void>
}

/** A real API server in memory and the scheduler; no controllers, no agents. */
export async function startScheduledCluster(): Promise<ScheduledCluster> {
  const common = { clock: systemClock, logger: silentLogger, random: Math.random }
  const store = createMemoryStore()
  const metrics = new SchedulerMetrics()
  const server = await createApiServer({
    ...common,
    store,
    definitions: DEFINITIONS,
    admission: [],
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    version: 'v1.36.0',
  })
  const client = createClient(server.transport(CONTROL_PLANE_USER))
  for (const name of ['default', 'other']) await client.create(NAMESPACES, { metadata: { name } })
  const watching = createInformerFactory({ client, ...common })
  const pods = watching.for(PODS)
  await pods.synced
  let stop: (() => Promise<void>) | undefined

  const stopScheduler = async (): Promise<void> => {
    await stop?.()
    stop = undefined
  }
  const get = (name: string): Promise<Pod> => client.get(PODS, { namespace: 'default', name })
  return {
    metrics,
    client,
    pods,
    async addNode(name, settings) {
      await client.create(NODES, node(name, settings))
    },
    addPod(name, { spec, ...settings } = {}) {
      const made = pod(name, { ...settings, ...(spec === undefined ? {} : { spec }) })
      const containers = made.spec!.containers.map((each) => ({ image: 'one', ...each }))
      const { uid: _, ...metadata } = made.metadata ?? {}
      return client.create(PODS, { ...made, metadata, spec: { ...made.spec!, containers } })
    },
    async startScheduler(wrap = (same) => same) {
      const own = wrap(client)
      const informers = createInformerFactory({ client: own, ...common })
      const events = createEventRecorder({ ...common, client: own, component: 'default-scheduler' })
      const scheduler = startScheduler({ ...common, client: own, informers, events, metrics })
      stop = async () => {
        await scheduler.close()
        informers.close()
      }
      await informers.synced()
    },
    stopScheduler,
    nodeOf: (name) => eventually(async () => (await get(name)).spec?.nodeName, 10_000, `a node for ${name}`),
    scheduled: (name, fits = () => true) =>
      eventually(
        async () => {
          const conditions = (await get(name)).status?.conditions
          return conditions?.find((condition) => condition.type === 'PodScheduled' && fits(condition))
        },
        10_000,
        `the condition of ${name}`,
      ),
    events: (name, reason) =>
      eventually(
        async () => {
          const { items } = await client.list(EVENTS, { namespace: 'default' })
          const found = items.filter((event) => event.involvedObject.name === name && event.reason === reason)
          return found.length === 0 ? undefined : found
        },
        10_000,
        `an event ${reason} of ${name}`,
      ),
    async close() {
      await stopScheduler()
      watching.close()
      await server.close()
      await store.close()
    },
  }
}
