import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Etcd3 } from 'etcd3'
import { CONFIG_MAPS, PODS, SECRETS } from '../../src/api/resource-type.ts'
import { StatusError } from '../../src/api/status-error.ts'
import type { Client } from '../../src/client/client.ts'
import { createClient } from '../../src/client/create-client.ts'
import { createHttpTransport } from '../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../src/client/load-kubeconfig.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { ETCD_MISSING, type EtcdCluster, startEtcd } from '../harness/etcd-server.ts'
import { eventually } from '../harness/eventually.ts'
import { startPart } from '../harness/part.ts'
import { runWherry } from '../harness/wherry.ts'

function etcdctl(etcd: EtcdCluster, ...words: string[]): string | undefined {
  const run = spawnSync('etcdctl', ['--endpoints', etcd.endpoints.join(), ...words], {
    env: { ...process.env, ETCDCTL_API: '3' },
    encoding: 'utf8',
  })
  return run.status === 0 ? run.stdout : undefined
}

async function withClient<T>(cluster: TestCluster, use: (client: Client) => Promise<T>): Promise<T> {
  const transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
  try {
    return await use(createClient(transport))
  } finally {
    await transport.close()
  }
}

const configMap = (name: string) => ({ metadata: { namespace: 'default', name }, data: { a: '1' } })

