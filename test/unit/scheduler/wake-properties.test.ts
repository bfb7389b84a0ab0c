import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Namespace, Node, Pod } from '../../../src/api/types/core-v1.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { ClusterState } from '../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podInfoOf } from '../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { type Decision, decide } from '../../../src/controlplane/scheduler/decide.ts'
import { createClusterFollower } from '../../../src/controlplane/scheduler/follow-cluster.ts'
import { planPreemption } from '../../../src/controlplane/scheduler/preemption/plan-preemption.ts'
import { SchedulingQueue } from '../../../src/controlplane/scheduler/queue/scheduling-queue.ts'
import { RefusalMemo } from '../../../src/controlplane/scheduler/refusal-memo.ts'
import { filtersOf, wakePods } from '../../../src/controlplane/scheduler/wake-pods.ts'
import { arbitraryPod } from './arbitrary-cluster.ts'
import { arbitraryStep, type Step } from './arbitrary-history.ts'

/** What cannot change in a pod that is on a node. */
function fixedPart({ spec }: Pod): string {
  const containers = spec?.containers.map(({ resources: _, ...container }) => container)
  return JSON.stringify({ ...spec, containers })
}

/** The scheduler's view of an API that changes step by step. */
class World {
  readonly state = new ClusterState()
  readonly queue = new SchedulingQueue(new VirtualClock(0), () => undefined)
  readonly memo = new RefusalMemo()
  readonly #nodes = new Map<string, Node>()
  readonly #pods = new Map<string, Pod>()
  readonly #follower = createClusterFollower({
    state: this.state,
    queue: this.queue,
    assumed: new Map(),
    emit: (event) => wakePods(event, this.queue, this.memo, this.state),
    onLeaving: () => undefined,
  })

  apply(step: Step): void {
    switch (step.kind) {
      case 'setNode':
        this.#set(this.#nodes, step.node.metadata?.name ?? '', step.node, (change) => this.#follower.onNode(change))
        break
      case 'removeNode':
        this.#remove(this.#nodes, step.name, (change) => this.#follower.onNode(change))
        break
      case 'setPod': {
        const bound: Pod = { ...step.pod, spec: { ...step.pod.spec!, nodeName: step.on } }
        const key = `${bound.metadata?.namespace}/${bound.metadata?.name}`
        const onPod = this.#follower.onPod
        // Labels and requests of a pod may change, nothing else: otherwise it is another one.
        const known = this.#pods.get(key)
        if (known !== undefined && fixedPart(known) !== fixedPart(bound)) this.#remove(this.#pods, key, onPod)
        this.#set(this.#pods, key, bound, onPod)
        break
      }
      case 'removePod':
        this.#remove(this.#pods, `${step.pod.metadata?.namespace}/${step.pod.metadata?.name}`, this.#follower.onPod)
        break
      case 'setNamespace': {
        const { name, labels } = step
        // Only an empty namespace goes away, and then nobody is affected.
        if (labels === undefined) break
        const object: Namespace = { metadata: { name, labels: { ...labels } } }
        this.#follower.onNamespace({ type: 'added', object })
        break
      }
      case 'ask':
    }
  }

  #set<T>(
    objects: Map<string, T>,
    key: string,
    object: T,
    tell: (change: { type: 'added'; object: T } | { type: 'modified'; object: T; previous: T }) => void,
  ): void {
    const previous = objects.get(key)
    objects.set(key, object)
    tell(previous === undefined ? { type: 'added', object } : { type: 'modified', object, previous })
  }

  #remove<T>(objects: Map<string, T>, key: string, tell: (change: { type: 'deleted'; object: T }) => void): void {
    const object = objects.get(key)
    objects.delete(key)
    if (object !== undefined) tell({ type: 'deleted', object })
  }
}

test('a waiting pod is woken by every change after which it has a place, and its refusal is forgotten', () => {
  let placed = 0
  fc.assert(
    fc.property(
      fc.array(arbitraryStep, { maxLength: 20, size: 'max' }),
      fc.array(arbitraryStep, { maxLength: 60, size: 'max' }),
      arbitraryPod,
      (before, after, pod) => {
        const world = new World()
        const { state, queue, memo } = world
        try {
          for (const step of before) world.apply(step)
          const { deletionTimestamp: _, ...metadata } = pod.metadata ?? {}
          const info = podInfoOf({ ...pod, metadata: { ...metadata, name: 'waits', uid: 'waits' } })
          const judge = (): Decision => decide(info, state, { start: 0, random: () => 0 })
          const wait = (): boolean => {
            const decision = judge()
            if (decision.kind === 'place') return false
            queue.wait({ key: info.key, pod: info, order: 0, attempts: 1 }, filtersOf(decision))
            const plan = planPreemption(info, decision, state, [], () => 0)
            memo.clear()
            if (plan.kind === 'none') memo.set({ pod: info, refusedBy: filtersOf(decision), message: '' })
            return true
          }
          let isWaiting = wait()
          for (const step of after) {
            world.apply(step)
            const isWoken = queue.counts.waiting === 0
            if (isWaiting && judge().kind === 'place') {
              placed += 1
              assert.ok(isWoken, 'it has a place and sleeps on')
              assert.equal(memo.get(info), undefined)
            }
            if (isWaiting && !isWoken) continue
            queue.remove(info.key)
            isWaiting = wait()
          }
        } finally {
          queue.close()
        }
      },
    ),
    { numRuns: 1_000 },
  )
  assert.ok(placed > 300, `${placed} of the pods got a place`)
})
