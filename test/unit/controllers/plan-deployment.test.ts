import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DeploymentSpec } from '../../../src/api/types/apps-v1.gen.ts'
import { newestAnnotations } from '../../../src/controlplane/controllers/deployment/annotations.ts'
import { planDeployment } from '../../../src/controlplane/controllers/deployment/plan-deployment.ts'
import {
  sameTemplate,
  TEMPLATE_HASH_LABEL,
  templateHash,
} from '../../../src/controlplane/controllers/deployment/template-hash.ts'
import { boundsOf } from '../../../src/controlplane/controllers/deployment/working-set.ts'
import {
  DESIRED,
  deployment,
  MAX,
  observation,
  plan,
  REVISION,
  type SetParts,
  setOf,
  sizes,
  template,
} from './deployment-fixture.ts'
import { frozen, NOW, pod } from './objects.ts'

const rolling = (maxSurge: number | string, maxUnavailable: number | string): Partial<DeploymentSpec> => ({
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
})

interface Row {
  readonly name: string
  readonly replicas: number
  readonly spec?: Partial<DeploymentSpec>
  readonly sets: readonly SetParts[]
  readonly want: Readonly<Record<string, number>>
}

/** The wanted template is always `two`. */
function check({ name, replicas, spec = {}, sets, want }: Row): void {
  test(name, () => {
    const owner = deployment('two', replicas, spec)
    const members = sets.map((parts, i) => setOf(owner, { revision: i + 1, ...parts }))
    assert.deepEqual(sizes(members, plan(owner, members)), want)
    assert.deepEqual(sizes(members, plan(owner, [...members].reverse())), want)
  })
}

describe('bounds of a rollout', () => {
  for (const [replicas, surge, unavailable, max, minAvailable] of [
    [10, '25%', '25%', 13, 8],
    [4, '25%', '25%', 5, 3],
    [3, '25%', '25%', 4, 3],
    [1, '25%', '25%', 2, 1],
    [10, 0, 0, 10, 9],
    [10, '0%', '1%', 10, 9],
    [2, 0, 5, 2, 0],
    [0, '25%', '25%', 0, 0],
    [3, '100%', '100%', 6, 0],
  ] as const) {
    test(`${replicas} replicas, surge ${surge}, unavailable ${unavailable}: ${minAvailable} to ${max}`, () => {
      const bounds = boundsOf(deployment('two', replicas, rolling(surge, unavailable)))
      assert.deepEqual([bounds.max, bounds.minAvailable], [max, minAvailable])
    })
  }
  test('Recreate has neither surge nor unavailability', () => {
    const { max, minAvailable } = boundsOf(deployment('two', 4, { strategy: { type: 'Recreate' } }))
    assert.deepEqual([max, minAvailable], [4, 4])
  })
})

