import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  EVENTS,
  PODS,
  REPLICA_SETS,
  SERVICES,
} from '../../../../src/api/resource-type.ts'
import type { Deployment, DeploymentSpec } from '../../../../src/api/types/apps-v1.gen.ts'
import { eventually } from '../../../harness/eventually.ts'
import { startTestCluster, type TestCluster } from './test-cluster.ts'

const MERGE = { type: 'application/merge-patch+json' } as const

function deployment(name: string, replicas: number, image: string, more: Partial<DeploymentSpec> = {}): Deployment {
  const labels = { app: name }
  return {
    metadata: { namespace: 'default', name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image, command: ['true'] }] } },
      ...more,
    },
  }
}

describe('workloads over the API', () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startTestCluster()
  })
  after(() => cluster.close())

  /** Waits as `kubectl rollout status` does. */
  const rolledOut = (name: string): Promise<Deployment> =>
    eventually(
      async () => {
        const found = await cluster.client.get(DEPLOYMENTS, { namespace: 'default', name })
        const { status = {}, spec, metadata } = found
        const replicas = spec?.replicas ?? 0
        const done =
          (status.observedGeneration ?? 0) >= (metadata?.generation ?? 0) &&
          (status.updatedReplicas ?? 0) === replicas &&
          (status.replicas ?? 0) === replicas &&
          (status.availableReplicas ?? 0) === replicas
        return done ? found : undefined
      },
      10_000,
      `the rollout of ${name}`,
    )
  const setImage = async (name: string, image: string): Promise<void> => {
    const patch = { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } }
    await cluster.client.patch(DEPLOYMENTS, { namespace: 'default', name }, patch)
  }
  const replicaSetsOf = async (name: string) =>
    (await cluster.client.list(REPLICA_SETS, { namespace: 'default', labelSelector: `app=${name}` })).items
  const podsOf = async (name: string) =>
    (await cluster.client.list(PODS, { namespace: 'default', labelSelector: `app=${name}` })).items

  test('a Deployment creates its pods, scales up and down', async () => {
    await cluster.client.create(DEPLOYMENTS, deployment('scale', 3, 'one'))
    const first = await rolledOut('scale')
    assert.equal(first.metadata?.annotations?.['deployment.kubernetes.io/revision'], '1')
    assert.equal(first.status?.conditions?.find(({ type }) => type === 'Available')?.status, 'True')
    await cluster.client.patch(DEPLOYMENTS, { namespace: 'default', name: 'scale' }, { spec: { replicas: 6 } }, MERGE)
    await rolledOut('scale')
    await cluster.client.patch(DEPLOYMENTS, { namespace: 'default', name: 'scale' }, { spec: { replicas: 1 } }, MERGE)
    await rolledOut('scale')
    await eventually(async () => ((await podsOf('scale')).length === 1 ? true : undefined), 5_000)
    assert.equal((await replicaSetsOf('scale')).length, 1)
    const events = await eventually(async () => {
      const { items } = await cluster.client.list(EVENTS, { namespace: 'default' })
      const messages = items.filter(({ reason }) => reason === 'ScalingReplicaSet').map(({ message }) => message ?? '')
      return messages.filter((message) => message.includes('replica set scale-')).length >= 3 ? messages : undefined
    }, 5_000)
    assert.match(events.join('\n'), /Scaled up replica set scale-\w+ from 0 to 3/)
    assert.match(events.join('\n'), /Scaled up replica set scale-\w+ from 3 to 6/)
    assert.match(events.join('\n'), /Scaled down replica set scale-\w+ from 6 to 1/)
  })

  test('a new template rolls out; the old one comes back as a newer revision', async () => {
    await cluster.client.create(DEPLOYMENTS, deployment('roll', 4, 'one'))
    await rolledOut('roll')
    await setImage('roll', 'two')
    await rolledOut('roll')
    const images = (await podsOf('roll'))
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ spec }) => spec?.containers[0]?.image)
    assert.deepEqual(images, ['two', 'two', 'two', 'two'])
    await setImage('roll', 'one')
    const back = await rolledOut('roll')
    assert.equal(back.metadata?.annotations?.['deployment.kubernetes.io/revision'], '3')
    const sets = await replicaSetsOf('roll')
    assert.equal(sets.length, 2)
    const newest = sets.find(({ metadata }) => metadata?.annotations?.['deployment.kubernetes.io/revision'] === '3')
    assert.equal(newest?.metadata?.annotations?.['deployment.kubernetes.io/revision-history'], '1')
  })

  test('Recreate starts new pods only when the old ones are gone', async () => {
    await cluster.client.create(DEPLOYMENTS, deployment('fresh', 3, 'one', { strategy: { type: 'Recreate' } }))
    await rolledOut('fresh')
    let mixed = false
    const stop = cluster.pods.onChange(() => {
      const own = cluster.pods.list('default').filter(({ metadata }) => metadata?.labels?.app === 'fresh')
      if (new Set(own.map(({ spec }) => spec?.containers[0]?.image)).size > 1) mixed = true
    })
    await setImage('fresh', 'two')
    await rolledOut('fresh')
    stop()
    assert.equal(mixed, false)
  })

  test('a paused Deployment scales but does not roll; the history limit is kept', async () => {
    await cluster.client.create(DEPLOYMENTS, deployment('rest', 2, 'one', { paused: true, revisionHistoryLimit: 1 }))
    await eventually(async () => {
      const { status } = await cluster.client.get(DEPLOYMENTS, { namespace: 'default', name: 'rest' })
      return status?.observedGeneration === 1 ? true : undefined
    }, 5_000)
    assert.equal((await replicaSetsOf('rest')).length, 0)
    const patch = (spec: object) =>
      cluster.client.patch(DEPLOYMENTS, { namespace: 'default', name: 'rest' }, { spec }, MERGE)
    await patch({ paused: false })
    await rolledOut('rest')
    for (const image of ['two', 'three', 'four']) {
      await setImage('rest', image)
      await rolledOut('rest')
    }
    await eventually(async () => ((await replicaSetsOf('rest')).length === 2 ? true : undefined), 5_000)
  })

  test('a deleted pod is replaced; a pod whose labels change is released, a bare one adopted', async () => {
    await cluster.client.create(DEPLOYMENTS, deployment('heal', 2, 'one'))
    await rolledOut('heal')
    const [victim, other] = await podsOf('heal')
    await cluster.client.delete(PODS, { namespace: 'default', name: victim!.metadata!.name! })
    await cluster.client.patch(
      PODS,
      { namespace: 'default', name: other!.metadata!.name! },
      { metadata: { labels: { app: 'set-free' } } },
      MERGE,
    )
    await eventually(async () => {
      const own = await podsOf('heal')
      const fresh = own.filter(({ metadata }) => metadata?.uid !== victim!.metadata?.uid)
      return fresh.length === 2 ? true : undefined
    }, 5_000)
    const freed = await eventually(async () => {
      const pod = await cluster.client.get(PODS, { namespace: 'default', name: other!.metadata!.name! })
      return (pod.metadata?.ownerReferences ?? []).length === 0 ? pod : undefined
    }, 5_000)
    assert.equal(freed.metadata?.labels?.app, 'set-free')
  })

  test('ready pods of a Service stand in its slices and Endpoints, terminating ones are not ready', async () => {
    await cluster.client.create(SERVICES, {
      metadata: { namespace: 'default', name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    })
    await cluster.client.create(DEPLOYMENTS, deployment('web', 3, 'one'))
    await rolledOut('web')
    const ready = async (): Promise<number> => {
      const { items } = await cluster.client.list(ENDPOINT_SLICES, {
        namespace: 'default',
        labelSelector: 'kubernetes.io/service-name=web',
      })
      return items.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready).length
    }
    await eventually(async () => ((await ready()) === 3 ? true : undefined), 5_000)
    const endpoints = await eventually(async () => {
      const found = await cluster.client.get(ENDPOINTS, { namespace: 'default', name: 'web' })
      return found.subsets?.[0]?.addresses?.length === 3 ? found : undefined
    }, 5_000)
    assert.deepEqual(endpoints.subsets?.[0]?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }])
    cluster.holdBack(/^web-/)
    await eventually(async () => ((await ready()) === 0 ? true : undefined), 5_000)
    cluster.holdBack(undefined)
    await eventually(async () => ((await ready()) === 3 ? true : undefined), 5_000)
    await cluster.client.delete(SERVICES, { namespace: 'default', name: 'web' })
    await eventually(async () => {
      const { items } = await cluster.client.list(ENDPOINT_SLICES, { namespace: 'default' })
      const { items: left } = await cluster.client.list(ENDPOINTS, { namespace: 'default' })
      return items.length + left.length === 0 ? true : undefined
    }, 5_000)
  })

  test('Endpoints kept by hand are mirrored into slices', async () => {
    const metadata = { namespace: 'default', name: 'outside' }
    await cluster.client.create(SERVICES, { metadata, spec: { ports: [{ port: 5432 }] } })
    await cluster.client.create(ENDPOINTS, {
      metadata,
      subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 5432, protocol: 'TCP' }] }],
    })
    const slice = await eventually(async () => {
      const labelSelector = 'kubernetes.io/service-name=outside'
      return (await cluster.client.list(ENDPOINT_SLICES, { namespace: 'default', labelSelector })).items[0]
    }, 5_000)
    assert.deepEqual(slice.endpoints?.[0]?.addresses, ['192.0.2.7'])
    assert.equal(slice.metadata?.generateName, 'outside-')
  })
})
