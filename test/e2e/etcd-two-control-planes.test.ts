import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DEPLOYMENTS, LEASES, PODS, SERVICES } from '../../src/api/resource-type.ts'
import type { Deployment } from '../../src/api/types/apps-v1.gen.ts'
import type { Client } from '../../src/client/client.ts'
import { createClient } from '../../src/client/create-client.ts'
import { createHttpTransport } from '../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../src/client/load-kubeconfig.ts'
import { ETCD_MISSING, type EtcdCluster, startEtcd } from '../harness/etcd-server.ts'
import { eventually } from '../harness/eventually.ts'

const FIXTURE = fileURLToPath(new URL('./control-plane.fixture.ts', import.meta.url))
const OCTET = '125'
const PARTS = ['kube-controller-manager', 'kube-scheduler']

interface Plane {
  readonly dataDir: string
  readonly child: ChildProcess
  readonly client: Client
  end(signal: NodeJS.Signals): Promise<void>
}

async function startPlane(etcd: EtcdCluster, dataDir: string): Promise<Plane> {
  const child = spawn(process.execPath, [FIXTURE, etcd.endpoints[0]!, dataDir, OCTET], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const first = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
  assert.match(String(first[0]), /ready/)
  const transport = createHttpTransport(loadKubeconfig(join(dataDir, 'kubeconfig')))
  return {
    dataDir,
    child,
    client: createClient(transport),
    async end(signal) {
      await transport.close()
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill(signal)
      await exit
    },
  }
}

function deployment(name: string): Deployment {
  const labels = { app: name }
  return {
    metadata: { namespace: 'default', name },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'node' }] } },
    },
  }
}

describe('two control planes on one etcd', { skip: ETCD_MISSING }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-two-'))
  let etcd: EtcdCluster
  let planes: Plane[] = []

  const holder = async (client: Client, part: string): Promise<string | undefined> =>
    (await client.get(LEASES, { namespace: 'kube-system', name: part })).spec?.holderIdentity
  const planeThatLeads = (part: string): Promise<Plane> =>
    eventually(async () => {
      const identity = await holder(planes[0]!.client, part)
      return planes.find(({ dataDir }) => dataDir === identity)
    })
  /** Controllers work: a new Deployment gets its pods, whichever API server is told. */
  const worksThrough = async (client: Client, name: string): Promise<void> => {
    await client.create(DEPLOYMENTS, deployment(name))
    await eventually(async () => {
      const { items } = await client.list(PODS, { namespace: 'default', labelSelector: `app=${name}` })
      return items.length === 2 ? true : undefined
    })
  }

  before(async () => {
    etcd = await startEtcd()
    const [a, b] = ['a', 'b'].map((name) => join(directory, name)) as [string, string]
    for (const path of [a, b]) mkdirSync(path)
    planes = [await startPlane(etcd, a)]
    // One cluster has one CA and one key for its Secrets.
    cpSync(join(a, 'pki'), join(b, 'pki'), { recursive: true })
    planes.push(await startPlane(etcd, b))
  })
  after(async () => {
    await Promise.all(planes.map((plane) => plane.end('SIGKILL')))
    await etcd?.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('both answer, see each other’s writes, and one of them runs each elected part', async () => {
    const [a, b] = planes as [Plane, Plane]
    await worksThrough(a.client, 'through-a')
    await worksThrough(b.client, 'through-b')
    for (const part of PARTS) assert([a.dataDir, b.dataDir].includes((await holder(a.client, part)) ?? ''), part)
    const seen = await Promise.all(planes.map(({ client }) => client.list(PODS, { namespace: 'default' })))
    assert.deepEqual(
      seen[0]!.items.map(({ metadata }) => metadata?.uid),
      seen[1]!.items.map(({ metadata }) => metadata?.uid),
    )
  })

  it('never give one address to two Services', async () => {
    const create = async (client: Client, name: string) =>
      client.create(SERVICES, {
        metadata: { namespace: 'default', name },
        spec: { type: 'NodePort', ports: [{ port: 80 }], selector: { app: name } },
      })
    const made = await Promise.all(
      Array.from({ length: 60 }, (_, i) => create(planes[i % 2]!.client, `s${String(i).padStart(2, '0')}`)),
    )
    assert.equal(new Set(made.map(({ spec }) => spec?.clusterIP)).size, made.length)
    assert.equal(new Set(made.map(({ spec }) => spec?.ports?.[0]?.nodePort)).size, made.length)
    // What one has given out, the other refuses.
    const taken = { clusterIP: made[0]!.spec!.clusterIP!, ports: [{ port: 80 }] }
    for (const { client } of planes)
      await assert.rejects(
        client.create(SERVICES, { metadata: { namespace: 'default', name: 'late' }, spec: taken }),
        /provided IP is already allocated/,
      )
  })

  it('go on when the leader ends in order, and when it is killed', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const leader = await planeThatLeads('kube-controller-manager')
      const other = planes.find((plane) => plane !== leader)!
      await leader.end(signal)
      planes = [other]
      for (const part of PARTS)
        await eventually(async () => ((await holder(other.client, part)) === other.dataDir ? true : undefined), 30_000)
      await worksThrough(other.client, `after-${signal.toLowerCase()}`)
      planes.push(await startPlane(etcd, leader.dataDir))
    }
  })
})
