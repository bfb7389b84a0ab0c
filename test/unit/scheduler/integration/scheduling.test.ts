import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NODES, PODS, SERVICES } from '../../../../src/api/resource-type.ts'
import type { Affinity } from '../../../../src/api/types/core-v1.gen.ts'
import { eventually } from '../../../harness/eventually.ts'
import { HOSTNAME } from '../objects.ts'
import { type ScheduledCluster, startScheduledCluster } from './scheduled-cluster.ts'

const MERGE = { type: 'application/merge-patch+json' } as const

describe('the scheduler over the API', () => {
  let cluster: ScheduledCluster
  beforeEach(async () => {
    cluster = await startScheduledCluster()
  })
  afterEach(() => cluster.close())

  test('puts a pod on a node, and says so', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await cluster.addPod('web')
    assert.equal(await cluster.nodeOf('web'), 'one')
    const { status, reason, message } = await cluster.scheduled('web')
    assert.deepEqual({ status, reason, message }, { status: 'True', reason: undefined, message: undefined })
    const [event] = await cluster.events('web', 'Scheduled')
    assert.equal(event?.message, 'Successfully assigned default/web to one')
    assert.equal(event?.type, 'Normal')
    assert.equal(event?.source?.component, 'default-scheduler')
  })

  test('says why a pod waits, and gives it the node that comes', async () => {
    await cluster.addNode('small', { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } })
    await cluster.addNode('tainted', { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } })
    await cluster.startScheduler()
    await cluster.addPod('web', { requests: { cpu: '2' } })
    const message =
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). ' +
      'preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.'
    const condition = await cluster.scheduled('web')
    assert.equal(condition.status, 'False')
    assert.equal(condition.reason, 'Unschedulable')
    assert.equal(condition.message, message)
    assert.equal(condition.observedGeneration, 1)
    const [event] = await cluster.events('web', 'FailedScheduling')
    assert.equal(event?.message, message)
    assert.equal(event?.type, 'Warning')
    await cluster.addNode('large')
    assert.equal(await cluster.nodeOf('web'), 'large')
    await cluster.scheduled('web', ({ status }) => status === 'True')
  })

  test('without any node', async () => {
    await cluster.startScheduler()
    await cluster.addPod('web')
    assert.equal((await cluster.scheduled('web')).message, 'no nodes available to schedule pods')
    await cluster.addNode('one')
    assert.equal(await cluster.nodeOf('web'), 'one')
  })

  test('a pod that goes on waiting for another reason keeps the time since when it waits', async () => {
    await cluster.addNode('one', { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } })
    await cluster.startScheduler()
    await cluster.addPod('web', { requests: { cpu: '2' } })
    const first = await cluster.scheduled('web')
    // Longer than the resolution of the time that a condition carries.
    await eventually(() => (Date.now() > Date.parse(first.lastTransitionTime!) + 1_000 ? true : undefined), 5_000)
    await cluster.addNode('two', { spec: { unschedulable: true } })
    await cluster.client.patch(NODES, { name: 'one' }, { spec: { unschedulable: true } }, MERGE)
    await cluster.client.patch(PODS, { namespace: 'default', name: 'web' }, { metadata: { labels: { a: 'b' } } }, MERGE)
    const second = await cluster.scheduled('web', ({ message }) => message!.includes('2 node(s) were unschedulable'))
    assert.equal(second.lastTransitionTime, first.lastTransitionTime)
  })

  const opportunities: readonly {
    readonly name: string
    readonly arrange: () => Promise<unknown>
    readonly waits: Parameters<ScheduledCluster['addPod']>[1]
    readonly happens: () => Promise<unknown>
  }[] = [
    {
      name: 'a pod that was in the way is deleted',
      arrange: () => cluster.addPod('other', { requests: { cpu: '4' }, spec: { nodeName: 'one' } }),
      waits: { requests: { cpu: '1' } },
      happens: () => cluster.client.delete(PODS, { namespace: 'default', name: 'other' }, { gracePeriodSeconds: 0 }),
    },
    {
      name: 'a pod that was in the way has ended',
      arrange: () => cluster.addPod('other', { requests: { cpu: '4' }, spec: { nodeName: 'one' } }),
      waits: { requests: { cpu: '1' } },
      happens: () =>
        cluster.client.patch(
          PODS,
          { namespace: 'default', name: 'other' },
          { status: { phase: 'Succeeded' } },
          { ...MERGE, subresource: 'status' },
        ),
    },
    {
      name: 'a node is uncordoned',
      arrange: () => cluster.client.patch(NODES, { name: 'one' }, { spec: { unschedulable: true } }, MERGE),
      waits: {},
      happens: () => cluster.client.patch(NODES, { name: 'one' }, { spec: { unschedulable: null } }, MERGE),
    },
    {
      name: 'a node gets the label that is asked for',
      arrange: async () => undefined,
      waits: { spec: { nodeSelector: { disk: 'ssd' } } },
      happens: () => cluster.client.patch(NODES, { name: 'one' }, { metadata: { labels: { disk: 'ssd' } } }, MERGE),
    },
    {
      name: 'the pod tolerates what kept it away',
      arrange: () =>
        cluster.client.patch(NODES, { name: 'one' }, { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }, MERGE),
      waits: {},
      happens: async () => {
        const web = await cluster.client.get(PODS, { namespace: 'default', name: 'web' })
        const tolerations = [...(web.spec?.tolerations ?? []), { key: 'a', operator: 'Exists' }]
        await cluster.client.update(PODS, { ...web, spec: { ...web.spec!, tolerations } })
      },
    },
    {
      name: 'the pod that it is to be near to comes',
      arrange: async () => undefined,
      waits: {
        spec: {
          affinity: {
            podAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [
                { topologyKey: HOSTNAME, labelSelector: { matchLabels: { app: 'db' } } },
              ],
            },
          },
        },
      },
      happens: () => cluster.addPod('db', { labels: { app: 'db' } }),
    },
  ]
  for (const { name, arrange, waits, happens } of opportunities) {
    test(`a waiting pod gets its node when ${name}`, async () => {
      await cluster.addNode('one')
      await arrange()
      await cluster.startScheduler()
      await cluster.addPod('web', waits)
      assert.equal((await cluster.scheduled('web')).reason, 'Unschedulable')
      await happens()
      assert.equal(await cluster.nodeOf('web'), 'one')
    })
  }

  test('leaves pods of another scheduler, gated ones and bound ones alone', async () => {
    await cluster.addNode('one')
    await cluster.addNode('two')
    await cluster.addPod('foreign', { spec: { schedulerName: 'another' } })
    await cluster.addPod('bound', { spec: { nodeName: 'elsewhere' } })
    await cluster.addPod('gated', { spec: { schedulingGates: [{ name: 'example.com/gate' }] } })
    await cluster.startScheduler()
    await cluster.addPod('web')
    await cluster.nodeOf('web')
    const [foreign, bound, gated] = ['foreign', 'bound', 'gated'].map((name) => cluster.pods.get('default', name))
    assert.equal(foreign?.spec?.nodeName, undefined)
    assert.equal(foreign?.status?.conditions, undefined)
    assert.equal(bound?.spec?.nodeName, 'elsewhere')
    assert.equal(gated?.spec?.nodeName, undefined)
    assert.equal((await cluster.scheduled('gated')).reason, 'SchedulingGated')
    const ref = { namespace: 'default', name: 'gated' }
    await cluster.client.patch(PODS, ref, { spec: { schedulingGates: [] } }, MERGE)
    await cluster.nodeOf('gated')
  })

  test('what was put on a node by hand counts', async () => {
    await cluster.addNode('one')
    await cluster.addNode('two')
    await cluster.startScheduler()
    await cluster.addPod('manual', { requests: { cpu: '4' }, spec: { nodeName: 'one' } })
    await eventually(() => cluster.pods.get('default', 'manual'), 5_000)
    await cluster.addPod('web', { requests: { cpu: '1' } })
    assert.equal(await cluster.nodeOf('web'), 'two')
  })

  test('the most important pod gets the last place', async () => {
    await cluster.addNode('one', { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } })
    await cluster.addPod('first', { requests: { cpu: '1' } })
    await cluster.addPod('important', { requests: { cpu: '1' }, spec: { priority: 10 } })
    await cluster.startScheduler()
    assert.equal(await cluster.nodeOf('important'), 'one')
    assert.equal((await cluster.scheduled('first')).reason, 'Unschedulable')
  })

  test('pods of a Service spread over the nodes by themselves', async () => {
    for (let i = 0; i < 4; i++) await cluster.addNode(`n${i}`)
    const ports = [{ port: 80, protocol: 'TCP', targetPort: 80 }]
    await cluster.client.create(SERVICES, {
      metadata: { namespace: 'default', name: 'web' },
      spec: { clusterIP: 'None', selector: { app: 'web' }, ports },
    })
    await cluster.startScheduler()
    for (let i = 0; i < 8; i++) await cluster.addPod(`web-${i}`, { labels: { app: 'web' }, requests: { cpu: '100m' } })
    const nodes = await Promise.all(Array.from({ length: 8 }, (_, i) => cluster.nodeOf(`web-${i}`)))
    const counts = Object.values(Object.groupBy(nodes, (name) => name)).map((list) => list?.length)
    assert.deepEqual(counts, [2, 2, 2, 2])
  })

  test('replicas that keep apart are one to a node, and the one too many waits', async () => {
    for (let i = 0; i < 3; i++) await cluster.addNode(`n${i}`)
    const term = { topologyKey: HOSTNAME, labelSelector: { matchLabels: { app: 'db' } } }
    const affinity: Affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } }
    await cluster.startScheduler()
    for (let i = 0; i < 4; i++) await cluster.addPod(`db-${i}`, { labels: { app: 'db' }, spec: { affinity } })
    await eventually(
      () => (cluster.pods.list().filter(({ spec }) => spec?.nodeName).length === 3 ? true : undefined),
      10_000,
    )
    const nodes = cluster.pods.list().flatMap(({ spec }) => spec?.nodeName ?? [])
    assert.deepEqual(nodes.sort(), ['n0', 'n1', 'n2'])
    const waiting = cluster.pods.list().find(({ spec }) => !spec?.nodeName)?.metadata?.name ?? ''
    assert.equal(
      (await cluster.scheduled(waiting)).message,
      "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. " +
        'preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.',
    )
  })
})
