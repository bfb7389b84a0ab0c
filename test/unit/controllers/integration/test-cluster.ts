import { DEFINITIONS } from '../../../../src/api/definitions/all.ts'
import { LEASES, NAMESPACES, NODES, PODS } from '../../../../src/api/resource-type.ts'
import { StatusError } from '../../../../src/api/status-error.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import type { Client } from '../../../../src/client/client.ts'
import { createClient } from '../../../../src/client/create-client.ts'
import { createEventRecorder } from '../../../../src/client/event-recorder.ts'
import type { Informer } from '../../../../src/client/informer.ts'
import { createInformerFactory, type InformerFactory } from '../../../../src/client/informer-factory.ts'
import { createApiServer } from '../../../../src/controlplane/apiserver/api-server.ts'
import { CONTROL_PLANE_USER } from '../../../../src/controlplane/apiserver/user.ts'
import { type ControllerTimings, startControllers } from '../../../../src/controlplane/controllers/start-controllers.ts'
import { createMemoryStore } from '../../../../src/controlplane/store/memory-store.ts'

export interface TestCluster {
  readonly client: Client
  readonly informers: InformerFactory
  readonly pods: Informer<Pod>
  /** Nodes stop sending signs of life, and their pods no longer end. */
  silence(node: string): void
  /** Pods whose names match are reported as not ready from now on, or as ready again. */
  holdBack(pattern: RegExp | undefined): void
  /** New pods whose labels' `app` matches are refused from now on, as by a quota; returns how many were so far. */
  refusePods(pattern: RegExp | undefined): number
  /** Ends all controllers, lets something happen meanwhile, and starts them anew with nothing remembered. */
  restartControllers(meanwhile?: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

export interface TestClusterOptions {
  readonly nodes?: readonly string[]
  readonly timings?: ControllerTimings
}

const MERGE = { type: 'application/merge-patch+json' } as const

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z')
}

/** A real API server in memory with all controllers, and in place of scheduler and agents a few lines that bind and run pods. */
export async function startTestCluster({
  nodes = ['node-1'],
  timings = {},
}: TestClusterOptions = {}): Promise<TestCluster> {
  const common = { clock: systemClock, logger: silentLogger, random: Math.random }
  const store = createMemoryStore()
  let refused: RegExp | undefined
  let refusals = 0
  const server = await createApiServer({
    ...common,
    store,
    definitions: DEFINITIONS,
    admission: [
      {
        name: 'RefusePods',
        async admit({ definition, operation, subresource, object }) {
          const app = object?.metadata?.labels?.app
          if (definition.resource !== 'pods' || operation !== 'CREATE' || subresource !== '') return undefined
          if (app === undefined || refused?.test(app) !== true) return undefined
          refusals += 1
          throw new StatusError('Forbidden', `pods "${object?.metadata?.generateName}" is forbidden: exceeded quota`)
        },
      },
    ],
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    version: 'v1.36.0',
  })
  const client = createClient(server.transport(CONTROL_PLANE_USER))
  for (const name of ['default', 'kube-node-lease']) await client.create(NAMESPACES, { metadata: { name } })
  const silent = new Set<string>()
  const renew = async (node: string): Promise<void> => {
    const ref = { namespace: 'kube-node-lease', name: node }
    await client.patch(LEASES, ref, { spec: { renewTime: new Date().toISOString().replace('Z', '000Z') } }, MERGE)
  }
  for (const name of nodes) {
    await client.create(NODES, { metadata: { name } })
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: now(), lastTransitionTime: now() }]
    await client.patch(NODES, { name }, { status: { conditions } }, { ...MERGE, subresource: 'status' })
    await client.create(LEASES, { metadata: { namespace: 'kube-node-lease', name }, spec: { holderIdentity: name } })
    await renew(name)
  }
  const heartbeat = setInterval(() => {
    for (const name of nodes) if (!silent.has(name)) void renew(name).catch(() => undefined)
  }, 200)

  const informers = createInformerFactory({ client, ...common })
  const pods = informers.for(PODS)
  await pods.synced
  let heldBack: RegExp | undefined
  let turn = 0
  const serve = async (pod: Pod): Promise<void> => {
    const { namespace, name = '', deletionTimestamp } = pod.metadata ?? {}
    const ref = { namespace, name }
    const node = pod.spec?.nodeName
    if (node === undefined || node === '') {
      if (deletionTimestamp !== undefined) return
      const target = nodes.filter((candidate) => !silent.has(candidate))[turn++ % nodes.length] ?? nodes[0]!
      await client.createSubresource(PODS, ref, 'binding', {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: ref,
        target: { kind: 'Node', name: target },
      })
      return
    }
    if (silent.has(node)) return
    if (deletionTimestamp !== undefined) {
      await client.delete(PODS, ref, { gracePeriodSeconds: 0 })
      return
    }
    const ready = heldBack?.test(name) === true ? 'False' : 'True'
    const current = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status
    if (current === ready) return
    const ip = pod.status?.podIP ?? `127.99.${129 + (turn % 100)}.${1 + (turn++ % 250)}`
    const status = {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: ready, lastTransitionTime: now() }],
    }
    await client.patch(PODS, ref, { status }, { ...MERGE, subresource: 'status' })
  }
  pods.onChange(({ type, object }) => {
    if (type !== 'deleted') void serve(object).catch(() => undefined)
  })

  const startAll = (): { close(): Promise<void> } => {
    const copies = createInformerFactory({ client, ...common })
    const controllers = startControllers({
      ...common,
      client,
      informers: copies,
      events: (component) => createEventRecorder({ ...common, client, component }),
      rootCaPem: 'CERTIFICATE',
      timings,
    })
    return {
      async close() {
        await controllers.close()
        copies.close()
      },
    }
  }
  let controllers = startAll()
  return {
    client,
    informers,
    pods,
    silence: (node) => silent.add(node),
    holdBack(pattern) {
      heldBack = pattern
      for (const pod of pods.list()) void serve(pod).catch(() => undefined)
    },
    refusePods(pattern) {
      refused = pattern
      return refusals
    },
    async restartControllers(meanwhile) {
      await controllers.close()
      await meanwhile?.()
      controllers = startAll()
    },
    async close() {
      clearInterval(heartbeat)
      await controllers.close()
      informers.close()
      await server.close()
      await store.close()
    },
  }
}
