import assert from 'node:assert/strict'
import { isPodActive, isPodAvailable, isPodReady, isPodTerminal } from '../../../src/api/pod-readiness.ts'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../../src/api/types/apps-v1.gen.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import {
  type DeploymentPlan,
  planDeployment,
} from '../../../src/controlplane/controllers/deployment/plan-deployment.ts'
import { boundsOf } from '../../../src/controlplane/controllers/deployment/working-set.ts'
import { controllerOf } from '../../../src/controlplane/controllers/owner-references.ts'
import { planReplicaSet } from '../../../src/controlplane/controllers/replica-set/plan-replica-set.ts'
import { podFromTemplate } from '../../../src/controlplane/controllers/replica-set/pod-from-template.ts'
import { isoSeconds } from '../../../src/controlplane/controllers/timestamp.ts'

/** Repeatable randomness: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** What a ReplicaSet's controller sees: as late as the last refresh. */
interface View {
  pods: readonly Pod[]
  /** It has written since the last refresh. */
  writesInFlight: boolean
}

/**
 * One Deployment, its ReplicaSets and pods, moved on by the real planners and a make-believe kubelet, one small step at a
 * time. After each step the bounds of a rollout are checked.
 */
export class RolloutWorld {
  readonly clock = new VirtualClock()
  readonly random: () => number
  deployment: Deployment
  readonly replicaSets = new Map<string, ReplicaSet>()
  readonly pods = new Map<string, Pod>()
  readonly #views = new Map<string, View>()
  /** No more pods than this: the Deployment's maximum, or what there was when it became smaller. */
  #ceiling: number
  /** No fewer pods seen to serve than this, once reached. */
  #floor = 0
  readonly #checkFloor: boolean
  #counter = 0