describe('a rolling update', () => {
  check({ name: 'a first ReplicaSet is made at full size', replicas: 3, sets: [], want: { new: 3 } })
  check({
    name: 'a new template starts with the surge; old ones go as far as enough others serve',
    replicas: 10,
    sets: [{ image: 'one', size: 10 }],
    want: { one: 8, new: 3 },
  })
  check({
    name: 'without surge room is made first',
    replicas: 4,
    spec: rolling(0, 1),
    sets: [{ image: 'one', size: 4 }],
    want: { one: 3, new: 0 },
  })
  check({
    name: 'without unavailability new ones come first',
    replicas: 4,
    spec: rolling(1, 0),
    sets: [{ image: 'one', size: 4 }],
    want: { one: 4, new: 1 },
  })
  check({
    name: 'new pods that do not serve yet take nothing away',
    replicas: 4,
    spec: rolling(1, 0),
    sets: [
      { image: 'one', size: 4 },
      { image: 'two', size: 1, available: 0 },
    ],
    want: { one: 4, two: 1 },
  })
  check({
    name: 'a new pod that serves lets an old one go',
    replicas: 4,
    spec: rolling(1, 0),
    sets: [
      { image: 'one', size: 4 },
      { image: 'two', size: 1 },
    ],
    want: { one: 3, two: 1 },
  })
  check({
    name: 'a pod that still lingers keeps its place in the surge',
    replicas: 4,
    spec: rolling(1, 0),
    sets: [
      { image: 'one', size: 3, replicas: 4, available: 3 },
      { image: 'two', size: 1 },
    ],
    want: { one: 3, two: 1 },
  })
  check({
    name: 'a size nobody has acted on yet lets nothing grow',
    replicas: 4,
    spec: rolling(1, 1),
    sets: [
      { image: 'one', size: 2, observed: false },
      { image: 'two', size: 2 },
    ],
    want: { one: 1, two: 2 },
  })
  check({
    name: 'replicas of old templates that serve nobody go first',
    replicas: 4,
    spec: rolling(1, 1),
    sets: [
      { image: 'zero', size: 2, available: 0 },
      { image: 'one', size: 3, available: 3 },
    ],
    want: { zero: 0, one: 3, new: 0 },
  })
  check({
    name: 'of old ReplicaSets the oldest goes first',
    replicas: 4,
    spec: rolling(1, 1),
    sets: [
      { image: 'zero', size: 2 },
      { image: 'one', size: 1 },
      { image: 'two', size: 2 },
    ],
    want: { zero: 0, one: 1, two: 2 },
  })
  check({
    name: 'a newest one that is too large shrinks at once',
    replicas: 2,
    sets: [{ image: 'two', size: 5 }],
    want: { two: 2 },
  })
  check({
    name: 'a template that comes back takes its ReplicaSet back',
    replicas: 3,
    sets: [
      { image: 'two', size: 0 },
      { image: 'one', size: 3 },
    ],
    want: { one: 3, two: 1 },
  })
})

describe('a change of size', () => {
  check({ name: 'of one ReplicaSet', replicas: 6, sets: [{ image: 'two', size: 3, desired: 3 }], want: { two: 6 } })
  check({ name: 'to nothing', replicas: 0, sets: [{ image: 'two', size: 3, desired: 3 }], want: { two: 0 } })
  check({
    name: 'to nothing in mid-roll',
    replicas: 0,
    sets: [
      { image: 'one', size: 3, desired: 4, max: 5 },
      { image: 'two', size: 2, desired: 4, max: 5 },
    ],
    want: { one: 0, two: 0 },
  })
  check({
    // 13 of at most 13 pods become 20 of at most 20 (kubernetes.io, "Proportional scaling"): 8 and 5 get their shares.
    name: 'in mid-roll is shared out in proportion',
    replicas: 15,
    spec: rolling(3, 2),
    sets: [
      { image: 'one', size: 8, desired: 10, max: 13 },
      { image: 'two', size: 5, desired: 10, max: 13, available: 0 },
    ],
    want: { one: 11, two: 7 },
  })
  check({
    // 8 and 5 become 5 and 3; then the roll goes on, since 3 are enough to serve.
    name: 'down in mid-roll is shared out in proportion',
    replicas: 5,
    spec: rolling(3, 2),
    sets: [
      { image: 'one', size: 8, desired: 10, max: 13 },
      { image: 'two', size: 5, desired: 10, max: 13, available: 0 },
    ],
    want: { one: 3, two: 3 },
  })
  check({
    name: 'in mid-roll waits while pods linger',
    replicas: 15,
    spec: rolling(3, 2),
    sets: [
      { image: 'one', size: 8, replicas: 9, desired: 10, max: 13 },
      { image: 'two', size: 5, desired: 10, max: 13, available: 0 },
    ],
    want: { one: 8, two: 5 },
  })
  check({
    name: 'after the newest one has all it wants takes the old ones away',
    replicas: 4,
    spec: { ...rolling(1, 1), paused: true },
    sets: [
      { image: 'one', size: 2, desired: 4 },
      { image: 'two', size: 4 },
    ],
    want: { one: 0, two: 4 },
  })
})

