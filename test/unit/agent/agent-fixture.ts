import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Agent, type AgentOptions, startAgent } from '../../../src/agent/agent.ts'
import type { PodLogs } from '../../../src/agent/kubelet/pod-logs.ts'
import type { NodeDocuments } from '../../../src/agent/usage/node-documents.ts'
import { ProcUsageSource } from '../../../src/agent/usage/proc-usage-source.ts'
import { UsageSampler } from '../../../src/agent/usage/usage-sampler.ts'
import { createVolumeManager } from '../../../src/agent/volumes/create-volume-manager.ts'
import { EVENTS, NAMESPACES, PODS } from '../../../src/api/resource-type.ts'
import type { Container, Pod, PodSpec } from '../../../src/api/types/core-v1.gen.ts'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestServer, type TestServer } from '../apiserver/server-fixture.ts'

export const NODE = { name: 'n1', address: '127.99.0.1', podCidr: '127.99.129.0/24' }

/** What would take ten seconds or more comes at once: leases, looks at volumes, the ends of long waits. */
export const impatientClock: Clock = {
  ...systemClock,
  setTimer: (ms, callback) => systemClock.setTimer(ms >= 10_000 ? 200 : ms, callback),
}

export interface TestNode {
  readonly api: TestServer
  readonly client: Client
  readonly dataDir: string
  agent: Agent
  logs: PodLogs
  documents: NodeDocuments
  /** While true, every call of the agent fails as with a dead control plane. */
  outage: boolean
  /** Lets go of the agent and starts another one on the same directory. */
  restart(): Promise<void>
  createPod(name: string, spec: Partial<PodSpec>, more?: Partial<Pod>): Promise<Pod>
  /** Waits until the pod satisfies `check`. */
  until(name: string, check: (pod: Pod) => boolean, what: string): Promise<Pod>
  /** Waits until there is no such pod. */
  untilGone(name: string): Promise<void>
  /** `reason: message` of all events on a pod. */
  eventTexts(name: string): Promise<readonly string[]>
}

function unreliable(transport: Transport, isDown: () => boolean): Transport {
  const check = (): void => {
    if (isDown()) throw new Error('the control plane is dead')
  }
  return {
    async request(request) {
      check()
      return transport.request(request)
    },
    async watch(request) {
      check()
      return transport.watch(request)
    },
    close: () => transport.close(),
  }
}

/** An API server in memory and one agent with real processes; all of it is gone after the test. */
export async function startTestNode(t: TestContext, options: Partial<AgentOptions> = {}): Promise<TestNode> {
  const api = await startTestServer()
  const { client } = api
  for (const name of ['kube-system', 'kube-node-lease']) await client.create(NAMESPACES, { metadata: { name } })
  const dataDir = mkdtempSync(join(tmpdir(), 'wherry-agent-'))
  const agentClient = createClient(unreliable(api.transport, () => node.outage))
  const usage = new UsageSampler(new ProcUsageSource(systemClock), systemClock, silentLogger)
  const start = (): Promise<Agent> =>
    startAgent({
      node: NODE,
      client: agentClient,
      dataDir,
      runtime: 'process',
      version: '0',
      clusterCidr: '127.99.0.0/16',
      clock: systemClock,
      logger: silentLogger,
      usage,
      createVolumes: (nodeDirectory) =>
        createVolumeManager({ client: agentClient, clock: systemClock, logger: silentLogger, nodeDirectory }),
      async serveNodeApi(logs, _streams, documents) {
        node.logs = logs
        node.documents = documents
        return { port: 10_250, async close() {} }
      },
      ...options,
    })
  const node: TestNode = {
    api,
    client,
    dataDir,
    outage: false,
    agent: undefined as unknown as Agent,
    logs: undefined as unknown as PodLogs,
    documents: undefined as unknown as NodeDocuments,
    async restart() {
      await node.agent.close()
      node.agent = await start()
    },
    createPod: (name, spec, more = {}) =>
      client.create<Pod>(PODS, {
        metadata: { name, namespace: 'default', ...more.metadata },
        spec: { nodeName: NODE.name, terminationGracePeriodSeconds: 5, containers: [], ...spec },
      }),
    until: (name, check, what) =>
      eventually(
        async () => {
          const pod = await client.get(PODS, { namespace: 'default', name })
          if (check(pod)) return pod
          throw new Error(`pod ${name} is not ${what}: ${JSON.stringify(pod.status)}`)
        },
        20_000,
        what,
      ),
    async untilGone(name) {
      await eventually(
        async () => {
          const { items } = await client.list(PODS, { namespace: 'default' })
          return items.some(({ metadata }) => metadata?.name === name) ? undefined : true
        },
        20_000,
        `the end of ${name}`,
      )
    },
    async eventTexts(name) {
      const { items } = await client.list(EVENTS, { namespace: 'default' })
      return items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ reason, message }) => `${reason}: ${message}`)
    },
  }
  node.agent = await start()
  t.after(async () => {
    node.outage = false
    await node.agent.shutDown(0)
    usage.close()
    await api.close()
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 })
  })
  return node
}

/** A container that runs a script with Node. */
export function nodeContainer(script: string, more: Partial<Container> = {}): Container {
  return { name: 'main', image: 'node', command: ['node', '-e', script], ...more }
}

export const isRunning = (pod: Pod): boolean => pod.status?.phase === 'Running'
export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
export const waitingReason = (pod: Pod): string | undefined =>
  pod.status?.containerStatuses?.[0]?.state?.waiting?.reason
