import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createVolumeManager, type VolumeManagerOptions } from '../../../src/agent/volumes/create-volume-manager.ts'
import type { VolumeContext, VolumeManager } from '../../../src/agent/volumes/volume-manager.ts'
import { DEFINITIONS } from '../../../src/api/definitions/all.ts'
import { PODS, SERVICE_ACCOUNTS } from '../../../src/api/resource-type.ts'
import type { Pod, PodSpec, Volume } from '../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { createNodeRestriction } from '../../../src/controlplane/apiserver/edge/node-restriction.ts'
import { createServiceAccountTokens } from '../../../src/controlplane/apiserver/edge/service-account-tokens.ts'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import { startTestServer, type TestServer } from '../apiserver/server-fixture.ts'

export const NODE = 'n1'

export interface TestVolumes {
  /** What an administrator may do. */
  readonly client: Client
  /** What the node may do. */
  readonly nodeClient: Client
  readonly directory: string
  readonly manager: VolumeManager
  /** While true, every call of the manager fails as with a dead control plane. */
  outage: boolean
  /** `method path?query` of everything the manager asked the API. */
  readonly asked: string[]
  /** Another manager on the same directory, as after a restart of the agent. */
  again(): VolumeManager
  /** Makes a pod that is bound to the node. */
  bind(pod: Pod): Promise<Pod>
  contextOf(pod: Pod): VolumeContext
  /** Where a volume of the pod is. */
  path(pod: Pod, ...names: readonly string[]): string
  prepare(pod: Pod, manager?: VolumeManager): Promise<ReadonlyMap<string, string>>
}

/** A temporary directory that is gone after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-volumes-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An API server in memory that holds nodes to what they may do and issues tokens. */
async function startServer(options: Partial<VolumeManagerOptions>): Promise<TestServer> {
  const pods = DEFINITIONS.find(({ resource }) => resource === 'pods')!
  const podsOnNode = (node: string): readonly Pod[] =>
    [...server.server.registry.cacheOf(pods).range(`${pods.storagePrefix}/`)]
      .map(({ object }) => object as Pod)
      .filter(({ spec }) => spec?.nodeName === node)
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const clock = options.clock ?? systemClock
  const server = await startTestServer({
    authorizer: createStaticAuthorizer({ podsOnNode }),
    admission: [createNodeRestriction(podsOnNode)],
    tokens: createServiceAccountTokens(key.toString(), clock),
    clock,
  })
  await server.client.create(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace: 'default' } })
  return server
}

/** A volume manager that asks an API server as its node. */
export async function startVolumes(t: TestContext, options: Partial<VolumeManagerOptions> = {}): Promise<TestVolumes> {
  const directory = temporaryDirectory(t)
  const api = await startServer(options)
  const managers: VolumeManager[] = []
  const asked: string[] = []
  const transport = api.server.transport({
    name: `system:node:${NODE}`,
    groups: ['system:nodes', 'system:authenticated'],
  })
  const see = ({ method, path, query }: Parameters<Transport['request']>[0]): void => {
    if (volumes.outage) throw new Error('the control plane is dead')
    asked.push(`${method} ${path}${query === undefined ? '' : `?${new URLSearchParams(query)}`}`)
  }
  const observed: Transport = {
    async request(request) {
      see(request)
      return transport.request(request)
    },
    async watch(request) {
      see(request)
      return transport.watch(request)
    },
    close: () => transport.close(),
  }
  const make = (): VolumeManager => {
    const manager = createVolumeManager({
      client: createClient(observed),
      clock: systemClock,
      logger: silentLogger,
      nodeDirectory: directory,
      random: () => 0.5,
      ...options,
    })
    managers.push(manager)
    return manager
  }
  const podDirectory = (pod: Pod): string => join(directory, 'pods', pod.metadata?.uid ?? '')
  const volumes: TestVolumes = {
    client: api.client,
    nodeClient: createClient(transport),
    directory,
    manager: make(),
    outage: false,
    asked,
    again: make,
    bind: (pod) => api.client.create(PODS, pod),
    contextOf: (pod) => ({ podDirectory: podDirectory(pod), podIp: '127.99.129.4', hostIp: '127.99.0.1' }),
    path: (pod, ...names) => join(podDirectory(pod), 'volumes', ...names),
    prepare: (pod, manager = volumes.manager) => manager.prepare(pod, volumes.contextOf(pod)),
  }
  t.after(async () => {
    for (const manager of managers) await manager.close()
    await api.close()
  })
  return volumes
}

/** A pod with these volumes, on the node. */
export function podWith(volumes: readonly Volume[], spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: { nodeName: NODE, containers: [{ name: 'main', image: 'none' }], volumes, ...spec },
  }
}