describe('a paused Deployment', () => {
  const spec = { paused: true }
  check({ name: 'makes no ReplicaSet', replicas: 3, spec, sets: [], want: {} })
  check({ name: 'does not roll', replicas: 3, spec, sets: [{ image: 'one', size: 3 }], want: { one: 3 } })
  check({
    name: 'follows its size',
    replicas: 5,
    spec,
    sets: [{ image: 'one', size: 3, desired: 3 }],
    want: { one: 5 },
  })
  check({
    name: 'keeps its history limit, and in any case what was rolled out last',
    replicas: 0,
    spec: { paused: true, revisionHistoryLimit: 0 },
    sets: [
      { image: 'zero', size: 0 },
      { image: 'one', size: 0 },
    ],
    want: { one: 0 },
  })
})

describe('Recreate', () => {
  const spec = { strategy: { type: 'Recreate' } }
  check({ name: 'takes all down first', replicas: 3, spec, sets: [{ image: 'one', size: 3 }], want: { one: 0 } })
  check({
    name: 'waits until its controller has counted them down',
    replicas: 3,
    spec,
    sets: [{ image: 'one', size: 0, replicas: 1, available: 1 }],
    want: { one: 0 },
  })
  check({
    name: 'then makes the new one',
    replicas: 3,
    spec,
    sets: [{ image: 'one', size: 0 }],
    want: { one: 0, new: 3 },
  })
  test('waits for the last old pod, but not for ended ones', () => {
    const owner = deployment('two', 3, spec)
    const old = setOf(owner, { image: 'one', size: 0 })
    const having = (...pods: Parameters<typeof pod>[]) =>
      planDeployment(
        owner,
        { replicaSets: [old], podsByReplicaSet: new Map([[old.metadata!.uid!, pods.map((parts) => pod(...parts))]]) },
        NOW,
      ).actions.map(({ kind }) => kind)
    assert.deepEqual(having(['leaving', { metadata: { deletionTimestamp: '2026-01-10T12:00:00Z' } }]), [])
    assert.deepEqual(having(['ended', { status: { phase: 'Failed' } }]), ['createReplicaSet', 'setRevision'])
  })
})

describe('history', () => {
  const zeros = (...images: readonly string[]): readonly SetParts[] => images.map((image) => ({ image, size: 0 }))
  const row = { replicas: 1, spec: { revisionHistoryLimit: 1 } }
  check({
    ...row,
    name: 'beyond the limit goes once the rollout is complete, the oldest revision first',
    sets: [...zeros('a', 'b', 'c'), { image: 'two', size: 1 }],
    want: { c: 0, two: 1 },
  })
  check({
    ...row,
    name: 'stays while the rollout goes on',
    sets: [...zeros('a', 'b', 'c'), { image: 'two', size: 1, available: 0 }],
    want: { a: 0, b: 0, c: 0, two: 1 },
  })
  check({
    ...row,
    name: 'stays as long as it has pods',
    sets: [{ image: 'a', size: 0, observed: false }, ...zeros('b', 'c'), { image: 'two', size: 1 }],
    want: { a: 0, c: 0, two: 1 },
  })
})