  constructor(random: () => number, spec: Omit<DeploymentSpec, 'selector' | 'template'>, checkFloor: boolean) {
    this.random = random
    this.#checkFloor = checkFloor
    this.deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace: 'default', name: 'web', uid: 'deployment', generation: 1 },
      spec: { ...spec, selector: { matchLabels: { app: 'web' } }, template: template('v1') },
    }
    this.#ceiling = boundsOf(this.deployment).max
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)]
  }

  changeSpec(change: Partial<DeploymentSpec>): void {
    const before = boundsOf(this.deployment)
    const { metadata, spec } = this.deployment
    this.deployment = {
      ...this.deployment,
      metadata: { ...metadata, generation: (metadata?.generation ?? 0) + 1 },
      spec: { ...spec!, ...change },
    }
    const after = boundsOf(this.deployment)
    this.#ceiling = Math.max(this.#ceiling, before.max, after.max)
    // A smaller size is shared out in proportion, whichever pods serve at that moment.
    if (after.desired < before.desired) this.#floor = 0
  }

  plan(): DeploymentPlan {
    const sets = [...this.replicaSets.values()]
    const podsByReplicaSet = new Map(
      sets.map(({ metadata }) => [
        metadata!.uid!,
        [...this.pods.values()].filter((pod) => owner(pod) === metadata!.uid),
      ]),
    )
    const plan = planDeployment(this.deployment, { replicaSets: sets, podsByReplicaSet }, this.clock.now())
    const shuffled = planDeployment(
      this.deployment,
      { replicaSets: sets.reverse(), podsByReplicaSet },
      this.clock.now(),
    )
    assert.deepEqual(shuffled, plan, 'the plan depends on the order of its input')
    return plan
  }

  /** Carries out the Deployment's plan, or only its first `most` actions, as if its controller had died then. */
  syncDeployment(most = Number.POSITIVE_INFINITY): void {
    const plan = this.plan()
    for (const [i, action] of plan.actions.entries()) {
      if (i >= most) return
      switch (action.kind) {
        case 'createReplicaSet':
          this.#createReplicaSet(action.replicaSet)
          break
        case 'updateReplicaSet':
          this.#updateReplicaSet(action.replicaSet)
          break
        case 'deleteReplicaSet':
          assert.equal(
            this.#podsOf(action.replicaSet).filter(isPodActive).length,
            0,
            'a ReplicaSet with pods was deleted',
          )
          this.replicaSets.delete(action.replicaSet.metadata!.name!)
          break
        case 'setRevision': {
          const { metadata } = this.deployment
          const annotations = { ...metadata?.annotations, 'deployment.kubernetes.io/revision': action.revision }
          this.deployment = { ...this.deployment, metadata: { ...metadata, annotations } }
        }
      }
      this.check()
    }
    this.deployment = { ...this.deployment, status: plan.status }
    const again = this.plan()
    assert.deepEqual(again.actions, [], 'planning again after applying gives actions')
    assert.deepEqual(again.status, plan.status, 'planning again after applying gives another status')
  }

  syncReplicaSet(replicaSet: ReplicaSet): void {
    const uid = replicaSet.metadata!.uid!
    const view = this.#views.get(uid) ?? { pods: [], writesInFlight: false }
    this.#views.set(uid, view)
    const observed = { pods: view.pods, related: view.pods.filter(isPodActive), writesInFlight: view.writesInFlight }
    const plan = planReplicaSet(replicaSet, observed, this.clock.now())
    const backwards = { ...observed, pods: [...view.pods].reverse() }
    assert.deepEqual(planReplicaSet(replicaSet, backwards, this.clock.now()), plan, 'the order of pods matters')
    for (const action of plan.actions) {
      if (action.kind === 'createPods') for (let i = 0; i < action.count; i++) this.#createPod(replicaSet)
      else for (const pod of action.pods) this.#deletePod(pod)
      view.writesInFlight = true
    }
    const { status } = planReplicaSet(
      replicaSet,
      { ...observed, writesInFlight: view.writesInFlight },
      this.clock.now(),
    )
    this.replicaSets.set(replicaSet.metadata!.name!, { ...replicaSet, status })
  }

  /** The ReplicaSet's controller catches up with everything that has happened. */
  refresh(replicaSet: ReplicaSet): void {
    this.#views.set(replicaSet.metadata!.uid!, { pods: this.#podsOf(replicaSet), writesInFlight: false })
  }

  /** The kubelet moves one pod on: it starts, becomes ready, ends when told to; with `faults` it also fails. */
  kubelet(pod: Pod, faults: boolean): void {
    const name = pod.metadata!.name!
    if (pod.metadata?.deletionTimestamp !== undefined || isPodTerminal(pod)) {
      if (pod.metadata?.deletionTimestamp !== undefined) this.pods.delete(name)
      return
    }
    const dice = this.random()
    if (faults && dice < 0.08) this.#setStatus(pod, 'Failed', false)
    else if (faults && dice < 0.2) this.#setStatus(pod, 'Running', !isPodReady(pod))
    else if (pod.status?.phase !== 'Running') this.#setStatus(pod, 'Running', this.random() < 0.5)
    else if (!isPodReady(pod)) this.#setStatus(pod, 'Running', true)
  }

  check(): void {
    const bounds = boundsOf(this.deployment)
    const pods = [...this.pods.values()]
    const active = pods.filter(isPodActive)
    assert.ok(active.length <= this.#ceiling, `${active.length} pods, at most ${this.#ceiling} may be`)
    const possible = [...this.replicaSets.values()].reduce((total, replicaSet) => {
      const own = active.filter((pod) => owner(pod) === replicaSet.metadata?.uid).length
      return total + Math.max(own, replicaSet.spec?.replicas ?? 0)
    }, 0)
    this.#ceiling = Math.max(bounds.max, Math.min(this.#ceiling, possible))
    for (const pod of active) {
      const known = [...this.replicaSets.values()].some(({ metadata }) => metadata?.uid === owner(pod))
      assert.ok(known, `pod ${pod.metadata?.name} has no ReplicaSet`)
    }
    if (!this.#checkFloor) return
    const serving = active.filter((pod) => isPodAvailable(pod, 0, this.clock.now())).length
    assert.ok(serving >= this.#floor, `${serving} pods serve, at least ${this.#floor} must`)
    const seen = [...this.replicaSets.values()].reduce(
      (total, { spec, status }) => total + Math.min(spec?.replicas ?? 0, status?.availableReplicas ?? 0),
      0,
    )
    const shared = [...this.replicaSets.values()].every(({ metadata, spec }) => {
      const remembered = metadata?.annotations?.['deployment.kubernetes.io/desired-replicas']
      return (spec?.replicas ?? 0) === 0 || remembered === String(bounds.desired)
    })
    const reached = shared ? Math.min(seen, serving) : 0
    this.#floor = Math.min(bounds.minAvailable, Math.max(this.#floor, reached))
  }

  /** Lets everything come to rest without faults; fails when it does not. */
  async settle(): Promise<void> {
    let quiet = 0
    for (let round = 0; round < 500; round++) {
      const before = JSON.stringify([this.deployment.status, [...this.replicaSets], [...this.pods]])
      this.syncDeployment()
      for (const replicaSet of [...this.replicaSets.values()]) {
        this.refresh(replicaSet)
        this.syncReplicaSet(replicaSet)
      }
      for (const pod of [...this.pods.values()]) this.kubelet(pod, false)
      this.check()
      await this.clock.advance(1_000)
      const after = JSON.stringify([this.deployment.status, [...this.replicaSets], [...this.pods]])
      // Readiness has to last for minReadySeconds.
      quiet = before === after ? quiet + 1 : 0
      if (quiet > (this.deployment.spec?.minReadySeconds ?? 0) + 2) return
    }
    assert.fail('it does not come to rest')
  }

  #podsOf(replicaSet: ReplicaSet): readonly Pod[] {
    return [...this.pods.values()].filter((pod) => owner(pod) === replicaSet.metadata?.uid)
  }

  #createReplicaSet(replicaSet: ReplicaSet): void {
    const name = replicaSet.metadata!.name!
    assert.ok(!this.replicaSets.has(name), `a second ReplicaSet ${name}`)
    const metadata = {
      ...replicaSet.metadata,
      uid: `rs-${++this.#counter}`,
      generation: 1,
      creationTimestamp: isoSeconds(this.clock.now()),
    }
    this.replicaSets.set(name, { ...replicaSet, metadata })
  }

  #updateReplicaSet(replicaSet: ReplicaSet): void {
    const name = replicaSet.metadata!.name!
    const before = this.replicaSets.get(name)
    const same = JSON.stringify(before?.spec) === JSON.stringify(replicaSet.spec)
    const generation = (before?.metadata?.generation ?? 0) + (same ? 0 : 1)
    this.replicaSets.set(name, { ...replicaSet, metadata: { ...replicaSet.metadata, generation } })
  }

  #createPod(replicaSet: ReplicaSet): void {
    const pod = podFromTemplate(replicaSet)
    const name = `${pod.metadata?.generateName}${++this.#counter}`
    const creationTimestamp = isoSeconds(this.clock.now())
    this.pods.set(name, {
      ...pod,
      metadata: { ...pod.metadata, name, uid: name, creationTimestamp },
      status: { phase: 'Pending' },
    })
    this.check()
  }

  #deletePod({ metadata }: Pod): void {
    const pod = this.pods.get(metadata!.name!)
    if (pod === undefined) return
    const deletionTimestamp = isoSeconds(this.clock.now())
    this.pods.set(metadata!.name!, { ...pod, metadata: { ...pod.metadata, deletionTimestamp } })
    this.check()
  }

  #setStatus(pod: Pod, phase: string, ready: boolean): void {
    const at = isoSeconds(this.clock.now())
    const before = pod.status?.conditions?.[0]
    const status = ready ? 'True' : 'False'
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : at
    const conditions = [{ type: 'Ready', status, lastTransitionTime }]
    this.pods.set(pod.metadata!.name!, {
      ...pod,
      spec: { ...pod.spec!, nodeName: 'node-1' },
      status: { phase, conditions },
    })
  }
}

function owner(pod: Pod): string | undefined {
  return controllerOf(pod)?.uid
}

export function template(image: string): DeploymentSpec['template'] {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } }
}
