import { objectKey } from '../../api/object.ts'
import { isPodTerminal } from '../../api/pod-readiness.ts'
import type { Namespace, Node, Pod } from '../../api/types/core-v1.gen.ts'
import type { Change } from '../../client/informer.ts'
import type { ClusterState } from './cluster/cluster-state.ts'
import { podInfoOf } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'
import type { SchedulingQueue } from './queue/scheduling-queue.ts'
import { withdrawPromise } from './withdraw-promise.ts'

const SCHEDULER_NAME = 'default-scheduler'

export interface ClusterFollowerOptions {
  readonly state: ClusterState
  readonly queue: SchedulingQueue
  /** Uids of pods that were given a node which the API does not show yet, by key. */
  readonly assumed: Map<string, string>
  readonly emit: (event: ClusterEvent) => void
  /** A pod of this uid is ending or gone. */
  readonly onLeaving: (uid: string) => void
}

/** Turns changes of the API's objects into changes of the state, of the queue, and into events that wake pods. */
export interface ClusterFollower {
  onNode(change: Change<Node>): void
  onPod(change: Change<Pod>): void
  onNamespace(change: Change<Namespace>): void
}

function nodeAspects({ metadata, spec, status }: Node): string {
  return JSON.stringify([metadata?.labels, spec?.taints, spec?.unschedulable, status?.allocatable])
}

/** Whether two versions of a pod are the same to the scheduler. A new spec has a new generation. */
function isSame(a: Pod, b: Pod): boolean {
  const [x, y] = [a.metadata, b.metadata]
  return (
    x?.uid === y?.uid &&
    x?.generation === y?.generation &&
    (x?.generation !== undefined || JSON.stringify(a.spec) === JSON.stringify(b.spec)) &&
    x?.deletionTimestamp === y?.deletionTimestamp &&
    JSON.stringify(x?.labels) === JSON.stringify(y?.labels)
  )
}

export function createClusterFollower(options: ClusterFollowerOptions): ClusterFollower {
  const { state, queue, assumed, emit, onLeaving } = options

  const forget = (pod: Pod): void => {
    const key = objectKey(pod)
    assumed.delete(key)
    queue.remove(key)
    if (state.nominations.nodeOf(key) !== undefined) withdrawPromise(podInfoOf(pod), state, emit)
    const place = state.removePod(key)
    if (place !== undefined) emit({ kind: 'podRemoved', ...place })
  }

  const placed = (pod: Pod, nodeName: string): void => {
    const key = objectKey(pod)
    queue.remove(key)
    state.nominations.delete(key)
    const wasAssumed = assumed.delete(key)
    const known = state.placeOf(key)
    if (known !== undefined && known.node.name === nodeName && isSame(known.pod.pod, pod)) {
      if (known.pod.pod.status?.startTime !== pod.status?.startTime) state.refreshPod(pod)
      if (wasAssumed) emit({ kind: 'podAdded', ...known })
      return
    }
    const info = podInfoOf(pod)
    state.setPod(info, nodeName)
    const { node } = state.placeOf(key)!
    if (known === undefined || wasAssumed) emit({ kind: 'podAdded', pod: info, node })
    else emit({ kind: 'podChanged', pod: info, previous: known.pod, node })
  }

  const unplaced = (pod: Pod, previous: Pod | undefined): void => {
    const key = objectKey(pod)
    // It is being bound: what became of that comes first.
    if (assumed.has(key)) return
    const isOurs = (pod.spec?.schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME
    if (!isOurs || pod.metadata?.deletionTimestamp !== undefined || isPodTerminal(pod)) {
      forget(pod)
      return
    }
    const mayHelp = previous !== undefined && !isSame(previous, pod)
    if (mayHelp || !queue.has(key)) queue.set(podInfoOf(pod), mayHelp)
    const info = queue.find(key)
    if (info === undefined) return
    const promise = pod.status?.nominatedNodeName ?? ''
    if (promise === (previous?.status?.nominatedNodeName ?? '')) {
      const node = state.nominations.nodeOf(key)
      if (mayHelp && node !== undefined) state.nominations.set(info, node)
    } else if (promise === '') withdrawPromise(info, state, emit)
    else state.nominations.set(info, promise)
  }

  return {
    onNode(change) {
      const name = change.object.metadata?.name ?? ''
      if (change.type === 'deleted') {
        state.removeNode(name)
        emit({ kind: 'nodeRemoved', name })
        return
      }
      const previous = state.node(name)?.node
      const node = state.setNode(change.object)
      if (previous !== undefined && nodeAspects(previous) === nodeAspects(change.object)) return
      emit({ kind: 'nodeChanged', node, previous })
    },

    onPod(change) {
      const { object: pod } = change
      const isLeaving = change.type === 'deleted' || pod.metadata?.deletionTimestamp !== undefined
      if (change.type === 'deleted') forget(pod)
      else {
        const previous = change.type === 'modified' ? change.previous : undefined
        const nodeName = pod.spec?.nodeName ?? ''
        if (nodeName === '') unplaced(pod, previous)
        else if (isPodTerminal(pod)) forget(pod)
        else placed(pod, nodeName)
      }
      if (isLeaving) onLeaving(pod.metadata?.uid ?? '')
    },

    onNamespace(change) {
      const name = change.object.metadata?.name ?? ''
      if (change.type === 'deleted') return state.setNamespace(name, undefined)
      const labels = change.object.metadata?.labels ?? {}
      if (JSON.stringify(labels) === JSON.stringify(state.namespaceLabels(name))) return
      state.setNamespace(name, labels)
      emit({ kind: 'namespaceChanged', name })
    },
  }
}
