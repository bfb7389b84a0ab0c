import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { findCondition } from '../../../src/api/conditions.ts'
import { DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, REPLICA_SETS } from '../../../src/api/resource-type.ts'
import type { ApiResponse } from '../../../src/client/transport.ts'
import { eventually } from '../../harness/eventually.ts'
import { type AutoscalerWorld, ok, startAutoscalerWorld } from './controller-fixture.ts'
import { CPU_50, external } from './objects.ts'

const MERGE = { type: 'application/merge-patch+json' } as const

function podMetrics(world: AutoscalerWorld, app: string, count: number, cpu: string): ApiResponse {
  const timestamp = new Date(world.clock.now()).toISOString()
  const containers = [{ name: 'main', usage: { cpu, memory: '10Mi' } }]
  return ok(
    Array.from({ length: count }, (_, i) => ({
      metadata: { name: `${app}-${i}`, namespace: 'default' },
      timestamp,
      window: '15s',
      containers,
    })),
  )
}

function queue(value: string): ApiResponse {
  return ok([{ metricName: 'queue', value }])
}

describe('the autoscaler over the API', () => {
  let world: AutoscalerWorld
  beforeEach(async () => {
    world = await startAutoscalerWorld()
  })
  afterEach(() => world.close())
  const word = async (type: string, name = 'web'): Promise<string> => {
    const { status, reason, message } = findCondition((await world.get(name)).status?.conditions, type) ?? {}
    return `${status} ${reason}: ${message}`
  }

  test('adds pods when they are busy, and takes them away five minutes after they no longer are', async () => {
    await world.deploy('web', 2)
    let cpu = '500m'
    let count = 2
    world.answer(() => podMetrics(world, 'web', count, cpu))
    await world.autoscale({ metrics: [CPU_50], minReplicas: 1 })
    await world.pass(1)
    assert.equal(await world.size(), 4)
    const [event] = await world.events('SuccessfulRescale')
    assert.equal(event?.message, 'New size: 4; reason: cpu resource utilization (percentage of request) above target')
    assert.equal(event.involvedObject.kind, 'HorizontalPodAutoscaler')
    assert.equal(event.source?.component, 'horizontal-pod-autoscaler')
    assert.equal(
      await word('AbleToScale'),
      'True SucceededRescale: the HPA controller was able to update the target scale to 4',
    )
    const { status } = await world.get()
    assert.equal(status?.currentReplicas, 2)
    assert.equal(status.desiredReplicas, 4)
    assert.equal(status.observedGeneration, 1)
    assert.ok(status.lastScaleTime)
    assert.deepEqual(status.currentMetrics, [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '500m' } } },
    ])
    assert.equal(world.asked[0], '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb')

    count = await world.followScale('web')
    cpu = '20m'
    await world.pass(295)
    assert.equal(await world.size(), 4)
    assert.equal(
      await word('AbleToScale'),
      'True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation',
    )
    await world.pass(20)
    assert.equal(await world.size(), 1)
    assert.deepEqual(
      (await world.events('SuccessfulRescale')).map(({ message }) => message),
      [event.message, 'New size: 1; reason: All metrics below target'],
    )
  })

  test('looks every 15 seconds, writes nothing when nothing changes, and no longer once it is deleted', async () => {
    await world.deploy('web', 2)
    world.answer(() => podMetrics(world, 'web', 2, '250m'))
    await world.autoscale({ metrics: [CPU_50] })
    await world.pass(1)
    assert.equal(world.asked.length, 1)
    const { metadata } = await world.get()
    await world.pass(14)
    assert.equal(world.asked.length, 1)
    await world.pass(1)
    assert.equal(world.asked.length, 2)
    await world.pass(60)
    assert.equal(world.asked.length, 6)
    assert.equal((await world.get()).metadata?.resourceVersion, metadata?.resourceVersion)
    await world.client.delete(HORIZONTAL_POD_AUTOSCALERS, { namespace: 'default', name: 'web' })
    await world.pass(30)
    assert.equal(world.asked.length, 6)
  })

  test('a changed spec is looked at at once', async () => {
    await world.deploy('web', 2)
    world.answer(() => podMetrics(world, 'web', 2, '250m'))
    await world.autoscale({ metrics: [CPU_50] })
    await world.pass(2)
    const ref = { namespace: 'default', name: 'web' }
    await world.client.patch(HORIZONTAL_POD_AUTOSCALERS, ref, { spec: { minReplicas: 5 } }, MERGE)
    await world.pass(2)
    assert.equal(await world.size(), 5)
    assert.equal((await world.get()).status?.observedGeneration, 2)
  })

  test('says so where no metrics are served', async () => {
    await world.deploy('web', 2)
    await world.autoscale({ metrics: [CPU_50] })
    world.answer(() => ({
      status: 404,
      body: { kind: 'Status', message: 'the server could not find the requested resource' },
    }))
    await world.pass(1)
    const why =
      'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)'
    assert.equal(
      await word('ScalingActive'),
      `False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${why}`,
    )
    assert.equal((await world.events('FailedGetResourceMetric'))[0]?.message, why)
    assert.equal((await world.events('FailedComputeMetricsReplicas'))[0]?.type, 'Warning')
    world.answer(() => podMetrics(world, 'web', 2, '500m'))
    await world.pass(15)
    assert.equal(await world.size(), 4)
  })

  test('a metrics API that hangs fails after ten seconds, and others are served meanwhile', async () => {
    await world.deploy('web', 2)
    await world.deploy('quick', 1)
    world.answer((request) =>
      request.query?.labelSelector === 'app=web' ? new Promise(() => {}) : podMetrics(world, 'quick', 1, '500m'),
    )
    await world.autoscale({ metrics: [CPU_50] })
    await world.autoscale({ metrics: [CPU_50] }, 'quick')
    await world.pass(2)
    assert.equal(await world.size('quick'), 2)
    await world.pass(10)
    assert.match(
      await word('ScalingActive'),
      /unable to fetch metrics from resource metrics API: no answer within 10 s$/,
    )
  })

  for (const { name, scaleTargetRef, want } of [
    {
      name: 'an object that is not there',
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' },
      want: 'deployments.apps "none" not found',
    },
    {
      name: 'a kind that is not there',
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Website', name: 'web' },
      want: 'no matches for kind "Website" in group "apps"',
    },
    {
      name: 'a kind that has no size',
      scaleTargetRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'web' },
      want: 'the server could not find the requested resource',
    },
  ])
    test(`a target that cannot be scaled: ${name}`, async () => {
      await world.autoscale({ metrics: [CPU_50], scaleTargetRef })
      await world.pass(1)
      assert.equal(
        await word('AbleToScale'),
        `False FailedGetScale: the HPA controller was unable to get the target's current scale: ${want}`,
      )
      assert.equal((await world.events('FailedGetScale'))[0]?.message, want)
    })

  test('two autoscalers of the same pods do nothing', async () => {
    await world.deploy('web', 2)
    world.answer(() => podMetrics(world, 'web', 2, '500m'))
    await world.autoscale({ metrics: [CPU_50], minReplicas: 2, maxReplicas: 2 }, 'one', 'web')
    await world.autoscale({ metrics: [CPU_50] }, 'two', 'web')
    await world.pass(16)
    assert.equal(await world.size(), 2)
    const message = 'pods by selector app=web are controlled by more than one HPA (e.g. [{two default} {one default}])'
    assert.equal(await word('ScalingActive', 'two'), `False AmbiguousSelector: ${message}`)
    assert.ok((await world.events('AmbiguousSelector')).length > 0)
    await world.client.delete(HORIZONTAL_POD_AUTOSCALERS, { namespace: 'default', name: 'one' })
    await world.pass(16)
    assert.equal(await world.size(), 4)
  })

  test('a size that somebody else has changed meanwhile is looked at anew', async () => {
    await world.deploy('web', 2)
    let asked = 0
    world.answer(async () => {
      const ref = { namespace: 'default', name: 'web' }
      if (asked++ === 0) await world.client.patch(DEPLOYMENTS, ref, { spec: { replicas: 9 } }, MERGE)
      return podMetrics(world, 'web', 2, '500m')
    })
    await world.autoscale({ metrics: [CPU_50], maxReplicas: 6 })
    await world.pass(1)
    assert.equal(await world.size(), 6)
    assert.deepEqual(
      (await world.events('SuccessfulRescale')).map(({ message }) => message),
      ['New size: 6; reason: Current number of replicas above Spec.MaxReplicas'],
    )
  })

  test('a status that changes under the write of a size does not stop it', async () => {
    await world.deploy('web', 2)
    world.answer(async () => {
      const ref = { namespace: 'default', name: 'web' }
      const status = { observedGeneration: Math.floor(world.clock.now() / 1000) }
      await world.client.patch(DEPLOYMENTS, ref, { status }, { ...MERGE, subresource: 'status' })
      return podMetrics(world, 'web', 2, '500m')
    })
    await world.autoscale({ metrics: [CPU_50] })
    await world.pass(1)
    assert.equal(await world.size(), 4)
  })

  test('a size that the server refuses is told, and tried again', async () => {
    await world.deploy('web', 2)
    world.answer(() => podMetrics(world, 'web', 2, '500m'))
    await world.autoscale({ metrics: [CPU_50] })
    world.refuse('no more of it')
    await world.pass(1)
    assert.equal(
      await word('AbleToScale'),
      'False FailedUpdateScale: the HPA controller was unable to update the target scale: no more of it',
    )
    const [event] = await world.events('FailedRescale')
    assert.equal(
      event?.message,
      'New size: 4; reason: cpu resource utilization (percentage of request) above target; error: no more of it',
    )
    const { status } = await world.get()
    assert.deepEqual([status?.currentReplicas, status?.desiredReplicas, status?.lastScaleTime], [2, 0, undefined])
    await world.pass(15)
    assert.equal((await world.events('FailedRescale'))[0]?.count, 2)
  })

  test('a ReplicaSet is scaled as well', async () => {
    const labels = { app: 'bare' }
    await world.client.create(REPLICA_SETS, {
      metadata: { namespace: 'default', name: 'bare' },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'one' }] } },
      },
    })
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'bare' }
    await world.autoscale({ scaleTargetRef, minReplicas: 3 }, 'bare')
    await world.pass(1)
    const { spec } = await world.client.get(REPLICA_SETS, { namespace: 'default', name: 'bare' })
    assert.equal(spec?.replicas, 3)
  })

  test('does not wait for a metrics API when it is stopped, and says nothing of it', async () => {
    await world.deploy('web', 2)
    world.answer(() => new Promise(() => {}))
    await world.autoscale({ metrics: [CPU_50] })
    await world.pass(1)
    assert.equal(world.asked.length, 1)
    const { metadata } = await world.get()
    await world.stop()
    assert.equal((await world.get()).metadata?.resourceVersion, metadata?.resourceVersion)
  })

  test('a step in the traffic is met within two seconds, and no faster than turns from then on', async () => {
    await world.deploy('web', 1)
    let value = '5'
    world.answer(() => queue(value))
    await world.autoscale({ metrics: [external({ averageValue: '10' })], maxReplicas: 100 })
    await world.pass(1)
    const before = await world.get()
    await world.pass(4)
    // Glances at what is as it should be leave no trace.
    assert.equal((await world.get()).metadata?.resourceVersion, before.metadata?.resourceVersion)
    value = '1k'
    await world.pass(2)
    assert.equal(await world.size(), 4)
    await world.followScale('web')
    await world.pass(13)
    assert.equal(await world.size(), 4)
    await world.pass(2)
    assert.equal(await world.size(), 8)
  })

  test('new figures of the traffic are glanced at at once, by those whom they concern', async () => {
    await world.deploy('web', 1)
    await world.deploy('other', 1)
    let value = '5'
    world.answer(() => queue(value))
    await world.autoscale({ metrics: [external({ averageValue: '10' })], maxReplicas: 100 })
    await world.autoscale({ metrics: [CPU_50] }, 'usage', 'other')
    await world.pass(3)
    value = '1k'
    world.asked.length = 0
    await world.traffic()
    assert.equal(await world.size(), 4)
    assert.deepEqual(
      world.asked.filter((path) => path.includes('/metrics.k8s.io/')),
      [],
    )
    world.asked.length = 0
    await world.traffic()
    assert.deepEqual(world.asked, [], 'a size that has changed waits for its turn')
  })

  test('a drop in the traffic waits for its turn', async () => {
    await world.deploy('web', 4)
    let value = '40'
    world.answer(() => queue(value))
    const scaleDown = { stabilizationWindowSeconds: 0 }
    await world.autoscale({ metrics: [external({ averageValue: '10' })], behavior: { scaleDown } })
    await world.pass(2)
    value = '5'
    await world.pass(12)
    assert.equal(await world.size(), 4)
    await world.pass(4)
    assert.equal(await world.size(), 1)
  })

  test('to nothing and back, but not from a nothing that a person asked for', async () => {
    await world.deploy('web', 1)
    let value = '0'
    world.answer(() => queue(value))
    const scaleDown = { stabilizationWindowSeconds: 0 }
    await world.autoscale({ minReplicas: 0, metrics: [external({ averageValue: '10' })], behavior: { scaleDown } })
    await world.pass(2)
    assert.equal(await world.size(), 0)
    assert.match(await word('ScaledToZero'), /^True ScaledToZero/)
    await world.followScale('web')
    value = '25'
    await world.pass(16)
    assert.equal(await world.size(), 3)
    assert.match(await word('ScaledToZero'), /^False NotScaledToZero/)
    await world.client.patch(DEPLOYMENTS, { namespace: 'default', name: 'web' }, { spec: { replicas: 0 } }, MERGE)
    await world.pass(40)
    assert.equal(await world.size(), 0)
    assert.equal(
      await word('ScalingActive'),
      'False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
    )
  })

  test('one of version 1 is worked on all the same, and shows in both versions', async () => {
    await world.deploy('web', 2)
    world.answer(() => podMetrics(world, 'web', 2, '500m'))
    const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
    const made = await world.transport.request({
      method: 'POST',
      path,
      body: {
        metadata: { name: 'web' },
        spec: {
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
          maxReplicas: 8,
          targetCPUUtilizationPercentage: 50,
        },
      },
    })
    assert.equal(made.status, 201)
    await eventually(() => world.get().catch(() => undefined))
    await world.pass(2)
    assert.equal(await world.size(), 4)
    const { spec, metadata } = await world.get()
    assert.deepEqual(spec.metrics, [CPU_50])
    assert.equal(metadata?.annotations, undefined)
    const old = (await world.transport.request({ method: 'GET', path: `${path}/web` })).body as {
      readonly status: object
      readonly metadata: { readonly annotations: Record<string, string> }
    }
    assert.equal((old.status as { currentCPUUtilizationPercentage: number }).currentCPUUtilizationPercentage, 100)
    assert.match(old.metadata.annotations['autoscaling.alpha.kubernetes.io/conditions']!, /"SucceededRescale"/)
    // A client of version 1 reads, changes and writes back the whole: nothing of it comes into the stored object.
    const put = await world.transport.request({ method: 'PUT', path: `${path}/web`, body: old })
    assert.equal(put.status, 200)
    assert.equal((await world.get()).metadata?.annotations, undefined)
  })
})
