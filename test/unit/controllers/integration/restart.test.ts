import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  EVENTS,
  PODS,
  REPLICA_SETS,
  type ResourceType,
  SERVICES,
} from '../../../../src/api/resource-type.ts'
import type { Deployment } from '../../../../src/api/types/apps-v1.gen.ts'
import { eventually } from '../../../harness/eventually.ts'
import { startTestCluster, type TestCluster } from './test-cluster.ts'

const MERGE = { type: 'application/merge-patch+json' } as const

describe('controllers that start anew', () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startTestCluster()
  })
  after(() => cluster.close())

  const create = async (name: string, replicas: number): Promise<Deployment> => {
    const labels = { app: name }
    return cluster.client.create(DEPLOYMENTS, {
      metadata: { namespace: 'default', name },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'one', command: ['true'] }] } },
      },
    })
  }
  const podsOf = async (name: string) =>
    (await cluster.client.list(PODS, { namespace: 'default', labelSelector: `app=${name}` })).items
  const settled = (name: string, replicas: number, revision = '1'): Promise<true> =>
    eventually(
      async () => {
        const { status, metadata } = await cluster.client.get(DEPLOYMENTS, { namespace: 'default', name })
        const seen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
        const right =
          metadata?.annotations?.['deployment.kubernetes.io/revision'] === revision &&
          status?.updatedReplicas === replicas &&
          status.replicas === replicas &&
          status.availableReplicas === replicas
        return seen && right ? true : undefined
      },
      10_000,
      `${name} to settle`,
    )
  const versions = async (): Promise<string> => {
    const types: readonly ResourceType[] = [DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, ENDPOINT_SLICES]
    const all = await Promise.all(types.map((type) => cluster.client.list(type)))
    return all
      .flatMap(({ items }) => items.map(({ metadata }) => `${metadata?.name} ${metadata?.resourceVersion}`))
      .join('\n')
  }

  test('write nothing when nothing has happened', async () => {
    await create('still', 3)
    await cluster.client.create(SERVICES, {
      metadata: { namespace: 'default', name: 'still' },
      spec: { selector: { app: 'still' }, ports: [{ port: 80 }] },
    })
    await settled('still', 3)
    await eventually(async () => {
      const { items } = await cluster.client.list(ENDPOINT_SLICES, {
        labelSelector: 'kubernetes.io/service-name=still',
      })
      return items.flatMap(({ endpoints }) => endpoints ?? []).length === 3 ? true : undefined
    }, 5_000)
    const before = await versions()
    await cluster.restartControllers()
    // A Deployment made now is served by the new ones, which have then looked at everything older, too.
    await create('after', 1)
    await settled('after', 1)
    const mine = (text: string): string =>
      text
        .split('\n')
        .filter((line) => line.startsWith('still'))
        .join('\n')
    assert.equal(mine(await versions()), mine(before))
  })

  test('make up for what they missed: a new size, a deleted pod, a Service', async () => {
    await create('missed', 4)
    await settled('missed', 4)
    const [victim] = await podsOf('missed')
    await cluster.restartControllers(async () => {
      const ref = { namespace: 'default', name: 'missed' }
      await cluster.client.patch(DEPLOYMENTS, ref, { spec: { replicas: 6 } }, MERGE)
      await cluster.client.delete(PODS, { namespace: 'default', name: victim!.metadata!.name! })
    })
    await settled('missed', 6)
    assert.equal((await podsOf('missed')).length, 6)
  })

  test('in mid-rollout, again and again, make no pod twice and lose no revision', async () => {
    await create('rolling', 6)
    await settled('rolling', 6)
    let most = 0
    const stop = cluster.pods.onChange(() => {
      const active = cluster.pods
        .list('default')
        .filter(({ metadata }) => metadata?.labels?.app === 'rolling' && metadata.deletionTimestamp === undefined)
      most = Math.max(most, active.length)
    })
    const images = ['two', 'three', 'four']
    for (const image of images) {
      const patch = { spec: { template: { spec: { containers: [{ name: 'main', image, command: ['true'] }] } } } }
      await cluster.client.patch(DEPLOYMENTS, { namespace: 'default', name: 'rolling' }, patch, MERGE)
      await cluster.restartControllers()
      // The second time in the middle of what the first has begun.
      await eventually(async () => {
        const pods = await podsOf('rolling')
        return pods.some(({ spec }) => spec?.containers[0]?.image === image) ? true : undefined
      }, 5_000)
      await cluster.restartControllers()
    }
    await settled('rolling', 6, '4')
    stop()
    // 25 % of 6, rounded up, may be there beside the 6.
    assert.ok(most <= 8, `${most} pods at once`)
    const sets = await cluster.client.list(REPLICA_SETS, { namespace: 'default', labelSelector: 'app=rolling' })
    const revisions = sets.items.map(({ metadata }) => metadata?.annotations?.['deployment.kubernetes.io/revision'])
    assert.deepEqual([...revisions].sort(), ['1', '2', '3', '4'])
    const { items } = await cluster.client.list(EVENTS, { namespace: 'default' })
    const created = items.filter(
      ({ reason, message }) => reason === 'SuccessfulCreate' && message?.startsWith('Created pod: rolling-'),
    )
    assert.equal(new Set(created.map(({ message }) => message)).size, created.length)
  })
})
