import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../../../src/api/object.ts'
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  EVENTS,
  NAMESPACES,
  NODES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REPLICA_SETS,
  type ResourceType,
  SERVICE_ACCOUNTS,
} from '../../../../src/api/resource-type.ts'
import { isReason } from '../../../../src/api/status-error.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { eventually } from '../../../harness/eventually.ts'
import { startTestCluster, type TestCluster } from './test-cluster.ts'

const MERGE = { type: 'application/merge-patch+json' } as const
const spec = { containers: [{ name: 'main', image: 'one', command: ['true'] }] }

async function exists(cluster: TestCluster, type: ResourceType, namespace: string, name: string): Promise<boolean> {
  try {
    await cluster.client.get(type, { namespace, name })
    return true
  } catch (error) {
    if (isReason(error, 'NotFound')) return false
    throw error
  }
}

async function createDeployment(cluster: TestCluster, namespace: string, name: string, replicas = 2): Promise<void> {
  const labels = { app: name }
  await cluster.client.create(DEPLOYMENTS, {
    metadata: { namespace, name },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  })
  await eventually(async () => {
    const { status } = await cluster.client.get(DEPLOYMENTS, { namespace, name })
    return status?.availableReplicas === replicas ? true : undefined
  }, 10_000)
}

function configMap(name: string, owner?: KubeObject, block = false): KubeObject {
  const { name: ownerName = '', uid = '' } = owner?.metadata ?? {}
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: ownerName, uid, blockOwnerDeletion: block }
  return { metadata: { namespace: 'default', name, ...(owner === undefined ? {} : { ownerReferences: [reference] }) } }
}