describe('revisions', () => {
  test('a new ReplicaSet carries its template, hash, revision and what the Deployment says of itself', () => {
    const base = deployment('two', 3)
    const annotations = {
      'kubernetes.io/change-cause': 'second',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      [REVISION]: '7',
    }
    const owner = { ...base, metadata: { ...base.metadata, annotations } }
    const old = setOf(owner, { image: 'one', size: 3, revision: 7 })
    const [made, ...others] = plan(owner, [old]).actions.filter(({ kind }) => kind === 'createReplicaSet')
    assert.equal(others.length, 0)
    assert.ok(made?.kind === 'createReplicaSet')
    const hash = templateHash(template('two'), 0)
    const { metadata, spec } = made.replicaSet
    assert.equal(metadata?.name, `web-${hash}`)
    assert.deepEqual(metadata?.labels, { app: 'web', [TEMPLATE_HASH_LABEL]: hash })
    assert.deepEqual(metadata?.annotations, {
      'kubernetes.io/change-cause': 'second',
      [REVISION]: '8',
      [DESIRED]: '3',
      [MAX]: '4',
    })
    assert.deepEqual(spec?.selector, { matchLabels: { app: 'web', [TEMPLATE_HASH_LABEL]: hash } })
    assert.deepEqual(spec?.template, template('two', hash))
    assert.equal(metadata?.ownerReferences?.[0]?.controller, true)
    assert.ok(plan(owner, [old]).actions.some((action) => action.kind === 'setRevision' && action.revision === '8'))
  })

  test('a template that comes back becomes the newest revision and remembers the ones it had', () => {
    const owner = deployment('two', 3)
    const back = setOf(owner, { image: 'two', size: 0, revision: 1, annotations: { [`${REVISION}-history`]: '' } })
    const current = setOf(owner, { image: 'one', size: 3, revision: 2 })
    const update = plan(owner, [back, current]).actions.find(
      (action) => action.kind === 'updateReplicaSet' && action.replicaSet.metadata?.name === 'web-two',
    )
    assert.ok(update?.kind === 'updateReplicaSet')
    assert.equal(update.replicaSet.metadata?.annotations?.[REVISION], '3')
    assert.equal(update.replicaSet.metadata?.annotations?.[`${REVISION}-history`], '1')
  })

  test('a change-cause given later reaches the newest ReplicaSet alone', () => {
    const base = deployment('two', 3)
    const annotations = { 'kubernetes.io/change-cause': 'because', [REVISION]: '2' }
    const owner = { ...base, metadata: { ...base.metadata, annotations } }
    const sets = [setOf(owner, { image: 'one', size: 0 }), setOf(owner, { image: 'two', size: 3, revision: 2 })]
    const { actions } = plan(owner, sets)
    assert.deepEqual(
      actions.map((action) => (action.kind === 'updateReplicaSet' ? action.replicaSet.metadata?.name : action.kind)),
      ['web-two'],
    )
  })

  test('the history of revisions has a bound, and the oldest go first', () => {
    const long = Array.from({ length: 600 }, (_, i) => i + 1).join(',')
    const owner = deployment('two', 3)
    const result = newestAnnotations({ [REVISION]: '601', [`${REVISION}-history`]: long }, owner, 602)
    const history = result[`${REVISION}-history`] ?? ''
    assert.ok(history.length <= 2_000)
    assert.ok(history.endsWith(',600,601'))
  })

  test('a template is the same whatever the order of its fields, and whatever its hash label', () => {
    const a = { metadata: { labels: { b: '1', a: '2' } }, spec: { containers: [{ name: 'x', image: 'y' }] } }
    const b = { spec: { containers: [{ image: 'y', name: 'x' }] }, metadata: { labels: { a: '2', b: '1' } } }
    assert.equal(templateHash(a, 0), templateHash(b, 0))
    assert.equal(
      sameTemplate(a, { ...b, metadata: { labels: { ...b.metadata.labels, [TEMPLATE_HASH_LABEL]: 'z' } } }),
      true,
    )
    assert.notEqual(templateHash(a, 0), templateHash(a, 1))
    assert.equal(sameTemplate(template('one'), template('two')), false)
  })

  test('a hash that clashed gives the next ReplicaSet another name', () => {
    const owner = { ...deployment('two', 1), status: { collisionCount: 2 } }
    const [made] = planDeployment(frozen(owner), observation([]), NOW).actions
    assert.ok(made?.kind === 'createReplicaSet')
    assert.equal(made.replicaSet.metadata?.name, `web-${templateHash(template('two'), 2)}`)
  })

  test('minReadySeconds follow the Deployment without a new revision', () => {
    const owner = deployment('two', 2, { minReadySeconds: 5 })
    const current = setOf(owner, { image: 'two', size: 2 })
    const [update] = plan(owner, [current]).actions
    assert.ok(update?.kind === 'updateReplicaSet')
    assert.equal(update.replicaSet.spec?.minReadySeconds, 5)
    assert.equal(update.replicaSet.metadata?.annotations?.[REVISION], '1')
  })
})

test('a Deployment that is being deleted does nothing', () => {
  const base = deployment('two', 3)
  const owner = { ...base, metadata: { ...base.metadata, deletionTimestamp: '2026-01-10T12:00:00Z' } }
  assert.deepEqual(plan(owner, [setOf(owner, { image: 'one', size: 1 })]).actions, [])
})
