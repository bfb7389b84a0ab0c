import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { podInfoOf } from '../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { decide } from '../../../src/controlplane/scheduler/decide.ts'
import { planPreemption } from '../../../src/controlplane/scheduler/preemption/plan-preemption.ts'
import { readyFilters, refusalOf } from '../../../src/controlplane/scheduler/run-filters.ts'
import { arbitraryCluster, arbitraryPod, randomOf, stateOf } from './arbitrary-cluster.ts'
import { arbitraryStep, live } from './arbitrary-history.ts'
import { summaryOf } from './cluster/state-summary.ts'
import { type NaiveCluster, naiveFit } from './naive-fit.ts'

/** A pod that is not one of those that stand already. */
const newcomer: fc.Arbitrary<Pod> = arbitraryPod.map((pod) => ({
  ...pod,
  metadata: { ...pod.metadata, name: 'newcomer', uid: 'newcomer' },
}))

function naivePlaces(pod: Pod, cluster: NaiveCluster): readonly string[] {
  return cluster.nodes
    .filter((node) => naiveFit(pod, node, cluster))
    .map(({ metadata }) => metadata?.name ?? '')
    .sort()
}

describe('decisions', () => {
  test('the filters let pass exactly the nodes that a naive reading of the API lets pass', () => {
    fc.assert(
      fc.property(arbitraryCluster, newcomer, (cluster, pod) => {
        const state = stateOf(cluster)
        const info = podInfoOf(pod)
        const ready = readyFilters(info, state)
        const passed = state.nodes.filter((node) => refusalOf(info, node, ready, state) === undefined)
        assert.deepEqual(passed.map(({ name }) => name).sort(), naivePlaces(pod, cluster))
      }),
      { numRuns: 3_000 },
    )
  })

  test('so they do after any history, whatever was asked on the way', () => {
    const newcomers = fc.array(newcomer, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(fc.array(arbitraryStep, { maxLength: 60, size: 'max' }), newcomers, (steps, pods) => {
        const infos = pods.map(podInfoOf)
        const { state, cluster } = live(steps, (asked) => {
          for (const info of infos) decide(info, asked, { start: 0, random: () => 0 })
        })
        for (const [i, info] of infos.entries()) {
          const ready = readyFilters(info, state)
          const passed = state.nodes.filter((node) => refusalOf(info, node, ready, state) === undefined)
          assert.deepEqual(passed.map(({ name }) => name).sort(), naivePlaces(pods[i]!, cluster))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('a pod is placed where it fits, and waits only when it fits nowhere', () => {
    fc.assert(
      fc.property(arbitraryCluster, newcomer, fc.nat(10), fc.nat(), (cluster, pod, start, seed) => {
        const decision = decide(podInfoOf(pod), stateOf(cluster), { start, random: randomOf(seed) })
        const places = naivePlaces(pod, cluster)
        if (decision.kind === 'wait') assert.deepEqual(places, [])
        else assert.ok(places.includes(decision.node.name))
      }),
      { numRuns: 1_000 },
    )
  })

  test('pods that are placed one after the other, each still fits beside the others it was placed with', () => {
    fc.assert(
      fc.property(arbitraryCluster, fc.array(newcomer, { maxLength: 8 }), fc.nat(), (cluster, pods, seed) => {
        const state = stateOf(cluster)
        const random = randomOf(seed)
        let start = 0
        let standing = cluster.pods
        for (const [i, each] of pods.entries()) {
          const pod: Pod = { ...each, metadata: { ...each.metadata, name: `newcomer-${i}`, uid: `newcomer-${i}` } }
          const info = podInfoOf(pod)
          const decision = decide(info, state, { start, random })
          const places = naivePlaces(pod, { ...cluster, pods: standing })
          start = decision.nextStart
          if (decision.kind === 'wait') assert.deepEqual(places, [])
          else {
            assert.ok(places.includes(decision.node.name))
            state.setPod(info, decision.node.name)
            standing = [...standing, { pod, nodeName: decision.node.name }]
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('follow from the state, the start and chance alone, and change nothing', () => {
    fc.assert(
      fc.property(arbitraryCluster, newcomer, fc.nat(10), fc.nat(), (cluster, pod, start, seed) => {
        const info = podInfoOf(pod)
        const results = [1, 2].map(() => {
          const state = stateOf(cluster)
          const before = summaryOf(state)
          const random = randomOf(seed)
          const decision = decide(info, state, { start, random })
          const plan = decision.kind === 'wait' ? planPreemption(info, decision, state, [], random) : undefined
          assert.deepEqual(summaryOf(state), before)
          return {
            kind: decision.kind,
            node: decision.kind === 'place' ? decision.node.name : undefined,
            refused: decision.kind === 'wait' ? decision.refused.map(({ node, refusal }) => [node.name, refusal]) : [],
            victims: plan?.kind === 'candidate' ? [plan.node.name, ...plan.victims.map(({ key }) => key)] : plan,
          }
        })
        assert.deepEqual(results[0], results[1])
      }),
      { numRuns: 500 },
    )
  })

  test('without the pods that are to be taken away for it, a pod fits; all of them are less important', () => {
    fc.assert(
      fc.property(arbitraryCluster, newcomer, fc.nat(), (cluster, pod, seed) => {
        const state = stateOf(cluster)
        const info = podInfoOf(pod)
        const decision = decide(info, state, { start: 0, random: randomOf(seed) })
        if (decision.kind === 'place') return
        const plan = planPreemption(info, decision, state, [], randomOf(seed))
        if (plan.kind === 'none') return
        const victims = new Set(plan.victims.map(({ key }) => key))
        const pods = cluster.pods.filter(
          ({ pod: { metadata } }) => !victims.has(`${metadata?.namespace}/${metadata?.name}`),
        )
        assert.ok(victims.size > 0)
        assert.ok(plan.victims.every(({ priority }) => priority < info.priority))
        assert.ok(naivePlaces(pod, { ...cluster, pods }).includes(plan.node.name))
      }),
      { numRuns: 1_500 },
    )
  })
})
