import { DEPLOYMENTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, PODS } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import type { HorizontalPodAutoscaler } from '../../../src/api/types/autoscaling-v2.gen.ts'
import type { Event } from '../../../src/api/types/core-v1.gen.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import type { Client } from '../../../src/client/client.ts'
import { createEventRecorder } from '../../../src/client/event-recorder.ts'
import { createInformerFactory } from '../../../src/client/informer-factory.ts'
import type { ApiRequest, ApiResponse, Transport } from '../../../src/client/transport.ts'
import { startAutoscaler } from '../../../src/controlplane/autoscaler/autoscaler-controller.ts'
import { isoSeconds } from '../../../src/controlplane/controllers/timestamp.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestServer } from '../apiserver/server-fixture.ts'

type Answer = ApiResponse | Promise<ApiResponse> | undefined

export interface AutoscalerWorld {
  readonly client: Client
  readonly transport: Transport
  readonly clock: VirtualClock
  /** Paths and queries of what was asked of metrics APIs, in order. */
  readonly asked: string[]
  /** How metrics APIs answer from now on; without an answer the request goes to the API server. */
  answer(by: (request: ApiRequest) => Answer): void
  /** From now on the API server refuses changes of Deployments with these words. */
  refuse(words: string): void
  /** A Deployment of so many pods, which all run and are ready. */
  deploy(name: string, replicas: number): Promise<void>
  /** Makes the pods fit what the Deployment asks for, as its controller would. */
  followScale(name: string): Promise<number>
  autoscale(spec: Partial<HorizontalPodAutoscaler['spec']>, name?: string, target?: string): Promise<void>
  get(name?: string): Promise<HorizontalPodAutoscaler>
  size(name?: string): Promise<number>
  events(reason: string): Promise<readonly Event[]>
  /** There are new figures of the traffic. */
  traffic(): Promise<void>
  /** Virtual time passes, and what it set off settles. */
  pass(seconds: number): Promise<void>
  /** Stops the autoscaler alone. */
  stop(): Promise<void>
  close(): Promise<void>
}

const NAMESPACE = 'default'
const MERGE = { type: 'application/merge-patch+json' } as const

export function ok(items: readonly unknown[]): ApiResponse {
  return { status: 200, body: { items } }
}

/** An autoscaler on virtual time against a real API server, with metrics APIs that say what a test wants. */
export async function startAutoscalerWorld(): Promise<AutoscalerWorld> {
  let refusal: string | undefined
  const server = await startTestServer({
    admission: [
      {
        name: 'Refuse',
        async admit({ definition, operation }) {
          if (refusal !== undefined && definition.resource === 'deployments' && operation === 'UPDATE')
            throw new StatusError('Forbidden', refusal)
          return undefined
        },
      },
    ],
  })
  const { client } = server
  const clock = new VirtualClock()
  const asked: string[] = []
  let answer: (request: ApiRequest) => Answer = () => undefined
  let underWay = 0
  const traffic = new Set<() => void>()
  const transport: Transport = {
    ...server.transport,
    async request(request) {
      underWay += 1
      try {
        if (!/^\/apis\/[a-z.]*metrics\.k8s\.io\//.test(request.path)) return await server.transport.request(request)
        asked.push(`${request.path}?${new URLSearchParams(request.query)}`)
        return await (answer(request) ?? server.transport.request(request))
      } finally {
        underWay -= 1
      }
    },
  }
  const informers = createInformerFactory({ client, clock, logger: silentLogger })
  const recorder = createEventRecorder({ client, component: 'horizontal-pod-autoscaler', clock, logger: silentLogger })
  const controller = startAutoscaler({
    client,
    informers,
    events: recorder,
    transport,
    clock,
    logger: silentLogger,
    random: () => 0.5,
    onTraffic(listener) {
      traffic.add(listener)
      return () => void traffic.delete(listener)
    },
  })
  await informers.synced()

  const settle = async (): Promise<void> => {
    let quiet = 0
    for (let i = 0; i < 2_000 && quiet < 8; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      quiet = underWay === 0 ? quiet + 1 : 0
    }
    await recorder.flush()
  }
  const createPod = async (app: string, i: number): Promise<void> => {
    const name = `${app}-${i}`
    await client.create(PODS, {
      metadata: { namespace: NAMESPACE, name, labels: { app } },
      spec: { containers: [{ name: 'main', image: 'one', resources: { requests: { cpu: '500m' } } }] },
    })
    const since = isoSeconds(clock.now() - 3_600_000)
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: since }]
    const status = { phase: 'Running', startTime: since, conditions }
    await client.patch(PODS, { namespace: NAMESPACE, name }, { status }, { ...MERGE, subresource: 'status' })
  }
  const follow = async (name: string): Promise<number> => {
    const deployment = await client.get(DEPLOYMENTS, { namespace: NAMESPACE, name })
    const wanted = deployment.spec?.replicas ?? 0
    const present = (await client.list(PODS, { namespace: NAMESPACE, labelSelector: `app=${name}` })).items
    for (let i = present.length; i < wanted; i++) await createPod(name, i)
    for (let i = wanted; i < present.length; i++)
      await client.delete(PODS, { namespace: NAMESPACE, name: `${name}-${i}` }, { gracePeriodSeconds: 0 })
    const status = { replicas: wanted, readyReplicas: wanted, availableReplicas: wanted }
    await client.patch(DEPLOYMENTS, { namespace: NAMESPACE, name }, { status }, { ...MERGE, subresource: 'status' })
    const pods = informers.for(PODS)
    const arrived = () =>
      pods.list(NAMESPACE).filter(({ metadata }) => metadata?.labels?.app === name).length === wanted
    await eventually(() => (arrived() ? true : undefined), 5_000, 'the pods')
    await settle()
    return wanted
  }
  return {
    client,
    transport: server.transport,
    clock,
    asked,
    answer(by) {
      answer = by
    },
    refuse(words) {
      refusal = words
    },
    async deploy(name, replicas) {
      const labels = { app: name }
      await client.create(DEPLOYMENTS, {
        metadata: { namespace: NAMESPACE, name },
        spec: {
          replicas,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'one' }] } },
        },
      })
      await follow(name)
    },
    followScale: follow,
    async autoscale(spec, name = 'web', target = name) {
      await client.create(HORIZONTAL_POD_AUTOSCALERS, {
        metadata: { namespace: NAMESPACE, name },
        spec: {
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: target },
          maxReplicas: 10,
          ...spec,
        },
      })
      const autoscalers = informers.for(HORIZONTAL_POD_AUTOSCALERS)
      await eventually(() => autoscalers.get(NAMESPACE, name), 5_000, 'the autoscaler')
      await settle()
    },
    get: (name = 'web') => client.get(HORIZONTAL_POD_AUTOSCALERS, { namespace: NAMESPACE, name }),
    async size(name = 'web') {
      return (await client.get(DEPLOYMENTS, { namespace: NAMESPACE, name })).spec?.replicas ?? 0
    },
    async events(reason) {
      await recorder.flush()
      return (await client.list(EVENTS, { namespace: NAMESPACE })).items.filter((event) => event.reason === reason)
    },
    async traffic() {
      for (const listener of traffic) listener()
      await settle()
    },
    async pass(seconds) {
      for (let left = seconds; left > 0; left -= 1) {
        await clock.advance(Math.min(1, left) * 1_000)
        await settle()
      }
    },
    stop: () => controller.close(),
    async close() {
      await controller.close()
      informers.close()
      await server.close()
    },
  }
}
