import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { startCluster } from '../../src/index.ts'
import { eventually } from '../harness/eventually.ts'

// `import { startCluster } from 'wherry'`: a cluster for the tests of programs that use one.
test('startCluster gives a working cluster in this process, and stop leaves nothing', async () => {
  const cluster = await startCluster({ nodes: 2 })
  try {
    assert.equal(cluster.nodes.length, 2)
    const config = new KubeConfig()
    config.loadFromFile(cluster.kubeconfig)
    const api = config.makeApiClient(CoreV1Api)
    const nodes = await api.listNode()
    assert.deepEqual(
      nodes.items.map((node) => node.status?.conditions?.find((c) => c.type === 'Ready')?.status),
      ['True', 'True'],
    )
    await api.createNamespacedPod({
      namespace: 'default',
      body: {
        metadata: { name: 'once' },
        spec: {
          restartPolicy: 'Never',
          containers: [{ name: 'once', image: 'node', command: ['node', '-e', 'console.log("done")'] }],
        },
      },
    })
    await eventually(async () => {
      const pod = await api.readNamespacedPod({ namespace: 'default', name: 'once' })
      return pod.status?.phase === 'Succeeded' ? true : undefined
    }, 30_000)
    assert.equal(await api.readNamespacedPodLog({ namespace: 'default', name: 'once' }), 'done\n')
  } finally {
    await cluster.stop()
  }
  assert.ok(!existsSync(cluster.kubeconfig))
})
