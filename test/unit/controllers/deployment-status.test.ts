import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Deployment, DeploymentSpec, DeploymentStatus } from '../../../src/api/types/apps-v1.gen.ts'
import { planDeployment } from '../../../src/controlplane/controllers/deployment/plan-deployment.ts'
import { templateHash } from '../../../src/controlplane/controllers/deployment/template-hash.ts'
import { condition, deployment, observation, plan, type SetParts, setOf, template } from './deployment-fixture.ts'
import { ago, NOW } from './objects.ts'

function withStatus(owner: Deployment, status: DeploymentStatus): Deployment {
  return { ...owner, status }
}

/** The Progressing condition as it stood so many seconds ago. */
function progressing(reason: string, secondsAgo: number, status = 'True'): DeploymentStatus {
  const at = ago(secondsAgo)
  const message = 'as before'
  return { conditions: [{ type: 'Progressing', status, reason, message, lastUpdateTime: at, lastTransitionTime: at }] }
}

function planned(spec: Partial<DeploymentSpec>, status: DeploymentStatus, sets: readonly SetParts[]) {
  const owner = withStatus(deployment('two', 3, spec), status)
  return plan(
    owner,
    sets.map((parts) => setOf(owner, parts)),
  )
}

describe('counts', () => {
  test('are summed over all ReplicaSets; updated ones are of the newest template', () => {
    const owner = deployment('two', 4)
    const one = setOf(owner, { image: 'one', size: 3, available: 2 })
    const two = setOf(owner, { image: 'two', size: 2, replicas: 2, available: 1 })
    const { status } = plan(owner, [one, { ...two, status: { ...two.status!, terminatingReplicas: 1 } }])
    const { conditions: _, ...counts } = status
    assert.deepEqual(counts, {
      observedGeneration: 3,
      replicas: 5,
      updatedReplicas: 2,
      readyReplicas: 3,
      availableReplicas: 3,
      unavailableReplicas: 1,
      terminatingReplicas: 1,
    })
  })
})

describe('Available', () => {
  for (const [available, want] of [
    [3, 'True MinimumReplicasAvailable: Deployment has minimum availability.'],
    [2, 'False MinimumReplicasUnavailable: Deployment does not have minimum availability.'],
  ] as const) {
    test(`with ${available} of at least 3`, () => {
      assert.equal(condition(planned({}, {}, [{ image: 'two', size: 3, available }]), 'Available'), want)
    })
  }
})

