import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPodActive } from '../../../src/api/pod-readiness.ts'
import type { DeploymentSpec } from '../../../src/api/types/apps-v1.gen.ts'
import { RolloutWorld, seededRandom, template } from './rollout-world.ts'

const STEPS = 250
const SEEDS = Number(process.env.ROLLOUT_SEEDS ?? 150)
const FIRST = Number(process.env.ROLLOUT_SEED ?? 1)

function randomSpec(random: () => number): Omit<DeploymentSpec, 'selector' | 'template'> {
  const amount = (): number | string => (random() < 0.5 ? Math.floor(random() * 4) : `${Math.floor(random() * 100)}%`)
  const recreate = random() < 0.15
  return {
    replicas: Math.floor(random() * 12),
    minReadySeconds: 0,
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: Math.floor(random() * 4),
    strategy: recreate
      ? { type: 'Recreate' }
      : { type: 'RollingUpdate', rollingUpdate: { maxSurge: amount(), maxUnavailable: amount() } },
  }
}

/** One step of somebody: the user, a controller, the kubelet, or time. */
async function randomStep(world: RolloutWorld, faults: boolean): Promise<void> {
  const { random } = world
  const dice = random()
  if (dice < 0.02) world.changeSpec({ replicas: Math.floor(random() * 12) })
  else if (dice < 0.05) world.changeSpec({ template: template(`v${1 + Math.floor(random() * 4)}`) })
  else if (dice < 0.06) world.changeSpec({ paused: world.deployment.spec?.paused !== true })
  else if (dice < 0.25) world.syncDeployment(random() < 0.1 ? Math.floor(random() * 3) : undefined)
  else if (dice < 0.4) {
    const replicaSet = world.pick([...world.replicaSets.values()])
    if (replicaSet !== undefined) world.refresh(replicaSet)
  } else if (dice < 0.6) {
    const replicaSet = world.pick([...world.replicaSets.values()])
    if (replicaSet !== undefined) world.syncReplicaSet(replicaSet)
  } else if (dice < 0.95) {
    const pod = world.pick([...world.pods.values()])
    if (pod !== undefined) world.kubelet(pod, faults)
  } else await world.clock.advance(Math.floor(random() * 3_000))
  world.check()
}

async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const faults = seed % 2 === 0
  const initial = randomSpec(random)
  // Recreate takes all down first; with faults anything may stop serving.
  const world = new RolloutWorld(random, initial, !faults && initial.strategy?.type !== 'Recreate')
  for (let i = 0; i < STEPS; i++) await randomStep(world, faults)
  world.changeSpec({ paused: false, minReadySeconds: seed % 3 === 0 ? 5 : 0 })
  await world.settle()
  const { spec, status, metadata } = world.deployment
  const desired = spec?.replicas ?? 0
  const active = [...world.pods.values()].filter(isPodActive)
  assert.equal(active.length, desired, 'pods after all has settled')
  assert.ok(active.every((pod) => pod.spec?.containers[0]?.image === spec?.template.spec?.containers[0]?.image))
  assert.equal(status?.availableReplicas, desired)
  assert.equal(status?.updatedReplicas, desired)
  assert.equal(status?.observedGeneration, metadata?.generation)
  assert.equal(status?.conditions?.find(({ type }) => type === 'Progressing')?.reason, 'NewReplicaSetAvailable')
  const old = [...world.replicaSets.values()].filter((set) => (set.spec?.replicas ?? 0) === 0 && desired > 0)
  assert.ok(old.length <= (spec?.revisionHistoryLimit ?? 10), 'the history limit')
}

test('rollouts stay within their bounds at every instant and come to rest, whatever happens in whichever order', async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      await simulate(seed)
    } catch (error) {
      const again = `ROLLOUT_SEED=${seed} ROLLOUT_SEEDS=1 node --test test/unit/controllers/rollout-simulation.test.ts`
      throw new Error(`seed ${seed} fails; repeat with: ${again}`, { cause: error })
    }
  }
})
