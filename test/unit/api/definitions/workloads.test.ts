import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEPLOYMENT } from '../../../../src/api/definitions/deployment/definition.ts'
import { POD_DISRUPTION_BUDGET } from '../../../../src/api/definitions/pod-disruption-budget.ts'
import { REPLICA_SET } from '../../../../src/api/definitions/replica-set.ts'
import type { Draft } from '../../../../src/api/object.ts'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../../../src/api/types/apps-v1.gen.ts'
import type { PodDisruptionBudgetSpec } from '../../../../src/api/types/policy-v1.gen.ts'
import { podManifest } from './pod-fixture.ts'
import { create, created, row, update } from './strategies.ts'

function deployment(spec: Partial<Draft<DeploymentSpec>> = {}): Draft<Deployment> {
  return {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: podManifest().spec! },
      ...spec,
    },
  }
}

describe('Deployment', () => {
  test('defaults', () => {
    const { spec, status, metadata } = created(DEPLOYMENT, deployment())
    const { template, selector: _, ...rest } = spec!
    assert.deepEqual(rest, {
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
    })
    assert.equal(template.spec!.restartPolicy, 'Always')
    // What only pods get: the template stays as it was written.
    assert.equal(template.spec!.enableServiceLinks, undefined)
    assert.equal(template.spec!.tolerations, undefined)
    assert.deepEqual(status, {})
    assert.equal(metadata!.generation, 1)
  })

  const ROWS: readonly { name: string; given: Partial<Draft<DeploymentSpec>>; want: readonly string[] }[] = [
    { name: 'a good one', given: {}, want: [] },
    {
      name: 'a selector of other pods',
      given: { template: { metadata: { labels: { app: 'x' } }, spec: podManifest().spec! } },
      want: ['spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'],
    },
    {
      name: 'an empty selector',
      given: { selector: {} },
      want: ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
    },
    {
      name: 'fewer than no pods',
      given: { replicas: -1 },
      want: ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    },
    {
      name: 'pods that end',
      given: {
        template: { metadata: { labels: { app: 'web' } }, spec: podManifest({ restartPolicy: 'Never' }).spec! },
      },
      want: ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    },
    {
      name: 'a fault inside the template',
      given: { template: { metadata: { labels: { app: 'web' } }, spec: podManifest({}, { image: '' }).spec! } },
      want: ['spec.template.spec.containers[0].image: Required value'],
    },
    {
      name: 'Recreate does not roll',
      given: { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } },
      want: ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    },
    {
      name: 'a roll that cannot move',
      given: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
      want: ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
    },
    {
      name: 'more than all',
      given: { strategy: { rollingUpdate: { maxSurge: '150%', maxUnavailable: '101%' } } },
      want: ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    },
    {
      name: 'a percentage that is none',
      given: { strategy: { rollingUpdate: { maxSurge: 'some' } } },
      want: [
        "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"some\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ],
    },
    {
      name: 'a deadline before anything could be ready',
      given: { minReadySeconds: 10, progressDeadlineSeconds: 10 },
      want: ['spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds'],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => assert.deepEqual(create(DEPLOYMENT, deployment(given)).errors, want))

  const before = created(DEPLOYMENT, deployment())

  test('the selector may not change', () => {
    const { errors } = update(DEPLOYMENT, before, (draft) => {
      draft.spec!.selector = { matchLabels: { app: 'web', tier: 'front' } }
      draft.spec!.template.metadata!.labels = { app: 'web', tier: 'front' }
    })
    assert.deepEqual(errors, [
      'spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"front"}}: field is immutable',
    ])
  })

  test('a new generation for a new spec or new annotations, not for labels', () => {
    const generation = (change: (draft: Draft<Deployment>) => void): number =>
      update(DEPLOYMENT, before, change).object.metadata!.generation!
    assert.equal(
      generation((draft) => {
        draft.spec!.replicas = 2
      }),
      2,
    )
    assert.equal(
      generation((draft) => {
        draft.metadata!.annotations = { a: 'b' }
      }),
      2,
    )
    assert.equal(
      generation((draft) => {
        draft.metadata!.labels = { a: 'b' }
      }),
      1,
    )
  })

  test('through the status neither spec nor labels change', () => {
    const { object, errors } = update(
      DEPLOYMENT,
      before,
      (draft) => {
        draft.spec!.replicas = 9
        draft.metadata!.labels = { a: 'b' }
        draft.status = { replicas: 1, readyReplicas: 1, availableReplicas: 1 }
      },
      'status',
    )
    assert.deepEqual(errors, [])
    assert.equal(object.spec!.replicas, 1)
    assert.equal(object.metadata!.labels, undefined)
    assert.equal(object.status!.readyReplicas, 1)
  })

  test('a status that cannot be is refused', () => {
    const { errors } = update(
      DEPLOYMENT,
      before,
      (draft) => {
        draft.status = { replicas: 1, readyReplicas: 2, availableReplicas: -1 }
      },
      'status',
    )
    assert.deepEqual(errors, [
      'status.availableReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    ])
  })

  test('columns', () => {
    const given = { ...before, status: { replicas: 3, readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 } }
    const cells = row(DEPLOYMENT, given)
    assert.deepEqual(
      [cells.Ready, cells['Up-to-date'], cells.Available, cells.Containers, cells.Images, cells.Selector],
      ['1/1', 2, 1, 'web', 'node:24', 'app=web'],
    )
  })

  test('scale', () => {
    const scale = DEPLOYMENT.scale!
    assert.equal(scale.replicas(before), 1)
    assert.equal(scale.selector(before), 'app=web')
    const draft = structuredClone(before) as Draft<Deployment>
    scale.withReplicas(draft, 5)
    assert.equal(draft.spec!.replicas, 5)
  })
})

describe('ReplicaSet', () => {
  const given = deployment() as unknown as Draft<ReplicaSet>

  test('the selector may not change', () => {
    const { errors } = update(REPLICA_SET, created(REPLICA_SET, given), (draft) => {
      draft.spec!.selector = { matchExpressions: [{ key: 'app', operator: 'Exists' }] }
    })
    assert.deepEqual(errors, [
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable',
    ])
  })

  test('a template is needed', () => {
    const { errors } = create(REPLICA_SET, { metadata: { name: 'a' }, spec: { selector: { matchLabels: { a: 'b' } } } })
    assert.deepEqual(errors, ['spec.template: Required value'])
  })
})

describe('PodDisruptionBudget', () => {
  const ROWS: readonly { name: string; given: Draft<PodDisruptionBudgetSpec>; want: readonly string[] }[] = [
    { name: 'a good one', given: { minAvailable: '50%', selector: {} }, want: [] },
    {
      name: 'both bounds',
      given: { minAvailable: 1, maxUnavailable: 1 },
      want: [
        'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
      ],
    },
    {
      name: 'less than nothing',
      given: { maxUnavailable: -1 },
      want: ['spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0'],
    },
    {
      name: 'a policy that is none',
      given: { unhealthyPodEvictionPolicy: 'Maybe' },
      want: [
        'spec.unhealthyPodEvictionPolicy: Unsupported value: "Maybe": supported values: "AlwaysAllow", "IfHealthyBudget"',
      ],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () =>
      assert.deepEqual(create(POD_DISRUPTION_BUDGET, { metadata: { name: 'a' }, spec: given }).errors, want),
    )

  test('columns', () => {
    const budget = created(POD_DISRUPTION_BUDGET, { metadata: { name: 'a' }, spec: { minAvailable: 1 } })
    const cells = row(POD_DISRUPTION_BUDGET, budget)
    assert.deepEqual([cells['Min Available'], cells['Max Unavailable'], cells['Allowed Disruptions']], ['1', 'N/A', 0])
  })
})