describe('garbage collection over the API', () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startTestCluster()
  })
  after(() => cluster.close())
  const has = (name: string): Promise<boolean> => exists(cluster, CONFIG_MAPS, 'default', name)
  const gone = (name: string): Promise<true> =>
    eventually(async () => ((await has(name)) ? undefined : true), 5_000, `the end of ${name}`)

  test('in the background a Deployment takes its ReplicaSets and pods along', async () => {
    await createDeployment(cluster, 'default', 'bg')
    await cluster.client.delete(DEPLOYMENTS, { namespace: 'default', name: 'bg' }, { propagationPolicy: 'Background' })
    await eventually(async () => {
      const sets = await cluster.client.list(REPLICA_SETS, { namespace: 'default', labelSelector: 'app=bg' })
      const pods = await cluster.client.list(PODS, { namespace: 'default', labelSelector: 'app=bg' })
      return sets.items.length + pods.items.length === 0 ? true : undefined
    }, 10_000)
  })

  test('in the foreground the owner goes last', async () => {
    await createDeployment(cluster, 'default', 'fg')
    let ownerWentFirst = false
    const deployments = cluster.informers.for(DEPLOYMENTS)
    const stop = deployments.onChange(({ type, object }) => {
      if (type !== 'deleted' || object.metadata?.name !== 'fg') return
      ownerWentFirst = cluster.pods.list('default').some(({ metadata }) => metadata?.labels?.app === 'fg')
    })
    await cluster.client.delete(DEPLOYMENTS, { namespace: 'default', name: 'fg' }, { propagationPolicy: 'Foreground' })
    await eventually(async () => ((await exists(cluster, DEPLOYMENTS, 'default', 'fg')) ? undefined : true), 10_000)
    stop()
    assert.equal(ownerWentFirst, false)
    assert.equal((await cluster.client.list(PODS, { labelSelector: 'app=fg' })).items.length, 0)
  })

  test('with orphaning the dependents stay and forget their owner', async () => {
    await createDeployment(cluster, 'default', 'left')
    await cluster.client.delete(DEPLOYMENTS, { namespace: 'default', name: 'left' }, { propagationPolicy: 'Orphan' })
    await eventually(async () => ((await exists(cluster, DEPLOYMENTS, 'default', 'left')) ? undefined : true), 10_000)
    const sets = await cluster.client.list(REPLICA_SETS, { namespace: 'default', labelSelector: 'app=left' })
    assert.equal(sets.items.length, 1)
    assert.deepEqual(sets.items[0]?.metadata?.ownerReferences ?? [], [])
    assert.equal((await cluster.client.list(PODS, { labelSelector: 'app=left' })).items.length, 2)
  })

  test('one owner left is enough; the reference to the other goes', async () => {
    const [a, b] = [
      await cluster.client.create(CONFIG_MAPS, configMap('a')),
      await cluster.client.create(CONFIG_MAPS, configMap('b')),
    ]
    const both = [a, b].map(({ metadata }) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: metadata?.name ?? '',
      uid: metadata?.uid ?? '',
    }))
    await cluster.client.create(CONFIG_MAPS, {
      metadata: { namespace: 'default', name: 'shared', ownerReferences: both },
    })
    await cluster.client.delete(CONFIG_MAPS, { namespace: 'default', name: 'a' })
    const kept = await eventually(async () => {
      const found = await cluster.client.get(CONFIG_MAPS, { namespace: 'default', name: 'shared' })
      return found.metadata?.ownerReferences?.length === 1 ? found : undefined
    }, 5_000)
    assert.equal(kept.metadata?.ownerReferences?.[0]?.name, 'b')
    await cluster.client.delete(CONFIG_MAPS, { namespace: 'default', name: 'b' })
    await gone('shared')
  })

  test('an owner that never was is verified and its dependent collected; an owner elsewhere or of an unknown kind is not acted on', async () => {
    const phantom = { metadata: { name: 'phantom', uid: '00000000-0000-4000-8000-000000000000' } }
    await cluster.client.create(NAMESPACES, { metadata: { name: 'elsewhere' } })
    const foreign = await cluster.client.create(CONFIG_MAPS, { metadata: { namespace: 'elsewhere', name: 'foreign' } })
    await cluster.client.create(CONFIG_MAPS, configMap('across', foreign))
    const unknown = configMap('unknown', phantom)
    const [reference] = unknown.metadata?.ownerReferences ?? []
    await cluster.client.create(CONFIG_MAPS, {
      metadata: {
        ...unknown.metadata,
        ownerReferences: [{ ...reference!, apiVersion: 'example.com/v1', kind: 'Thing' }],
      },
    })
    await cluster.client.create(CONFIG_MAPS, configMap('haunted', phantom))
    await gone('haunted')
    await cluster.client.delete(CONFIG_MAPS, { namespace: 'elsewhere', name: 'foreign' })
    // Collected after the deletion before it has been looked at.
    await cluster.client.create(CONFIG_MAPS, configMap('haunted-too', phantom))
    await gone('haunted-too')
    await eventually(async () => {
      const { items } = await cluster.client.list(EVENTS, { namespace: 'default' })
      return items.some(({ reason }) => reason === 'OwnerRefInvalidNamespace') ? true : undefined
    }, 5_000)
    assert.equal(await has('unknown'), true)
    assert.equal(await has('across'), true)
  })

  test('only dependents that block hold a foreground deletion up', async () => {
    const owner = await cluster.client.create(CONFIG_MAPS, configMap('owner'))
    const blocker = configMap('blocker', owner, true)
    await cluster.client.create(CONFIG_MAPS, {
      metadata: { ...blocker.metadata, finalizers: ['example.com/hold'] },
    })
    await cluster.client.delete(
      CONFIG_MAPS,
      { namespace: 'default', name: 'owner' },
      { propagationPolicy: 'Foreground' },
    )
    await eventually(async () => {
      const found = await cluster.client.get(CONFIG_MAPS, { namespace: 'default', name: 'blocker' })
      return found.metadata?.deletionTimestamp === undefined ? undefined : true
    }, 5_000)
    assert.equal(await has('owner'), true)
    const patch = { metadata: { finalizers: null } }
    await cluster.client.patch(CONFIG_MAPS, { namespace: 'default', name: 'blocker' }, patch, MERGE)
    await gone('blocker')
    await gone('owner')
  })

  test('every namespace has its ServiceAccount and root certificate, and gets them back', async () => {
    const certificate = async (): Promise<true> =>
      eventually(async () => {
        const found = await cluster.client.get(CONFIG_MAPS, { namespace: 'default', name: 'kube-root-ca.crt' })
        return found.data?.['ca.crt'] === 'CERTIFICATE' ? true : undefined
      }, 5_000)
    const account = (): Promise<true> =>
      eventually(
        async () => ((await exists(cluster, SERVICE_ACCOUNTS, 'default', 'default')) ? true : undefined),
        5_000,
      )
    await certificate()
    await account()
    const ref = { namespace: 'default', name: 'kube-root-ca.crt' }
    await cluster.client.patch(CONFIG_MAPS, ref, { data: { 'ca.crt': 'FORGED' } }, MERGE)
    await certificate()
    await cluster.client.delete(CONFIG_MAPS, ref)
    await certificate()
    await cluster.client.delete(SERVICE_ACCOUNTS, { namespace: 'default', name: 'default' })
    await account()
  })

  test('a deleted namespace takes everything along, but waits for finalizers and says so', async () => {
    await cluster.client.create(NAMESPACES, { metadata: { name: 'doomed' } })
    await createDeployment(cluster, 'doomed', 'web')
    await cluster.client.create(CONFIG_MAPS, {
      metadata: { namespace: 'doomed', name: 'held', finalizers: ['example.com/hold'] },
    })
    await cluster.client.delete(NAMESPACES, { name: 'doomed' })
    const waiting = await eventually(async () => {
      const found = await cluster.client.get(NAMESPACES, { name: 'doomed' })
      const remaining = found.status?.conditions?.find(({ type }) => type === 'NamespaceFinalizersRemaining')
      return remaining?.status === 'True' ? found : undefined
    }, 10_000)
    assert.equal(waiting.status?.phase, 'Terminating')
    const messages = (waiting.status?.conditions ?? []).map(({ message }) => message).join('\n')
    assert.match(messages, /Some resources are remaining: configmaps\. has 1 resource instances/)
    assert.match(messages, /example\.com\/hold in 1 resource instances/)
    const patch = { metadata: { finalizers: null } }
    await cluster.client.patch(CONFIG_MAPS, { namespace: 'doomed', name: 'held' }, patch, MERGE)
    await eventually(async () => {
      const { items } = await cluster.client.list(NAMESPACES)
      return items.some(({ metadata }) => metadata?.name === 'doomed') ? undefined : true
    }, 10_000)
    assert.equal((await cluster.client.list(PODS, { namespace: 'doomed' })).items.length, 0)
  })

  test('a disruption budget counts and guards its pods', async () => {
    await createDeployment(cluster, 'default', 'guarded', 3)
    const ref = { namespace: 'default', name: 'guard' }
    const selector = { matchLabels: { app: 'guarded' } }
    await cluster.client.create(POD_DISRUPTION_BUDGETS, { metadata: ref, spec: { maxUnavailable: 1, selector } })
    const allowed = (count: number): Promise<true> =>
      eventually(async () => {
        const { status } = await cluster.client.get(POD_DISRUPTION_BUDGETS, ref)
        return status?.disruptionsAllowed === count && status.expectedPods === 3 ? true : undefined
      }, 5_000)
    await allowed(1)
    cluster.holdBack(/^guarded-/)
    await allowed(0)
    const [pod] = (await cluster.client.list(PODS, { namespace: 'default', labelSelector: 'app=guarded' })).items
    const name = pod!.metadata!.name!
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace: 'default', name } }
    await assert.rejects(
      cluster.client.createSubresource(PODS, { namespace: 'default', name }, 'eviction', eviction),
      (error) => isReason(error, 'TooManyRequests'),
    )
    cluster.holdBack(undefined)
    await allowed(1)
    await cluster.client.createSubresource(PODS, { namespace: 'default', name }, 'eviction', eviction)
    await allowed(1)
  })
})

