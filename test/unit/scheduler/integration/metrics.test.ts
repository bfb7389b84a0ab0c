import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { StatusError } from '../../../../src/api/status-error.ts'
import { eventually } from '../../../harness/eventually.ts'
import { type ScheduledCluster, startScheduledCluster } from './scheduled-cluster.ts'

describe('what the scheduler counts', () => {
  let cluster: ScheduledCluster
  beforeEach(async () => {
    cluster = await startScheduledCluster()
  })
  afterEach(() => cluster.close())

  /** The samples of a family by one of their labels. */
  const told = (family: string, label: string): Readonly<Record<string, number>> => {
    const samples = cluster.metrics
      .families()
      .find(({ name }) => name === family)!
      .samples()
    return Object.fromEntries(Array.from(samples, ({ labels, value }) => [labels?.[label] ?? '', value] as const))
  }

  test('attempts by their result, pods by where they wait, and how long a placed one has waited', async () => {
    await cluster.addNode('one')
    await cluster.startScheduler()
    await cluster.addPod('small')
    await cluster.nodeOf('small')
    await cluster.addPod('giant', { requests: { cpu: '10000' } })
    await cluster.scheduled('giant', ({ reason }) => reason === 'Unschedulable')
    await eventually(() => (told('scheduler_schedule_attempts_total', 'result').scheduled === 1 ? true : undefined))
    const attempts = told('scheduler_schedule_attempts_total', 'result')
    assert.ok(attempts.unschedulable! >= 1)
    assert.equal(attempts.error, 0)
    assert.deepEqual(told('scheduler_pending_pods', 'queue'), { active: 0, backoff: 0, unschedulable: 1, gated: 0 })
    assert.deepEqual(Object.keys(told('scheduler_pod_scheduling_sli_duration_seconds', 'attempts')), ['1'])
    await cluster.stopScheduler()
    assert.equal(told('scheduler_pending_pods', 'queue').unschedulable, 0)
  })

  test('a binding that the API refuses is an error', async () => {
    let isBroken = true
    await cluster.addNode('one')
    await cluster.startScheduler((client) => ({
      ...client,
      createSubresource: (type, ref, subresource, body) => {
        if (subresource !== 'binding' || !isBroken) return client.createSubresource(type, ref, subresource, body)
        isBroken = false
        return Promise.reject(new StatusError('InternalError', 'no'))
      },
    }))
    await cluster.addPod('web')
    await cluster.nodeOf('web')
    await eventually(() => (told('scheduler_schedule_attempts_total', 'result').scheduled === 1 ? true : undefined))
    assert.equal(told('scheduler_schedule_attempts_total', 'result').error, 1)
    assert.deepEqual(Object.keys(told('scheduler_pod_scheduling_sli_duration_seconds', 'attempts')), ['2'])
  })
})
