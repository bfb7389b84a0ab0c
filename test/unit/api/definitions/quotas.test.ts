import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LIMIT_RANGE } from '../../../../src/api/definitions/limit-range/definition.ts'
import { RESOURCE_QUOTA } from '../../../../src/api/definitions/resource-quota/definition.ts'
import type { LimitRangeItem, ResourceQuotaSpec } from '../../../../src/api/types/core-v1.gen.ts'
import { create, created, row, update } from './strategies.ts'

const metadata = { name: 'all', namespace: 'shop' }

describe('ResourceQuota', () => {
  const ROWS: readonly { name: string; given: ResourceQuotaSpec; want: readonly string[] }[] = [
    {
      name: 'everything there is to limit',
      given: {
        hard: {
          cpu: '1',
          'requests.memory': '1Gi',
          'limits.ephemeral-storage': '2Gi',
          'hugepages-2Mi': '4Mi',
          'requests.example.com/gpu': '4',
          pods: '10',
          'services.loadbalancers': '2',
          'count/deployments.apps': '3',
          'requests.storage': '5Gi',
          'gold.storageclass.storage.k8s.io/requests.storage': '1Gi',
        },
      },
      want: [],
    },
    { name: 'nothing at all', given: {}, want: [] },
    {
      name: 'what nobody knows',
      given: { hard: { chairs: '3' } },
      want: [
        'spec.hard[chairs]: Invalid value: "chairs": must be a standard resource type or fully qualified',
        'spec.hard[chairs]: Invalid value: "chairs": must be a standard resource for quota',
      ],
    },
    {
      name: 'less than nothing, and halves of things',
      given: { hard: { cpu: '-1', pods: '1500m' } },
      want: [
        'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.hard[pods]: Invalid value: "1500m": must be an integer',
      ],
    },
    {
      name: 'a scope that says nothing of what is limited',
      given: { hard: { cpu: '1', secrets: '1' }, scopes: ['BestEffort', 'Sometimes'] },
      want: [
        'spec.scopes: Invalid value: ["BestEffort","Sometimes"]: unsupported scope applied to resource',
        'spec.scopes: Invalid value: ["BestEffort","Sometimes"]: unsupported scope applied to resource',
        'spec.scopes: Invalid value: ["BestEffort","Sometimes"]: unsupported scope',
      ],
    },
    {
      name: 'scopes that nothing can be in',
      given: { hard: { pods: '1' }, scopes: ['Terminating', 'NotTerminating'] },
      want: ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
    },
    {
      name: 'a choice by priority',
      given: {
        hard: { pods: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
      },
      want: [],
    },
    {
      name: 'choices that cannot be made',
      given: {
        hard: { pods: '1' },
        scopeSelector: {
          matchExpressions: [
            { scopeName: 'PriorityClass', operator: 'In' },
            { scopeName: 'PriorityClass', operator: 'Exists', values: ['high'] },
            { scopeName: 'PriorityClass', operator: 'Near' },
            { scopeName: 'Terminating', operator: 'DoesNotExist' },
          ],
        },
      },
      want: [
        "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        "spec.scopeSelector.matchExpressions.values: Invalid value: [\"high\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        'spec.scopeSelector.matchExpressions.operator: Invalid value: "Near": not a valid selector operator',
        'spec.scopeSelector.matchExpressions.operator: Invalid value: "DoesNotExist": must be \'Exist\' only operator when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity',
      ],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => assert.deepEqual(create(RESOURCE_QUOTA, { metadata, spec: given }).errors, want))

  test('scopes stay, limits may change, the status belongs to its own writer', () => {
    const quota = created(RESOURCE_QUOTA, {
      metadata,
      spec: { hard: { pods: '1' }, scopes: ['BestEffort'] },
      status: { used: { pods: '9' } },
    })
    assert.deepEqual(quota.status, {})
    const changed = update(RESOURCE_QUOTA, quota, (draft) => {
      draft.spec!.hard = { pods: '2' }
      draft.spec!.scopes = ['NotBestEffort']
      draft.status = { used: { pods: '9' } }
    })
    assert.deepEqual(changed.errors, ['spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable'])
    assert.deepEqual(changed.object.status, {})
    const counted = update(
      RESOURCE_QUOTA,
      quota,
      (draft) => {
        draft.spec!.hard = { pods: '3' }
        draft.status = { hard: { pods: '1' }, used: { pods: '-1' } }
      },
      'status',
    )
    assert.deepEqual(counted.errors, ['status.used[pods]: Invalid value: "-1": must be greater than or equal to 0'])
    assert.deepEqual(counted.object.spec?.hard, { pods: '1' })
  })

  test('columns show what is used of what there may be', () => {
    const status = {
      hard: { pods: '5', cpu: '2', 'limits.cpu': '4', 'count/secrets': '9' },
      used: { cpu: '500m', pods: '1', 'limits.cpu': '1' },
    }
    const cells = row(RESOURCE_QUOTA, { metadata, spec: {}, status })
    assert.equal(cells.Request, 'count/secrets: 0/9, cpu: 500m/2, pods: 1/5')
    assert.equal(cells.Limit, 'limits.cpu: 1/4')
  })
})

describe('LimitRange', () => {
  const ROWS: readonly { name: string; given: Partial<LimitRangeItem>; want: readonly string[] }[] = [
    {
      name: 'a good one',
      given: { min: { cpu: '1m' }, max: { cpu: '1' }, maxLimitRequestRatio: { cpu: '10' } },
      want: [],
    },
    { name: 'of a kind of its own', given: { type: 'example.com/Tent', max: { storage: '1' } }, want: [] },
    {
      name: 'of a kind nobody knows',
      given: { type: 'Tent' },
      want: ['spec.limits[0].type: Invalid value: "Tent": must be a standard limit type or fully qualified'],
    },
    {
      name: 'least above most',
      given: { min: { cpu: '2' }, max: { cpu: '1' } },
      want: [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
      ],
    },
    {
      name: 'defaults outside of what is allowed',
      given: { max: { cpu: '1' }, default: { cpu: '3' }, defaultRequest: { cpu: '4' } },
      want: [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than default limit value 3',
        'spec.limits[0].default[cpu]: Invalid value: "1": default value 3 is greater than max value 1',
      ],
    },
    {
      name: 'ratios that cannot be',
      given: {
        type: 'Pod',
        maxLimitRequestRatio: { cpu: '500m', memory: '5' },
        min: { memory: '1Gi' },
        max: { memory: '2Gi' },
      },
      want: [
        'spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: "5": ratio 5 is greater than max/min = 2.000000',
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
      ],
    },
    {
      name: 'pods have no defaults',
      given: { type: 'Pod', default: { cpu: '1' } },
      want: ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    },
    {
      name: 'claims are limited in their storage',
      given: { type: 'PersistentVolumeClaim', max: { storage: '1Gi' } },
      want: [],
    },
    {
      name: 'or what for',
      given: { type: 'PersistentVolumeClaim' },
      want: [
        'spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
      ],
    },
    {
      name: 'devices are not promised twice',
      given: { default: { 'example.com/gpu': '2' }, defaultRequest: { 'example.com/gpu': '1' } },
      want: [
        'spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/gpu',
      ],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => {
      const spec = { limits: [{ type: 'Container', ...given }] }
      assert.deepEqual(create(LIMIT_RANGE, { metadata, spec }).errors, want)
    })

  test('each type once', () => {
    const spec = { limits: [{ type: 'Pod' }, { type: 'Pod' }] }
    assert.deepEqual(create(LIMIT_RANGE, { metadata, spec }).errors, ['spec.limits[1].type: Duplicate value: "Pod"'])
  })

  test('what is left out follows from what is there', () => {
    const spec = {
      limits: [
        {
          type: 'Container',
          max: { cpu: '2', memory: '1Gi' },
          min: { memory: '1Mi', 'ephemeral-storage': '1Gi' },
          default: { cpu: '1' },
        },
      ],
    }
    const { limits } = created(LIMIT_RANGE, { metadata, spec }).spec!
    assert.deepEqual(limits[0]?.default, { cpu: '1', memory: '1Gi' })
    assert.deepEqual(limits[0]?.defaultRequest, { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' })
  })
})
