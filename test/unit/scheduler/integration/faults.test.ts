import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { PODS, type ResourceType } from '../../../../src/api/resource-type.ts'
import { StatusError } from '../../../../src/api/status-error.ts'
import type { Client, ObjectRef } from '../../../../src/client/client.ts'
import { eventually } from '../../../harness/eventually.ts'
import { randomOf } from '../arbitrary-cluster.ts'
import { type ScheduledCluster, startScheduledCluster } from './scheduled-cluster.ts'

/** Stands before every binding: may do something first, and may throw instead of, or after, letting it through. */
type Interfere = (ref: ObjectRef, bind: () => Promise<unknown>) => Promise<unknown>

function withBindings(interfere: Interfere): (client: Client) => Client {
  return (client) => ({
    ...client,
    createSubresource: (type: ResourceType, ref: ObjectRef, subresource: string, body: unknown) => {
      const through = (): Promise<unknown> => client.createSubresource(type, ref, subresource, body)
      return subresource === 'binding' ? interfere(ref, through) : through()
    },
  })
}

describe('the scheduler and an API that fails', () => {
  let cluster: ScheduledCluster
  beforeEach(async () => {
    cluster = await startScheduledCluster()
  })
  afterEach(() => cluster.close())

  const remove = (name: string): Promise<void> =>
    cluster.client.delete(PODS, { namespace: 'default', name }, { gracePeriodSeconds: 0 })

  test('a binding that is refused is tried again, and the pod says why it waits', async () => {
    let refusals = 0
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async (_, bind) => {
        if (refusals++ === 0) throw new StatusError('InternalError', 'the store is on fire')
        return bind()
      }),
    )
    await cluster.addPod('web')
    const condition = await cluster.scheduled('web', ({ status }) => status === 'False')
    assert.equal(condition.reason, 'SchedulerError')
    assert.equal(condition.message, 'binding rejected: the store is on fire')
    assert.equal(await cluster.nodeOf('web'), 'one')
  })

  test('what was counted for a binding that failed is free again', async () => {
    let isBroken = true
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async ({ name }, bind) => {
        if (name === 'first' && isBroken) throw new StatusError('InternalError', 'no')
        return bind()
      }),
    )
    await cluster.addPod('first', { requests: { cpu: '4' } })
    await cluster.scheduled('first', ({ reason }) => reason === 'SchedulerError')
    await cluster.addPod('second', { requests: { cpu: '4' } })
    assert.equal(await cluster.nodeOf('second'), 'one')
    isBroken = false
    await remove('second')
    assert.equal(await cluster.nodeOf('first'), 'one')
  })

  test('a binding whose answer was lost is not made again', async () => {
    let bindings = 0
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async (_, bind) => {
        bindings += 1
        await bind()
        throw new Error('the connection broke')
      }),
    )
    await cluster.addPod('web', { requests: { cpu: '4' } })
    assert.equal(await cluster.nodeOf('web'), 'one')
    // The node is full, and known to be.
    await cluster.addPod('next', { requests: { cpu: '1' } })
    assert.equal((await cluster.scheduled('next')).reason, 'Unschedulable')
    assert.equal(bindings, 1)
  })

  test('a pod that is deleted while it is being bound is dropped', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async ({ name }, bind) => {
        if (name === 'gone') await remove('gone')
        return bind()
      }),
    )
    await cluster.addPod('gone', { requests: { cpu: '4' } })
    await eventually(() => (cluster.pods.get('default', 'gone') === undefined ? true : undefined), 5_000)
    await cluster.addPod('web', { requests: { cpu: '4' } })
    assert.equal(await cluster.nodeOf('web'), 'one')
  })

  test('a pod that is deleted and made again while it is being bound is another pod', async () => {
    let isFirst = true
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async ({ name }, bind) => {
        if (isFirst) {
          isFirst = false
          await remove(name)
          await cluster.addPod(name, { requests: { cpu: '3' } })
        }
        return bind()
      }),
    )
    const first = await cluster.addPod('web', { requests: { cpu: '4' } })
    const second = await eventually(() => {
      const known = cluster.pods.get('default', 'web')
      return known?.metadata?.uid !== first.metadata?.uid && known?.spec?.nodeName ? known : undefined
    }, 10_000)
    assert.equal(second.spec?.nodeName, 'one')
    await cluster.addPod('next', { requests: { cpu: '1' } })
    assert.equal(await cluster.nodeOf('next'), 'one')
  })

  test('a pod that somebody else bound meanwhile stays where it is', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async (ref, bind) => {
        if (ref.name === 'web') {
          await cluster.client.createSubresource(PODS, ref, 'binding', {
            apiVersion: 'v1',
            kind: 'Binding',
            metadata: ref,
            target: { kind: 'Node', name: 'elsewhere' },
          })
        }
        return bind()
      }),
    )
    await cluster.addPod('web', { requests: { cpu: '4' } })
    assert.equal(await cluster.nodeOf('web'), 'elsewhere')
    await cluster.addPod('next', { requests: { cpu: '4' } })
    assert.equal(await cluster.nodeOf('next'), 'one')
    assert.equal(cluster.pods.get('default', 'web')?.spec?.nodeName, 'elsewhere')
  })

  test('many pods, many nodes, and bindings that fail in every way: each pod is bound once, no node is overfull', async () => {
    const random = randomOf(7)
    const [nodes, pods] = [40, 400]
    for (let i = 0; i < nodes; i++) {
      await cluster.addNode(`n${i}`, { allocatable: { cpu: '1', memory: '8Gi', pods: '12' } })
    }
    const homes = new Map<string, string>()
    const unhook = cluster.pods.onChange(({ object }) => {
      const key = object.metadata?.uid ?? ''
      const { nodeName } = object.spec ?? {}
      if (!nodeName) return
      assert.equal(homes.get(key) ?? nodeName, nodeName)
      homes.set(key, nodeName)
    })
    for (let i = 0; i < pods / 2; i++) await cluster.addPod(`early-${i}`, { requests: { cpu: '100m' } })
    await cluster.startScheduler(
      withBindings(async (_, bind) => {
        const dice = random()
        if (dice < 0.05) throw new StatusError('InternalError', 'no')
        if (dice < 0.1) throw new StatusError('Conflict', 'try again')
        await bind()
        if (dice < 0.15) throw new Error('the connection broke')
        return undefined
      }),
    )
    for (let i = 0; i < pods / 2; i++) await cluster.addPod(`late-${i}`, { requests: { cpu: '100m' } })
    await eventually(() => (homes.size === pods ? true : undefined), 40_000, 'a node for every pod')
    unhook()
    const counts = Object.values(Object.groupBy(homes.values(), (name) => name)).map((list) => list?.length ?? 0)
    assert.ok(Math.max(...counts) <= 10, `at most ten pods of a tenth of the node each: ${counts}`)
  })

  test('a scheduler that starts anew goes on where the last one ended', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler(
      withBindings(async () => {
        throw new Error('this one cannot bind')
      }),
    )
    await cluster.addPod('web', { requests: { cpu: '4' } })
    await cluster.scheduled('web', ({ reason }) => reason === 'SchedulerError')
    await cluster.stopScheduler()
    await cluster.startScheduler()
    assert.equal(await cluster.nodeOf('web'), 'one')
    await cluster.stopScheduler()
    await cluster.startScheduler()
    await cluster.addPod('next', { requests: { cpu: '1' } })
    assert.equal((await cluster.scheduled('next')).reason, 'Unschedulable')
  })
})