describe('Progressing', () => {
  const name = `web-${templateHash(template('two'), 0)}`
  test('a new ReplicaSet was made', () => {
    assert.equal(
      condition(planned({}, {}, []), 'Progressing'),
      `True NewReplicaSetCreated: Created new replica set "${name}"`,
    )
  })
  test('one that was there is found', () => {
    assert.equal(
      condition(
        planned({}, { replicas: 3, updatedReplicas: 3 }, [{ image: 'two', size: 3, available: 0 }]),
        'Progressing',
      ),
      'True FoundNewReplicaSet: Found new replica set "web-two"',
    )
  })
  test('one that could not be made', () => {
    const owner = deployment('two', 3)
    const createFailure = `Failed to create new replica set "${name}": exceeded quota`
    const failed = planDeployment(owner, { ...observation([]), createFailure }, NOW)
    assert.equal(condition(failed, 'Progressing'), `False ReplicaSetCreateError: ${createFailure}`)
  })
  test('more pods than before are progress, and count from now', () => {
    const result = planned({}, progressing('ReplicaSetUpdated', 500), [{ image: 'two', size: 3, available: 1 }])
    assert.equal(condition(result, 'Progressing'), 'True ReplicaSetUpdated: ReplicaSet "web-two" is progressing.')
    assert.equal(result.status.conditions?.find(({ type }) => type === 'Progressing')?.lastUpdateTime, ago(0))
    assert.equal(result.status.conditions?.find(({ type }) => type === 'Progressing')?.lastTransitionTime, ago(500))
    assert.equal(result.recheckAt, NOW + 601_000)
  })
  test('all replicas new and available is the end', () => {
    const result = planned({}, progressing('ReplicaSetUpdated', 5), [{ image: 'two', size: 3 }])
    assert.equal(
      condition(result, 'Progressing'),
      'True NewReplicaSetAvailable: ReplicaSet "web-two" has successfully progressed.',
    )
    assert.equal(result.recheckAt, undefined)
  })

  const stuck = { replicas: 3, updatedReplicas: 3, readyReplicas: 1, availableReplicas: 1 }
  const sets = [{ image: 'two', size: 3, available: 1 }]
  const timedOut = 'False ProgressDeadlineExceeded: ReplicaSet "web-two" has timed out progressing.'
  for (const { what, spec, status, want } of [
    {
      what: 'no progress within the deadline',
      spec: {},
      status: progressing('ReplicaSetUpdated', 601),
      want: timedOut,
    },
    {
      what: 'no progress yet',
      spec: {},
      status: progressing('ReplicaSetUpdated', 599),
      want: 'True ReplicaSetUpdated: as before',
    },
    {
      what: 'a deadline of its own',
      spec: { progressDeadlineSeconds: 10 },
      status: progressing('NewReplicaSetCreated', 11),
      want: timedOut,
    },
    {
      what: 'a rollout that was complete once never times out',
      spec: {},
      status: progressing('NewReplicaSetAvailable', 9_999),
      want: 'True NewReplicaSetAvailable: as before',
    },
    {
      what: 'a paused one never times out',
      spec: { paused: true },
      status: progressing('DeploymentPaused', 9_999, 'Unknown'),
      want: 'Unknown DeploymentPaused: as before',
    },
    {
      what: 'a failed creation times out too',
      spec: {},
      status: progressing('ReplicaSetCreateError', 601, 'False'),
      want: timedOut,
    },
    {
      what: 'without a deadline there is no such condition',
      spec: { progressDeadlineSeconds: 2 ** 31 - 1 },
      status: progressing('ReplicaSetUpdated', 9_999),
      want: '',
    },
  ]) {
    test(what, () => assert.equal(condition(planned(spec, { ...stuck, ...status }, sets), 'Progressing'), want))
  }

  test('pausing and resuming are told, and the deadline counts anew', () => {
    const paused = planned({ paused: true }, { ...stuck, ...progressing('ReplicaSetUpdated', 599) }, sets)
    assert.equal(condition(paused, 'Progressing'), 'Unknown DeploymentPaused: Deployment is paused')
    assert.equal(paused.recheckAt, undefined)
    const resumed = planned({}, { ...stuck, ...progressing('DeploymentPaused', 9_999, 'Unknown') }, sets)
    assert.equal(condition(resumed, 'Progressing'), 'Unknown DeploymentResumed: Deployment is resumed')
    assert.equal(resumed.recheckAt, NOW + 601_000)
  })
  test('after the deadline progress makes it whole again', () => {
    const before = { ...stuck, ...progressing('ProgressDeadlineExceeded', 100, 'False') }
    const after = planned({}, before, [{ image: 'two', size: 3, available: 2 }])
    assert.equal(condition(after, 'Progressing'), 'True ReplicaSetUpdated: ReplicaSet "web-two" is progressing.')
    assert.equal(condition(planned({}, before, sets), 'Progressing'), 'False ProgressDeadlineExceeded: as before')
  })
})

describe('ReplicaFailure', () => {
  test('is shown as the ReplicaSet tells it, and goes with it', () => {
    const owner = deployment('two', 3)
    const two = setOf(owner, { image: 'two', size: 3, replicas: 1 })
    const failure = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' }
    const failing = plan(owner, [{ ...two, status: { ...two.status!, conditions: [failure] } }])
    assert.equal(condition(failing, 'ReplicaFailure'), 'True FailedCreate: exceeded quota')
    const healed = plan(withStatus(owner, failing.status), [two])
    assert.equal(condition(healed, 'ReplicaFailure'), '')
  })
})

test('the same input gives the same status again: no write without a change', () => {
  for (const sets of [
    [],
    [{ image: 'two', size: 3 }],
    [
      { image: 'one', size: 3 },
      { image: 'two', size: 1 },
    ],
  ]) {
    for (const spec of [{}, { paused: true }, { strategy: { type: 'Recreate' } }]) {
      const first = planned(spec, {}, sets)
      const second = planned(spec, first.status, sets)
      const third = planned(spec, second.status, sets)
      assert.deepEqual(third.status, second.status)
    }
  }
})