describe('a cluster on etcd', { skip: ETCD_MISSING }, () => {
  let etcd: EtcdCluster
  let cluster: TestCluster
  const store = (): string => `etcd=${etcd.endpoints.join()}`
  before(async () => {
    etcd = await startEtcd()
    cluster = await startTestCluster(['--store', store()])
  })
  after(async () => {
    await cluster?.destroy()
    await etcd?.close()
  })

  it('runs pods, and keeps its objects where a Kubernetes administrator looks for them', async () => {
    await withClient(cluster, async (client) => {
      const command = [process.execPath, '-e', 'setInterval(() => {}, 1000)']
      const spec = { containers: [{ name: 'main', image: 'node', command }] }
      await client.create(PODS, { metadata: { namespace: 'default', name: 'p' }, spec })
      await client.create(SECRETS, {
        metadata: { namespace: 'default', name: 's' },
        data: { password: Buffer.from('hunter2').toString('base64') },
      })
      await eventually(async () => {
        const { status } = await client.get(PODS, { namespace: 'default', name: 'p' })
        return status?.phase === 'Running' ? true : undefined
      })
    })
    const keys = etcdctl(etcd, 'get', '--prefix', '/registry', '--keys-only')?.split('\n') ?? []
    for (const key of [
      '/registry/pods/default/p',
      '/registry/secrets/default/s',
      '/registry/services/specs/default/kubernetes',
      '/registry/services/endpoints/default/kubernetes',
      '/registry/minions/wherry-1',
      '/registry/namespaces/kube-system',
    ])
      assert(keys.includes(key), key)
    const secret = etcdctl(etcd, 'get', '--print-value-only', '/registry/secrets/default/s') ?? ''
    assert.match(secret, /^k8s:enc:aesgcm:v1:key1:/)
    assert(!secret.includes(Buffer.from('hunter2').toString('base64')))
    assert.match(etcdctl(etcd, 'get', '--print-value-only', '/registry/pods/default/p') ?? '', /"kind":"Pod"/)
  })

  it('is left alone by a cluster that is another one', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'wherry-other-'))
    const { code, stderr, stdout } = await runWherry([
      'up',
      '--store',
      store(),
      '--data-dir',
      dataDir,
      '--api-port',
      '0',
    ])
    rmSync(dataDir, { recursive: true, force: true })
    assert.equal(code, 1)
    assert.match(stderr + stdout, /belongs to another cluster, "wherry" on 127\.\d+\.0\.0\/16.*--store-prefix/)
  })

  it('stays up while etcd is away, says so, and recovers by itself', async () => {
    await withClient(cluster, async (client) => {
      await client.create(CONFIG_MAPS, configMap('before'))
      await etcd.members[0]!.kill()
      const refused = (error: unknown): boolean =>
        error instanceof StatusError && [503, 504].includes(error.code) && /etcd at http/.test(error.message)
      await assert.rejects(client.create(CONFIG_MAPS, configMap('during')), refused)
      const { items } = await client.list(CONFIG_MAPS, { namespace: 'default', resourceVersion: '0' })
      assert(items.some(({ metadata }) => metadata?.name === 'before'))
      etcd.members[0]!.start()
      await eventually(async () => await client.create(CONFIG_MAPS, configMap('after')))
      assert((await client.list(CONFIG_MAPS, { namespace: 'default' })).items.length >= 3)
      assert.equal((await client.get(PODS, { namespace: 'default', name: 'p' })).status?.phase, 'Running')
    })
    const log = readFileSync(join(cluster.dataDir, 'logs', 'control-plane.log'), 'utf8')
    assert.match(log, /etcd does not answer/)
    assert.match(log, /etcd answers again/)
  })

  it('moves to SQLite and back with every object, and never starts on the store it has left', async () => {
    const at = ['--data-dir', cluster.dataDir]
    const copy = (from: string, to: string, ...more: string[]) =>
      runWherry(['store', 'copy', '--from', from, '--to', to, ...at, ...more])
    const running = await copy(store(), 'sqlite')
    assert.deepEqual([running.code, running.stderr.split('\n')[0]], [1, 'wherry: the cluster is running'])
    await cluster.interrupt()

    const moved = await copy(store(), 'sqlite')
    assert.equal(moved.code, 0, moved.stderr)
    assert.match(moved.stdout, /Copied \d+ keys to sqlite and compared them/)
    const wrong = await runWherry(['up', '--store', store(), ...at])
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /would find none of them.*\n.*wherry store copy --from sqlite --to etcd=/)
    await cluster.restart([])
    assert.match(cluster.output(), /sqlite: embedded/)
    await withClient(cluster, async (client) => {
      const found = await client.get(SECRETS, { namespace: 'default', name: 's' })
      assert.equal(Buffer.from(found.data?.password ?? '', 'base64').toString(), 'hunter2')
      await client.create(CONFIG_MAPS, configMap('in-sqlite'))
    })
    await cluster.interrupt()

    const unforced = await copy('sqlite', store())
    assert.equal(unforced.code, 1)
    assert.match(unforced.stderr, /holds \d+ keys already\n.*--force/)
    assert.equal((await copy('sqlite', store(), '--force')).code, 0)
    await cluster.restart([])
    assert.match(cluster.output(), /shared, keys under \/registry/)
    // The file of before is still there, and not what the cluster holds now.
    const backup = await runWherry(['backup', join(cluster.dataDir, 'old.db'), ...at])
    assert.equal(backup.code, 1)
    assert.match(backup.stderr, /keeps its objects in etcd=.*\n.*etcdctl --endpoints http.* snapshot save/)
    await withClient(cluster, async (client) => {
      await client.get(CONFIG_MAPS, { namespace: 'default', name: 'in-sqlite' })
      await client.get(CONFIG_MAPS, { namespace: 'default', name: 'after' })
    })
  })

  it('waits for an etcd that is not there, says so and what to do, and begins once it comes', async () => {
    await cluster.interrupt()
    await etcd.members[0]!.kill()
    const up = startPart(['up', '--data-dir', cluster.dataDir])
    try {
      await up.printed(/etcd at http:\/\/127\.0\.0\.1:\d+ cannot be read: nothing listens there; waiting \(Ctrl-C/)
      await up.printed(/start that etcd/)
      etcd.members[0]!.start()
      await up.printed(/Ready in/)
    } finally {
      assert.equal(await up.end(), 0)
    }
    await etcd.members[0]!.kill()
    const again = startPart(['up', '--data-dir', cluster.dataDir])
    await again.printed(/nothing listens there; waiting/)
    // Ctrl-C gives up at once.
    assert.equal(await again.end(), 0)
  })

  it('does not take an etcd that was emptied for its own', async () => {
    etcd.members[0]!.wipe()
    etcd.members[0]!.start()
    await etcd.members[0]!.ready()
    const { code, stderr, stdout } = await runWherry(['up', '--data-dir', cluster.dataDir])
    assert.equal(code, 1)
    assert.match(stderr + stdout, /stands at revision 1, but has been at \d+: it was emptied/)
  })

  it('nor one that was emptied and has been written to by others since', async () => {
    const raw = new Etcd3({ hosts: [...etcd.endpoints] })
    try {
      const known = JSON.parse(readFileSync(join(cluster.dataDir, 'store', 'etcd.json'), 'utf8'))
      const put = (i: number): Promise<unknown> => raw.put('/somebody/else').value(String(i)).exec()
      for (let i = 0; i < 5; i++) await put(i)
      // As if etcd had come further than it was known to be.
      writeFileSync(join(cluster.dataDir, 'store', 'etcd.json'), JSON.stringify({ ...known, revision: '2' }))
    } finally {
      raw.close()
    }
    const { code, stderr, stdout } = await runWherry(['up', '--data-dir', cluster.dataDir])
    assert.equal(code, 1)
    assert.match(stderr + stdout, /holds nothing of this cluster, which was kept in it: it was emptied or replaced/)
  })
})
