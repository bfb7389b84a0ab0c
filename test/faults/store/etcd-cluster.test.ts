import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Etcd3 } from 'etcd3'
import { CONFIG_MAPS, DEPLOYMENTS, LEASES, PODS } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { ApiServers } from '../../../src/client/api-servers.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createHttpTransport } from '../../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../../src/client/load-kubeconfig.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { startTestCluster, type TestCluster } from '../../harness/cluster.ts'
import { ETCD_MISSING, type EtcdCluster, type EtcdOptions, startEtcd } from '../../harness/etcd-server.ts'
import { eventually } from '../../harness/eventually.ts'
import { type Part, startPart } from '../../harness/part.ts'
import { startSlowRelay } from '../../harness/slow-relay.ts'
import { ApiStore } from './api-store.ts'
import { EtcdHistory, seeded } from './etcd-history.ts'

/** How many times etcd is harmed; `WHERRY_KILLS=1000` for the long run. */
const ROUNDS = Number(process.env.WHERRY_KILLS ?? 4)
const SEED = Number(process.env.WHERRY_SEED ?? 1)
const WRITERS = 6

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Whatever a test has begun is ended in the opposite order. */
class Ends {
  readonly #ends: (() => unknown)[] = []

  add<T>(thing: T, end: (thing: T) => unknown): T {
    this.#ends.unshift(() => end(thing))
    return thing
  }

  async run(): Promise<void> {
    for (const end of this.#ends) await end()
  }
}

async function within(run: (ends: Ends) => Promise<void>): Promise<void> {
  const ends = new Ends()
  try {
    await run(ends)
  } finally {
    await ends.run()
  }
}

async function etcdFor(ends: Ends, options: EtcdOptions = {}): Promise<EtcdCluster> {
  return ends.add(await startEtcd(options), (etcd) => etcd.close())
}

function clientFor(ends: Ends, kubeconfig: string, ...others: string[]): Client {
  const options = loadKubeconfig(kubeconfig)
  const urls = others.map((other) => String(loadKubeconfig(other).server))
  const server = new ApiServers([String(options.server), ...urls])
  const transport: Transport = createHttpTransport({ ...options, server })
  ends.add(transport, (open) => open.close())
  return createClient(transport)
}

async function clusterFor(ends: Ends, endpoints: readonly string[]): Promise<TestCluster> {
  const cluster = await startTestCluster(['--store', `etcd=${endpoints.join()}`])
  return ends.add(cluster, (running) => running.destroy())
}

async function serversFor(ends: Ends, etcd: EtcdCluster, count: number): Promise<readonly string[]> {
  const directory = ends.add(mkdtempSync(join(tmpdir(), 'wherry-faults-')), (path) =>
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }),
  )
  const kubeconfigs: string[] = []
  for (let i = 0; i < count; i++) {
    const dataDir = join(directory, String(i))
    const token = i === 0 ? [] : ['--join', '--token-file', join(directory, '0', 'server-token')]
    const part: Part = startPart([
      ...['server', '--data-dir', dataDir, '--api-port', '0', '--store', `etcd=${etcd.endpoints.join()}`],
      ...token,
    ])
    ends.add(part, (running) => running.end())
    await part.printed(/Ready in/)
    kubeconfigs.push(join(dataDir, 'kubeconfig'))
  }
  return kubeconfigs
}

const map = (name: string, bytes = 1) => ({
  metadata: { namespace: 'default', name },
  data: { text: 'x'.repeat(bytes) },
})

async function startPods(client: Client): Promise<readonly string[]> {
  const labels = { app: 'steady' }
  const command = [process.execPath, '-e', 'setInterval(() => {}, 1000)']
  await client.create(DEPLOYMENTS, {
    metadata: { namespace: 'default', name: 'steady' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'node', command }] },
      },
    },
  })
  return eventually(async () => {
    const pods = await podsOf(client)
    return pods.length === 2 && pods.every(({ status }) => status?.phase === 'Running') ? pods.map(sameness) : undefined
  }, 30_000)
}

