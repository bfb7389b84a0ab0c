import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createVolumeManager, type VolumeManagerOptions } from '../../../src/agent/volumes/create-volume-manager.ts'
import type { VolumeContext, VolumeManager } from '../../../src/agent/volumes/volume-manager.ts'
import type { Pod, PodSpec, Volume } from '../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { startTestServer, type TestServer } from '../apiserver/server-fixture.ts'

export const POD_UID = '0a0a0a0a-1111-2222-3333-444444444444'

export interface TestVolumes {
  readonly api: TestServer
  readonly client: Client
  readonly directory: string
  readonly context: VolumeContext
  readonly manager: VolumeManager
  /** While true, every call of the manager fails as with a dead control plane. */
  outage: boolean
  /** `method path?query` of everything the manager asks the API. */
  readonly asked: readonly string[]
  /** Another manager on the same directory, as after a restart of the agent. */
  again(): VolumeManager
  /** Where a volume of the pod is. */
  path(...names: readonly string[]): string
}

/** A temporary directory that is gone after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-volumes-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A volume manager over an API server in memory. */
export async function startVolumes(t: TestContext, options: Partial<VolumeManagerOptions> = {}): Promise<TestVolumes> {
  const directory = temporaryDirectory(t)
  const api = await startTestServer()
  const managers: VolumeManager[] = []
  const asked: string[] = []
  const make = (): VolumeManager => {
    const manager = createVolumeManager({
      client: createClient(observed(api.transport)),
      clock: systemClock,
      logger: silentLogger,
      nodeDirectory: directory,
      random: () => 0.5,
      ...options,
    })
    managers.push(manager)
    return manager
  }
  const observed = (transport: Transport): Transport => {
    const see = ({ method, path, query }: Parameters<Transport['request']>[0]): void => {
      if (volumes.outage) throw new Error('the control plane is dead')
      asked.push(`${method} ${path}${query === undefined ? '' : `?${new URLSearchParams(query)}`}`)
    }
    return {
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
  }
  const podDirectory = join(directory, 'pods', POD_UID)
  const volumes: TestVolumes = {
    api,
    client: api.client,
    directory,
    context: { podDirectory, podIp: '127.99.129.4', hostIp: '127.99.0.1' },
    manager: make(),
    outage: false,
    asked,
    again: make,
    path: (...names) => join(podDirectory, 'volumes', ...names),
  }
  t.after(async () => {
    for (const manager of managers) await manager.close()
    await api.close()
  })
  return volumes
}

export function podWith(volumes: readonly Volume[], spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', uid: POD_UID, ...metadata },
    spec: { containers: [{ name: 'main', image: 'none' }], volumes, ...spec },
  }
}
