import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CONFIG_MAPS } from '../../src/api/resource-type.ts'
import type { Client } from '../../src/client/client.ts'
import { createClient } from '../../src/client/create-client.ts'
import { createHttpTransport } from '../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../src/client/load-kubeconfig.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { runWherry } from '../harness/wherry.ts'

let cluster: TestCluster
before(async () => {
  cluster = await startTestCluster()
})
after(async () => {
  await cluster?.destroy()
})

async function withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
  try {
    return await use(createClient(transport))
  } finally {
    await transport.close()
  }
}

function names(client: Client): Promise<readonly string[]> {
  return client
    .list(CONFIG_MAPS, { namespace: 'default', labelSelector: 'kept' })
    .then(({ items }) => items.map((item) => item.metadata?.name ?? ''))
}

function make(client: Client, name: string): Promise<unknown> {
  return client.create(CONFIG_MAPS, { metadata: { name, namespace: 'default', labels: { kept: 'yes' } } })
}

test('a backup of the running cluster brings back what was there, and nothing later', async () => {
  const file = join(cluster.dataDir, 'backup.db')
  const at = ['--data-dir', cluster.dataDir]
  await withClient((client) => make(client, 'before'))
  assert.deepEqual(await runWherry(['backup', file, ...at]), { code: 0, stdout: `${file}\n`, stderr: '' })
  const revision = await withClient(async (client) => {
    await make(client, 'later')
    return Number((await client.list(CONFIG_MAPS)).resourceVersion)
  })

  const running = await runWherry(['restore', file, ...at])
  assert.equal(running.code, 1)
  assert.match(running.stderr, /^wherry: the cluster is running\n {2}stop it/)
  assert.equal(await cluster.interrupt(), 0)
  const unforced = await runWherry(['restore', file, ...at])
  assert.equal(unforced.code, 1, 'a store that holds objects is not replaced unasked')
  assert.equal((await runWherry(['restore', file, '--force', ...at])).code, 0)

  await cluster.restart()
  await withClient(async (client) => {
    assert.deepEqual(await names(client), ['before'])
    const { resourceVersion } = await client.list(CONFIG_MAPS)
    assert.ok(Number(resourceVersion) > revision, 'revisions never go back, so that watchers list anew')
  })
})

test('a backup that cannot be made is refused in one sentence', async () => {
  const taken = await runWherry(['backup', cluster.kubeconfig, '--data-dir', cluster.dataDir])
  assert.equal(taken.code, 1)
  assert.match(taken.stderr, /^wherry: .+\n/)
  const nowhere = await runWherry(['backup', 'x.db', '--data-dir', join(cluster.dataDir, 'none')])
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.stderr, /^wherry: there is no store at /)
})
