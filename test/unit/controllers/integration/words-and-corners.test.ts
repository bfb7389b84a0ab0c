import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../../../src/api/object.ts'
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  ENDPOINTS,
  EVENTS,
  NODES,
  PODS,
  REPLICA_SETS,
  SERVICES,
} from '../../../../src/api/resource-type.ts'
import { isReason } from '../../../../src/api/status-error.ts'
import type { Deployment, DeploymentSpec } from '../../../../src/api/types/apps-v1.gen.ts'
import type { PodTemplateSpec } from '../../../../src/api/types/core-v1.gen.ts'
import { templateHash } from '../../../../src/controlplane/controllers/deployment/template-hash.ts'
import { eventually } from '../../../harness/eventually.ts'
import { startTestCluster, type TestCluster } from './test-cluster.ts'

const MERGE = { type: 'application/merge-patch+json' } as const
const REVISION = 'deployment.kubernetes.io/revision'
const CAUSE = 'kubernetes.io/change-cause'

describe('words and corners', () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await startTestCluster()
  })
  after(() => cluster.close())

  const create = (name: string, more: Partial<DeploymentSpec> = {}, annotations = {}): Promise<Deployment> => {
    const labels = { app: name }
    return cluster.client.create(DEPLOYMENTS, {
      metadata: { namespace: 'default', name, annotations },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'one', command: ['true'] }] } },
        ...more,
      },
    })
  }
  const get = (name: string): Promise<Deployment> => cluster.client.get(DEPLOYMENTS, { namespace: 'default', name })
  const setsOf = async (name: string) =>
    (await cluster.client.list(REPLICA_SETS, { namespace: 'default', labelSelector: `app=${name}` })).items
  const events = async (about: RegExp): Promise<readonly string[]> => {
    const { items } = await cluster.client.list(EVENTS, { namespace: 'default' })
    return items
      .filter(({ involvedObject }) => about.test(involvedObject?.name ?? ''))
      .map(({ type, reason, message, source }) => `${source?.component} ${type} ${reason}: ${message}`)
  }
  const reason = async (name: string, type: string): Promise<string> => {
    const { status } = await get(name)
    return status?.conditions?.find((one) => one.type === type)?.reason ?? ''
  }
  const rolledOut = (name: string, revision: string): Promise<Deployment> =>
    eventually(
      async () => {
        const found = await get(name)
        const { status, spec, metadata } = found
        const current = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
        const complete = status?.updatedReplicas === spec?.replicas && status?.availableReplicas === spec?.replicas
        return current && complete && metadata?.annotations?.[REVISION] === revision ? found : undefined
      },
      10_000,
      `revision ${revision} of ${name}`,
    )
  const change = (name: string, image: string, cause: string): Promise<Deployment> =>
    cluster.client.patch(
      DEPLOYMENTS,
      { namespace: 'default', name },
      {
        metadata: { annotations: { [CAUSE]: cause } },
        spec: { template: { spec: { containers: [{ name: 'main', image, command: ['true'] }] } } },
      },
      MERGE,
    )

  test('events say what kube-controller-manager would say', async () => {
    await create('told')
    await rolledOut('told', '1')
    const [set] = await setsOf('told')
    const name = set?.metadata?.name ?? ''
    const [pod] = (await cluster.client.list(PODS, { namespace: 'default', labelSelector: 'app=told' })).items
    const podName = pod?.metadata?.name ?? ''
    await cluster.client.patch(DEPLOYMENTS, { namespace: 'default', name: 'told' }, { spec: { replicas: 0 } }, MERGE)
    const said = await eventually(async () => {
      const found = await events(/^told/)
      return found.filter((text) => text.includes('SuccessfulDelete')).length === 2 ? found : undefined
    }, 5_000)
    assert.ok(
      said.includes(`deployment-controller Normal ScalingReplicaSet: Scaled up replica set ${name} from 0 to 2`),
    )
    assert.ok(
      said.includes(`deployment-controller Normal ScalingReplicaSet: Scaled down replica set ${name} from 2 to 0`),
    )
    assert.ok(said.includes(`replicaset-controller Normal SuccessfulCreate: Created pod: ${podName}`))
    assert.ok(said.includes(`replicaset-controller Normal SuccessfulDelete: Deleted pod: ${podName}`))
  })

  test('history and undo as kubectl does them: by the revisions and causes of ReplicaSets', async () => {
    await create('history', {}, { [CAUSE]: 'first' })
    await rolledOut('history', '1')
    await change('history', 'two', 'second')
    await rolledOut('history', '2')
    const history = async (): Promise<readonly string[]> =>
      (await setsOf('history'))
        .map(({ metadata: { annotations = {} } = {} }) => `${annotations[REVISION]} ${annotations[CAUSE]}`)
        .sort()
    assert.deepEqual(await history(), ['1 first', '2 second'])
    // `kubectl rollout undo --to-revision=1`: the template of that ReplicaSet without its hash, and its annotations.
    const old = (await setsOf('history')).find(({ metadata }) => metadata?.annotations?.[REVISION] === '1')
    const { 'pod-template-hash': _, ...labels } = old?.spec?.template?.metadata?.labels ?? {}
    const template = { ...old?.spec?.template, metadata: { ...old?.spec?.template?.metadata, labels } }
    await cluster.client.patch(
      DEPLOYMENTS,
      { namespace: 'default', name: 'history' },
      [
        { op: 'replace', path: '/spec/template', value: template },
        { op: 'add', path: '/metadata/annotations/kubernetes.io~1change-cause', value: 'first' },
      ],
      { type: 'application/json-patch+json' },
    )
    await rolledOut('history', '3')
    assert.deepEqual(await history(), ['2 second', '3 first'])
  })

  test('a rollout that does not get on says so, and goes on when it can', async () => {
    await create('stuck', { progressDeadlineSeconds: 1, minReadySeconds: 0 })
    await rolledOut('stuck', '1')
    cluster.holdBack(/^stuck-/)
    await change('stuck', 'two', 'never ready')
    await eventually(
      async () => ((await reason('stuck', 'Progressing')) === 'ProgressDeadlineExceeded' ? true : undefined),
      10_000,
    )
    cluster.holdBack(undefined)
    await rolledOut('stuck', '2')
    await eventually(
      async () => ((await reason('stuck', 'Progressing')) === 'NewReplicaSetAvailable' ? true : undefined),
      5_000,
    )
  })

  test('a name that another ReplicaSet has is avoided by a count of collisions', async () => {
    const dry = await create('clash-model', { paused: true })
    const labels = { app: 'clash' }
    const template: PodTemplateSpec = { ...dry.spec!.template, metadata: { ...dry.spec!.template.metadata, labels } }
    const name = `clash-${templateHash(template, 0)}`
    await cluster.client.create(REPLICA_SETS, {
      metadata: { namespace: 'default', name, labels: { mine: 'yes' } },
      spec: {
        replicas: 0,
        selector: { matchLabels: { mine: 'yes' } },
        template: { metadata: { labels: { mine: 'yes' } }, spec: { containers: [{ name: 'main', image: 'other' }] } },
      },
    })
    await create('clash')
    const found = await rolledOut('clash', '1')
    assert.equal(found.status?.collisionCount, 1)
    const [made] = await setsOf('clash')
    assert.equal(made?.metadata?.name, `clash-${templateHash(template, 1)}`)
  })

  test('pods that are refused are told by event and condition, cost few calls, and come once they may', async () => {
    const before = cluster.refusePods(/^refused$/)
    await create('refused', { replicas: 100 })
    await eventually(async () => ((await reason('refused', 'ReplicaFailure')) === 'FailedCreate' ? true : undefined))
    const said = await eventually(async () => {
      const found = (await events(/^refused-/)).filter((text) => text.includes('FailedCreate'))
      return found.length > 0 ? found : undefined
    }, 5_000)
    assert.match(
      said[0] ?? '',
      /^replicaset-controller Warning FailedCreate: Error creating: pods "refused-\w+-" is forbidden: exceeded quota$/,
    )
    // One a try, and tries back off: never a hundred at once.
    assert.ok(cluster.refusePods(undefined) - before < 30)
    await rolledOut('refused', '1')
    assert.equal(await reason('refused', 'ReplicaFailure'), '')
  })

  test('Endpoints made before their Service stay, and go with it', async () => {
    const ref = { namespace: 'default', name: 'early' }
    const subsets = [{ addresses: [{ ip: '192.0.2.9' }], ports: [{ port: 80, protocol: 'TCP' }] }]
    await cluster.client.create(ENDPOINTS, { metadata: ref, subsets })
    await cluster.client.create(SERVICES, { metadata: ref, spec: { ports: [{ port: 80 }] } })
    const slices = (): Promise<number> =>
      cluster.client
        .list(ENDPOINT_SLICES, { namespace: 'default', labelSelector: 'kubernetes.io/service-name=early' })
        .then(({ items }) => items.length)
    await eventually(async () => ((await slices()) === 1 ? true : undefined), 5_000)
    assert.deepEqual((await cluster.client.get(ENDPOINTS, ref)).subsets, subsets)
    await cluster.client.delete(SERVICES, ref)
    await eventually(async () => {
      try {
        await cluster.client.get(ENDPOINTS, ref)
        return undefined
      } catch (error) {
        return isReason(error, 'NotFound') && (await slices()) === 0 ? true : undefined
      }
    }, 5_000)
  })

  test('a Service that is made anew keeps its endpoints throughout', async () => {
    await create('phoenix')
    await rolledOut('phoenix', '1')
    const wanted = {
      metadata: { namespace: 'default', name: 'phoenix' },
      spec: { selector: { app: 'phoenix' }, ports: [{ port: 80 }] },
    }
    const owners = async (): Promise<readonly string[]> => {
      const labelSelector = 'kubernetes.io/service-name=phoenix'
      const { items } = await cluster.client.list(ENDPOINT_SLICES, { namespace: 'default', labelSelector })
      const full = items.filter(({ endpoints = [] }) => endpoints.length === 2)
      return full.map(({ metadata }) => metadata?.ownerReferences?.[0]?.uid ?? '')
    }
    await cluster.client.create(SERVICES, wanted)
    await eventually(async () => ((await owners()).length === 1 ? true : undefined), 5_000)
    await cluster.client.delete(SERVICES, { namespace: 'default', name: 'phoenix' })
    const reborn = await cluster.client.create(SERVICES, wanted)
    await eventually(async () => ((await owners()).join() === reborn.metadata?.uid ? true : undefined), 5_000)
  })

  test('owners in a circle can be deleted in the foreground', async () => {
    const reference = (owner: KubeObject) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: owner.metadata?.name ?? '',
      uid: owner.metadata?.uid ?? '',
      blockOwnerDeletion: true,
    })
    const make = (name: string, owner?: KubeObject) =>
      cluster.client.create(CONFIG_MAPS, {
        metadata: {
          namespace: 'default',
          name,
          ...(owner === undefined ? {} : { ownerReferences: [reference(owner)] }),
        },
      })
    const first = await make('circle-1')
    const second = await make('circle-2', first)
    const third = await make('circle-3', second)
    const patch = { metadata: { ownerReferences: [reference(third)] } }
    await cluster.client.patch(CONFIG_MAPS, { namespace: 'default', name: 'circle-1' }, patch, MERGE)
    const ref = { namespace: 'default', name: 'circle-2' }
    await cluster.client.delete(CONFIG_MAPS, ref, { propagationPolicy: 'Foreground' })
    await eventually(async () => {
      const { items } = await cluster.client.list(CONFIG_MAPS, { namespace: 'default' })
      return items.some(({ metadata }) => metadata?.name?.startsWith('circle-')) ? undefined : true
    }, 5_000)
  })

  test('a pod that ends on a node that is out of service is removed', async () => {
    const fast = await startTestCluster({
      nodes: ['node-1', 'node-2'],
      timings: { nodeGraceMs: 500, nodePeriodMs: 100, podGcPeriodMs: 100 },
    })
    try {
      const spec = { containers: [{ name: 'main', image: 'one', command: ['true'] }], nodeName: 'node-2' }
      await fast.client.create(PODS, { metadata: { namespace: 'default', name: 'lost' }, spec })
      await eventually(() => (fast.pods.get('default', 'lost')?.status?.phase === 'Running' ? true : undefined), 5_000)
      fast.silence('node-2')
      await eventually(async () => {
        const { spec: found } = await fast.client.get(NODES, { name: 'node-2' })
        return found?.taints?.some(({ key }) => key === 'node.kubernetes.io/unreachable') ? true : undefined
      }, 10_000)
      await fast.client.delete(PODS, { namespace: 'default', name: 'lost' })
      assert.notEqual((await fast.client.get(PODS, { namespace: 'default', name: 'lost' })).metadata?.name, undefined)
      const { spec: { taints = [] } = {} } = await fast.client.get(NODES, { name: 'node-2' })
      const outOfService = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }
      await fast.client.patch(NODES, { name: 'node-2' }, { spec: { taints: [...taints, outOfService] } }, MERGE)
      await eventually(() => (fast.pods.get('default', 'lost') === undefined ? true : undefined), 5_000)
    } finally {
      await fast.close()
    }
  })
})