describe('nodes that fall silent, over the API', () => {
  let cluster: TestCluster
  const timings = { nodeGraceMs: 1_000, nodePeriodMs: 100, podGcPeriodMs: 100, orphanQuarantineMs: 300 }
  before(async () => {
    cluster = await startTestCluster({ nodes: ['node-1', 'node-2', 'node-3'], timings })
  })
  after(() => cluster.close())
  const bare = (name: string, node: string, tolerationSeconds?: number): Pod => ({
    metadata: { namespace: 'default', name },
    spec: {
      ...spec,
      nodeName: node,
      tolerations: [
        {
          key: 'node.kubernetes.io/unreachable',
          operator: 'Exists',
          effect: 'NoExecute',
          ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
        },
      ],
    },
  })

  test('a silent node becomes Unknown and tainted, its pods not ready, and those that do not tolerate it are deleted', async () => {
    for (const pod of [bare('brief', 'node-2', 1), bare('patient', 'node-2'), bare('elsewhere', 'node-1', 1)]) {
      await cluster.client.create(PODS, pod)
    }
    await eventually(() => (cluster.pods.list().every(({ status }) => status?.phase === 'Running') ? true : undefined))
    cluster.silence('node-2')
    const node = await eventually(async () => {
      const found = await cluster.client.get(NODES, { name: 'node-2' })
      return (found.spec?.taints ?? []).length === 2 ? found : undefined
    }, 10_000)
    const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
    assert.equal(ready?.status, 'Unknown')
    assert.equal(ready?.reason, 'NodeStatusUnknown')
    assert.deepEqual(node.spec?.taints?.map(({ key, effect }) => `${key}:${effect}`).sort(), [
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/unreachable:NoSchedule',
    ])
    await eventually(() => {
      const brief = cluster.pods.get('default', 'brief')
      return brief?.metadata?.deletionTimestamp === undefined ? undefined : true
    }, 10_000)
    const patient = cluster.pods.get('default', 'patient')
    assert.equal(patient?.metadata?.deletionTimestamp, undefined)
    assert.equal(patient?.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'False')
    const brief = cluster.pods.get('default', 'brief')
    const target = brief?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')
    assert.equal(target?.reason, 'DeletionByTaintManager')
    assert.equal(cluster.pods.get('default', 'elsewhere')?.metadata?.deletionTimestamp, undefined)
  })

  test('pods of a node that is gone are failed and removed', async () => {
    await cluster.client.delete(NODES, { name: 'node-2' })
    await eventually(() => {
      const left = cluster.pods.list().filter(({ spec: { nodeName } = {} }) => nodeName === 'node-2')
      return left.length === 0 ? true : undefined
    }, 10_000)
    assert.notEqual(cluster.pods.get('default', 'elsewhere'), undefined)
  })

  test('when all nodes fall silent nobody is evicted', async () => {
    cluster.silence('node-1')
    cluster.silence('node-3')
    await eventually(async () => {
      const { items } = await cluster.client.list(NODES)
      const lost = items.filter(({ status }) =>
        status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'Unknown'),
      )
      return lost.length === 2 ? true : undefined
    }, 10_000)
    // One of them may have had its turn before the last was lost: that is taken back.
    await eventually(async () => {
      const { items } = await cluster.client.list(NODES)
      const evicting = items.flatMap(({ spec }) => spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')
      return evicting.length === 0 ? true : undefined
    }, 5_000)
    assert.equal(cluster.pods.get('default', 'elsewhere')?.metadata?.deletionTimestamp, undefined)
  })
})
