import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PodStartTimes } from '../../../src/agent/pod/pod-start-times.ts'
import { measuredRuntime } from '../../../src/agent/runtime/measured-runtime.ts'
import type { ContainerConfig, ContainerState, Runtime } from '../../../src/agent/runtime/runtime.ts'
import { RuntimeCounts } from '../../../src/agent/runtime/runtime-counts.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import type { MetricFamily } from '../../../src/base/metric-families.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'

function told(families: readonly MetricFamily[], name: string, label = ''): Readonly<Record<string, number>> {
  const samples = families.find((family) => family.name === name)!.samples()
  return Object.fromEntries(
    Array.from(
      samples,
      ({ metricName = name, labels, value }) => [`${metricName} ${labels?.[label] ?? ''}`.trim(), value] as const,
    ),
  )
}

test('a runtime that is measured is the same, private fields and what only some have included', async () => {
  class Some {
    readonly name = 'some'
    #started = 0
    async startContainer(config: ContainerConfig): Promise<ContainerState> {
      if (config.name === 'broken') throw new Error('no such program')
      this.#started += 1
      return { id: String(this.#started) } as ContainerState
    }
    problem(): string {
      return `${this.#started} are too many`
    }
  }
  const counts = new RuntimeCounts()
  const runtime = measuredRuntime(new Some() as unknown as Runtime, new VirtualClock(), counts)
  assert.equal(runtime.name, 'some')
  assert.equal((await runtime.startContainer({ name: 'main' } as ContainerConfig)).id, '1')
  await assert.rejects(runtime.startContainer({ name: 'broken' } as ContainerConfig), /no such program/)
  assert.equal(runtime.problem?.(), '1 are too many')
  assert.equal(runtime.stopSandboxes, undefined)
  const families = counts.families()
  assert.deepEqual(told(families, 'kubelet_runtime_operations_total', 'operation_type'), {
    'kubelet_runtime_operations_total start_container': 2,
  })
  assert.deepEqual(told(families, 'kubelet_runtime_operations_errors_total', 'operation_type'), {
    'kubelet_runtime_operations_errors_total start_container': 1,
  })
  assert.deepEqual(told(families, 'kubelet_started_containers_total'), { kubelet_started_containers_total: 1 })
  assert.deepEqual(told(families, 'kubelet_started_pods_total'), { kubelet_started_pods_total: 0 })
})

test('a pod’s start is timed from when it is seen until it runs, once, and not for those that ran before', async () => {
  const clock = new VirtualClock()
  const times = new PodStartTimes(clock)
  const pod = (uid: string, phase: string): Pod => ({ metadata: { uid }, spec: { containers: [] }, status: { phase } })
  const modified = (uid: string, phase: string): void =>
    times.onPod({ type: 'modified', object: pod(uid, phase), previous: pod(uid, 'Pending') })
  times.onPod({ type: 'added', object: pod('a', 'Pending') })
  times.onPod({ type: 'added', object: pod('old', 'Running') })
  times.onPod({ type: 'added', object: pod('failed', 'Pending') })
  await clock.advance(3_000)
  modified('a', 'Pending')
  modified('a', 'Running')
  modified('a', 'Running')
  modified('old', 'Running')
  modified('failed', 'Failed')
  times.onPod({ type: 'deleted', object: pod('a', 'Running') })
  const found = told(times.families(), 'kubelet_pod_start_duration_seconds')
  assert.equal(found.kubelet_pod_start_duration_seconds_count, 1)
  assert.equal(found.kubelet_pod_start_duration_seconds_sum, 3)
})