async function podsOf(client: Client): Promise<readonly Pod[]> {
  return (await client.list(PODS, { namespace: 'default', labelSelector: 'app=steady' })).items
}

/** What changes when a pod is made anew or its container is restarted. */
function sameness({ metadata, status }: Pod): string {
  const container = status?.containerStatuses?.[0]
  return `${metadata?.name} ${metadata?.uid} ${container?.containerID} ${container?.restartCount}`
}

const isStatus =
  (code: number, pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof StatusError && error.code === code && pattern.test(error.message)

describe('a cluster on an etcd that is harmed', { skip: ETCD_MISSING }, () => {
  for (const [members, harmed] of [
    [1, 'killed and stopped'],
    [3, 'of which one at a time is killed and stopped'],
  ] as const)
    it(`${members === 1 ? 'one member' : 'three members'}, ${harmed}: both servers tell one history`, async () => {
      await within(async (ends) => {
        const etcd = await etcdFor(ends, { members })
        const [a, b] = (await serversFor(ends, etcd, 2)) as [string, string]
        const store = new ApiStore([clientFor(ends, a), clientFor(ends, b)], clientFor(ends, b, a))
        const history = new EtcdHistory(store, SEED)
        const random = seeded(SEED * 7_919 + members)
        await history.start(WRITERS)
        for (let round = 0; round < ROUNDS; round++) {
          const before = history.acknowledged
          const member = etcd.members[Math.floor(random() * members)]!
          if (round % 2 === 0) {
            await member.kill()
            await sleep(random() * 400)
            member.start()
          } else {
            member.signal('SIGSTOP')
            await sleep(random() * 1_500)
            member.signal('SIGCONT')
          }
          await eventually(() => (history.acknowledged > before + 20 ? true : undefined), 40_000, 'writing')
        }
        await eventually(async () => ((await store.currentRevision()) > 0n ? true : undefined), 20_000)
        await history.verify(`WHERRY_SEED=${SEED} WHERRY_KILLS=${ROUNDS}`)
        assert(history.acknowledged > ROUNDS * 20)
      })
    })

  it('without a quorum reads that need not be fresh go on, writes say why they do not; all resumes by itself', async () => {
    await within(async (ends) => {
      const etcd = await etcdFor(ends, { members: 3 })
      const cluster = await clusterFor(ends, etcd.endpoints)
      const client = clientFor(ends, cluster.kubeconfig)
      const before = await startPods(client)
      await Promise.all([etcd.members[0]!.kill(), etcd.members[1]!.kill()])
      await assert.rejects(client.create(CONFIG_MAPS, map('during')), (error) =>
        [503, 504].some((code) => isStatus(code, /etcd at http/)(error)),
      )
      const { items } = await client.list(PODS, { namespace: 'default', resourceVersion: '0' })
      assert.deepEqual(items.map(sameness).sort(), [...before].sort())
      etcd.members[0]!.start()
      await eventually(() => client.create(CONFIG_MAPS, map('after')), 30_000)
      assert.deepEqual((await podsOf(client)).map(sameness).sort(), [...before].sort())
    })
  })

  it('full: reads and deletions work, writes are 507 with what to do; after that all goes on by itself', async () => {
    await within(async (ends) => {
      const etcd = await etcdFor(ends, { flags: ['--quota-backend-bytes', String(24 * 1024 * 1024)] })
      const cluster = await clusterFor(ends, etcd.endpoints)
      const client = clientFor(ends, cluster.kubeconfig)
      const before = await startPods(client)
      let full: unknown
      const made: string[] = []
      for (let i = 0; i < 60 && full === undefined; i++)
        await client.create(CONFIG_MAPS, map(`fill-${i}`, 900_000)).then(
          () => made.push(`fill-${i}`),
          (error: unknown) => {
            full = error
          },
        )
      assert(isStatus(507, /out of space .*etcdctl alarm disarm.*reads and deletions still work/)(full), String(full))
      await assert.rejects(client.create(CONFIG_MAPS, map('more')), isStatus(507, /out of space/))
      assert((await client.list(CONFIG_MAPS, { namespace: 'default' })).items.length >= made.length)
      for (const name of made) await client.delete(CONFIG_MAPS, { namespace: 'default', name })
      // Leases cannot be renewed meanwhile: whoever led has to stop, and nobody may end pods for it.
      await sleep(3_000)
      const administrator = ends.add(new Etcd3({ hosts: [...etcd.endpoints] }), (raw) => raw.close())
      const { header } = await administrator.kv.range({ key: Buffer.from('a') })
      await administrator.kv.compact({ revision: header.revision, physical: true }).catch(() => undefined)
      const { maintenance } = administrator
      await eventually(async () => {
        await maintenance.defragment()
        const { alarms } = await maintenance.alarm({ action: 'Get' as never, memberID: '0', alarm: 'None' as never })
        for (const { memberID } of alarms)
          await maintenance.alarm({ action: 'Deactivate' as never, memberID, alarm: 'Nospace' as never })
        return client.create(CONFIG_MAPS, map('again'))
      }, 30_000)
      // Elected parts lead again: a changed Deployment is followed, and the pods that were there are still there.
      const deployment = await client.get(DEPLOYMENTS, { namespace: 'default', name: 'steady' })
      await client.update(DEPLOYMENTS, { ...deployment, spec: { ...deployment.spec!, replicas: 3 } })
      const after = await eventually(async () => {
        const pods = await podsOf(client)
        return pods.length === 3 && pods.every(({ status }) => status?.phase === 'Running') ? pods : undefined
      }, 40_000)
      for (const pod of before) assert(after.map(sameness).includes(pod), pod)
    })
  })

  it('replaced by an empty one: no pod ends, the server says why it does not go on, and does with the right one', async () => {
    await within(async (ends) => {
      const etcd = await etcdFor(ends)
      const cluster = await clusterFor(ends, etcd.endpoints)
      const client = clientFor(ends, cluster.kubeconfig)
      const before = await startPods(client)
      const [member] = etcd.members as [EtcdCluster['members'][0]]
      await member.kill()
      member.setAside()
      member.start()
      await member.ready()
      await eventually(
        () => (/it was emptied or put back to an older copy/.test(cluster.output()) ? true : undefined),
        30_000,
      )
      // It tries again and again, and never believes it.
      await sleep(3_000)
      assert.match(cluster.output(), /The control-plane ended/)
      await member.kill()
      member.putBack()
      member.start()
      await member.ready()
      await eventually(() => client.create(CONFIG_MAPS, map('after')), 40_000)
      assert.deepEqual((await podsOf(client)).map(sameness).sort(), [...before].sort())
    })
  })

  it('slow: 200 ms each way are borne, and nobody loses a lease', async () => {
    await within(async (ends) => {
      const etcd = await etcdFor(ends)
      const relay = ends.add(await startSlowRelay(Number(new URL(etcd.endpoints[0]!).port), 1), (open) => open.close())
      const cluster = await clusterFor(ends, [`http://127.0.0.1:${relay.port}`])
      const client = clientFor(ends, cluster.kubeconfig)
      const holder = async (): Promise<unknown> => {
        const { spec } = await client.get(LEASES, { namespace: 'kube-system', name: 'kube-controller-manager' })
        return { holder: spec?.holderIdentity, transitions: spec?.leaseTransitions }
      }
      const led = await holder()
      relay.delayMs = 200
      const before = await startPods(client)
      await sleep(3_000)
      assert.deepEqual(await holder(), led)
      assert.deepEqual((await podsOf(client)).map(sameness).sort(), [...before].sort())
    })
  })
})
