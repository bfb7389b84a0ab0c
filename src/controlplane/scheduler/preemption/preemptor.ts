import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { Logger } from '../../../base/logger.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { PodWriter } from '../pod-writer.ts'
import type { SchedulingQueue } from '../queue/scheduling-queue.ts'
import type { Candidate } from './select-victims.ts'

export interface PreemptorOptions {
  readonly state: ClusterState
  readonly queue: SchedulingQueue
  readonly writer: PodWriter
  readonly logger: Logger
  /** A pod as the API shows it now; undefined when it is gone. */
  readonly current: (pod: PodInfo) => Pod | undefined
}

/** Carries out what was planned, while the pod that it is done for is held in the queue. */
export interface Preemptor {
  /** Promises the node to the pod and takes the victims away. Resolves when all has been asked of the API. */
  carryOut(pod: PodInfo, candidate: Candidate): Promise<void>
  /** A pod is ending or gone: the last victim of a pod to do so lets that one go on. */
  onLeaving(uid: string): void
}

export function createPreemptor({ state, queue, writer, logger, current }: PreemptorOptions): Preemptor {
  /** By the key of the pod that waits: uids of victims of which nobody has heard yet that they are ending. */
  const unheard = new Map<string, Set<string>>()

  /** Pods of lower priority that were promised the same node look for another one. */
  const withdrawLower = async (pod: PodInfo, node: string): Promise<void> => {
    const lower = state.nominations.on(node).filter(({ priority }) => priority < pod.priority)
    for (const { key } of lower) {
      state.nominations.delete(key)
      queue.wake(key)
    }
    for (const other of lower) {
      const known = current(other)
      if (known !== undefined) await writer.withdraw(known)
    }
  }

  return {
    async carryOut(pod, { node, victims }) {
      state.nominations.set(pod, node.name)
      const alive = victims.filter(({ isTerminating }) => !isTerminating)
      if (alive.length === 0) return
      queue.hold(pod.key)
      const waitingFor = new Set(alive.map(({ uid }) => uid))
      unheard.set(pod.key, waitingFor)
      try {
        await withdrawLower(pod, node.name)
        await Promise.all(alive.map((victim) => writer.preempt(current(victim) ?? victim.pod, pod.pod, node.name)))
      } catch (error) {
        logger.debug({ err: error, pod: pod.key, node: node.name }, 'pods could not be preempted; trying again')
        if (unheard.get(pod.key) !== waitingFor) return
        unheard.delete(pod.key)
        queue.release(pod.key, true)
      }
    },

    onLeaving(uid) {
      for (const [key, uids] of unheard) {
        if (!uids.delete(uid) || uids.size > 0) continue
        unheard.delete(key)
        queue.release(key, false)
      }
    },
  }
}
