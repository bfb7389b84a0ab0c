import { findCondition } from '../../api/conditions.ts'
import { PODS } from '../../api/resource-type.ts'
import type { Binding, Pod, PodCondition } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'

export interface PodWriterOptions {
  readonly client: Client
  readonly events: EventRecorder
  readonly clock: Clock
}

/** What the scheduler tells the API of a pod. */
export interface PodWriter {
  /** Puts the pod on a node. Throws StatusError. */
  bind(pod: Pod, node: string): Promise<void>
  /** Says in the pod's condition and in an event why it has no node. Throws StatusError. */
  explain(pod: Pod, reason: 'Unschedulable' | 'SchedulerError', message: string): Promise<void>
}

export function createPodWriter({ client, events, clock }: PodWriterOptions): PodWriter {
  const named = (pod: Pod): Pod => ({ ...pod, apiVersion: 'v1', kind: 'Pod' })
  return {
    async bind(pod, node) {
      const { namespace, name = '', uid } = pod.metadata ?? {}
      const binding: Binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { namespace, name, uid },
        target: { apiVersion: 'v1', kind: 'Node', name: node },
      }
      await client.createSubresource(PODS, { namespace, name }, 'binding', binding)
      events.event(named(pod), 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`)
    },

    async explain(pod, reason, message) {
      events.event(named(pod), 'Warning', 'FailedScheduling', message)
      const before = findCondition(pod.status?.conditions, 'PodScheduled')
      if (before?.status === 'False' && before.reason === reason && before.message === message) return
      const { namespace, name = '', generation } = pod.metadata ?? {}
      const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
      const condition: PodCondition = {
        type: 'PodScheduled',
        status: 'False',
        reason,
        message,
        lastTransitionTime: before?.status === 'False' ? (before.lastTransitionTime ?? now) : now,
        ...(generation === undefined ? {} : { observedGeneration: generation }),
      }
      await client.patch(
        PODS,
        { namespace, name },
        { status: { conditions: [condition] } },
        { type: 'application/strategic-merge-patch+json', subresource: 'status' },
      )
    },
  }
}
