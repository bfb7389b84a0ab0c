import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NODES, POD_DISRUPTION_BUDGETS, PODS } from '../../../../src/api/resource-type.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { eventually } from '../../../harness/eventually.ts'
import { type ScheduledCluster, startScheduledCluster } from './scheduled-cluster.ts'

describe('preemption over the API', () => {
  let cluster: ScheduledCluster
  beforeEach(async () => {
    cluster = await startScheduledCluster()
  })
  afterEach(() => cluster.close())

  const ending = (name: string): Promise<Pod> =>
    eventually(
      () => {
        const known = cluster.pods.get('default', name)
        return known?.metadata?.deletionTimestamp === undefined ? undefined : known
      },
      10_000,
      `the end of ${name}`,
    )
  /** What an agent does when a pod has ended. */
  const finish = (name: string): Promise<void> =>
    cluster.client.delete(PODS, { namespace: 'default', name }, { gracePeriodSeconds: 0 })
  const promised = (name: string): Promise<string> =>
    eventually(() => cluster.pods.get('default', name)?.status?.nominatedNodeName, 10_000, `a promise to ${name}`)
  const add = (name: string, cpu: string, priority: number, labels = {}): Promise<Pod> =>
    cluster.addPod(name, { requests: { cpu }, labels, spec: { priority } })

  test('an important pod gets the place of a less important one, which ends in peace', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await add('low', '3', 1)
    await add('mid', '1', 5)
    assert.equal(await cluster.nodeOf('low'), 'one')
    assert.equal(await cluster.nodeOf('mid'), 'one')
    const high = await add('high', '2', 10)
    const victim = await ending('low')
    const condition = victim.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')
    assert.equal(condition?.status, 'True')
    assert.equal(condition?.reason, 'PreemptionByScheduler')
    assert.equal(condition?.message, 'default-scheduler: preempting to accommodate a higher priority pod')
    const [event] = await cluster.events('low', 'Preempted')
    assert.equal(event?.message, `Preempted by pod ${high.metadata?.uid} on node one`)
    assert.equal(event?.type, 'Normal')
    assert.equal(await promised('high'), 'one')
    assert.equal((await cluster.scheduled('high')).message, '0/1 nodes are available: 1 Insufficient cpu.')
    assert.equal(cluster.pods.get('default', 'mid')?.metadata?.deletionTimestamp, undefined)
    // The place is kept for it while it waits.
    await add('sneaky', '1', 2)
    assert.equal((await cluster.scheduled('sneaky')).reason, 'Unschedulable')
    await finish('low')
    assert.equal(await cluster.nodeOf('high'), 'one')
    const bound = await cluster.client.get(PODS, { namespace: 'default', name: 'high' })
    assert.equal(bound.status?.nominatedNodeName, undefined)
    // Two of four are left after it, and one of those is taken.
    assert.equal(await cluster.nodeOf('sneaky'), 'one')
  })

  test('nothing more is taken away while room is being made', async () => {
    await cluster.addNode('one')
    await cluster.addNode('two')
    await cluster.startScheduler()
    await add('a', '4', 1)
    await add('b', '4', 1)
    await Promise.all(['a', 'b'].map((name) => cluster.nodeOf(name)))
    await add('high', '4', 10)
    const node = await promised('high')
    const [victim, spared] = ['a', 'b'].sort((name) =>
      cluster.pods.get('default', name)?.spec?.nodeName === node ? -1 : 1,
    )
    await ending(victim!)
    // Tried again for a reason of its own, it does not look for another victim.
    await cluster.client.patch(
      PODS,
      { namespace: 'default', name: 'high' },
      { metadata: { labels: { again: 'yes' } } },
      { type: 'application/merge-patch+json' },
    )
    const { message } = await cluster.scheduled('high', (condition) => condition.message!.includes('preemption'))
    assert.equal(
      message,
      '0/2 nodes are available: 2 Insufficient cpu. ' +
        'preemption: not eligible due to a terminating pod on the nominated node.',
    )
    assert.equal(cluster.pods.get('default', spared!)?.metadata?.deletionTimestamp, undefined)
    await finish(victim!)
    assert.equal(await cluster.nodeOf('high'), node)
  })

  test('pods that a budget protects are spared while others will do', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    const selector = { matchLabels: { app: 'guarded' } }
    await cluster.client.create(POD_DISRUPTION_BUDGETS, {
      metadata: { namespace: 'default', name: 'guarded' },
      spec: { minAvailable: 1, selector },
    })
    await add('guarded', '2', 1, { app: 'guarded' })
    await add('free', '2', 5)
    await Promise.all(['guarded', 'free'].map((name) => cluster.nodeOf(name)))
    await add('high', '2', 10)
    await ending('free')
    assert.equal(cluster.pods.get('default', 'guarded')?.metadata?.deletionTimestamp, undefined)
    await finish('free')
    assert.equal(await cluster.nodeOf('high'), 'one')
    assert.equal(cluster.pods.get('default', 'guarded')?.metadata?.deletionTimestamp, undefined)
  })

  test('a pod that may not preempt waits', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await add('low', '4', 1)
    await cluster.nodeOf('low')
    await cluster.addPod('polite', { requests: { cpu: '1' }, spec: { priority: 10, preemptionPolicy: 'Never' } })
    assert.equal(
      (await cluster.scheduled('polite')).message,
      '0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.',
    )
    assert.equal(cluster.pods.get('default', 'low')?.metadata?.deletionTimestamp, undefined)
  })

  test('a more important pod takes over a promise, and the other looks elsewhere', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await add('low', '4', 1)
    await cluster.nodeOf('low')
    await add('high', '4', 10)
    assert.equal(await promised('high'), 'one')
    await ending('low')
    await add('higher', '4', 20)
    assert.equal(await promised('higher'), 'one')
    await finish('low')
    assert.equal(await cluster.nodeOf('higher'), 'one')
    await eventually(
      () => (cluster.pods.get('default', 'high')?.status?.nominatedNodeName ? undefined : true),
      10_000,
      'the end of the promise to high',
    )
    assert.equal(cluster.pods.get('default', 'high')?.spec?.nodeName, undefined)
  })

  test('a promise outlives the scheduler that made it', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await add('low', '4', 1)
    await cluster.nodeOf('low')
    await add('high', '4', 10)
    await ending('low')
    assert.equal(await promised('high'), 'one')
    await cluster.stopScheduler()
    await finish('low')
    // By its name it is the first that the next one hears of.
    await add('a-rival', '4', 10)
    await cluster.startScheduler()
    assert.equal(await cluster.nodeOf('high'), 'one')
    assert.equal((await cluster.scheduled('a-rival')).reason, 'Unschedulable')
  })

  test('a promise that cannot be kept is taken back, and others may have the room', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await add('low', '4', 1)
    await cluster.nodeOf('low')
    await add('high', '4', 10)
    await ending('low')
    assert.equal(await promised('high'), 'one')
    const merge = { type: 'application/merge-patch+json' } as const
    await cluster.client.patch(NODES, { name: 'one' }, { spec: { unschedulable: true } }, merge)
    const labels = { again: 'yes' }
    await cluster.client.patch(PODS, { namespace: 'default', name: 'high' }, { metadata: { labels } }, merge)
    const { message } = await cluster.scheduled('high', (condition) => condition.message!.includes('unschedulable'))
    assert.equal(
      message,
      '0/1 nodes are available: 1 node(s) were unschedulable. ' +
        'preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    )
    assert.equal(cluster.pods.get('default', 'high')?.status?.nominatedNodeName, undefined)
    const tolerations = [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }]
    await cluster.addPod('tolerant', { requests: { cpu: '4' }, spec: { priority: 5, tolerations } })
    await finish('low')
    assert.equal(await cluster.nodeOf('tolerant'), 'one')
  })
})
