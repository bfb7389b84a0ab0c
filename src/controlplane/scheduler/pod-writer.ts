import { findCondition } from '../../api/conditions.ts'
import { PODS } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Binding, Pod, PodCondition } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'

export interface PodWriterOptions {
  readonly client: Client
  readonly events: EventRecorder
  readonly clock: Clock
}

export interface Explanation {
  readonly reason: 'Unschedulable' | 'SchedulerError'
  readonly message: string
  /** The node that the pod is promised from now on; empty: none any more; undefined: as before. */
  readonly promise: string | undefined
}

/** What the scheduler tells the API of pods. All throw StatusError. */
export interface PodWriter {
  /** Puts the pod on a node. */
  bind(pod: Pod, node: string): Promise<void>
  /** Says in the pod's condition and in an event why it has no node. `pod` is its newest known version. */
  explain(pod: Pod, explanation: Explanation): Promise<void>
  /** Takes back the promise of a node. */
  withdraw(pod: Pod): Promise<void>
  /** Deletes a pod, gracefully, so that another of higher priority gets its place. One that is gone is fine. */
  preempt(victim: Pod, preemptor: Pod, node: string): Promise<void>
}

const MESSAGE_LENGTH_MAX = 1_024
const STRATEGIC = { type: 'application/strategic-merge-patch+json', subresource: 'status' } as const

/** As kube-scheduler shortens what it says in events. */
function shortened(message: string): string {
  return message.length <= MESSAGE_LENGTH_MAX ? message : `${message.slice(0, MESSAGE_LENGTH_MAX - 4)} ...`
}

export function createPodWriter({ client, events, clock }: PodWriterOptions): PodWriter {
  const named = (pod: Pod): Pod => ({ ...pod, apiVersion: 'v1', kind: 'Pod' })

  const withTime = (pod: Pod, condition: PodCondition): PodCondition => {
    const before = findCondition(pod.status?.conditions, condition.type)
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const { generation } = pod.metadata ?? {}
    return {
      ...condition,
      lastTransitionTime: before?.status === condition.status ? (before.lastTransitionTime ?? now) : now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    }
  }

  const patchStatus = (pod: Pod, status: Record<string, unknown>): Promise<Pod> => {
    const { namespace, name = '', uid } = pod.metadata ?? {}
    return client.patch(PODS, { namespace, name }, { metadata: { uid }, status }, STRATEGIC)
  }

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

    async explain(pod, { reason, message, promise }) {
      events.event(named(pod), 'Warning', 'FailedScheduling', shortened(message))
      const before = findCondition(pod.status?.conditions, 'PodScheduled')
      const isKnown = before?.status === 'False' && before.reason === reason && before.message === message
      const isPromised = promise === undefined || promise === (pod.status?.nominatedNodeName ?? '')
      if (isKnown && isPromised) return
      await patchStatus(pod, {
        conditions: [withTime(pod, { type: 'PodScheduled', status: 'False', reason, message })],
        ...(isPromised ? {} : { nominatedNodeName: promise || null }),
      })
    },

    async withdraw(pod) {
      if (pod.status?.nominatedNodeName) await patchStatus(pod, { nominatedNodeName: null })
    },

    async preempt(victim, preemptor, node) {
      const { namespace, name = '', uid } = victim.metadata ?? {}
      const condition: PodCondition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'PreemptionByScheduler',
        message: `${preemptor.spec?.schedulerName}: preempting to accommodate a higher priority pod`,
      }
      try {
        await patchStatus(victim, { conditions: [withTime(victim, condition)] })
        await client.delete(PODS, { namespace, name }, { preconditions: { ...(uid === undefined ? {} : { uid }) } })
      } catch (error) {
        if (isReason(error, 'NotFound')) return
        throw error
      }
      const message = `Preempted by pod ${preemptor.metadata?.uid} on node ${node}`
      events.event(named(victim), 'Normal', 'Preempted', message)
    },
  }
}
