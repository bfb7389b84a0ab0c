import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  fromAutoscalerV1,
  toAutoscalerV1,
} from '../../../../src/api/definitions/horizontal-pod-autoscaler/conversion.ts'
import { HORIZONTAL_POD_AUTOSCALER } from '../../../../src/api/definitions/horizontal-pod-autoscaler/definition.ts'
import { HORIZONTAL_POD_AUTOSCALER_V1 } from '../../../../src/api/definitions/horizontal-pod-autoscaler/v1-definition.ts'
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../../../../src/api/types/autoscaling-v2.gen.ts'
import { create, created, row, update } from './strategies.ts'

const METADATA = { name: 'web', namespace: 'shop' }
const TARGET = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }
const CPU: MetricSpec = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
}
const PODS: MetricSpec = {
  type: 'Pods',
  pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '10' } },
}
const INGRESS = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' }
const OBJECT: MetricSpec = {
  type: 'Object',
  object: { describedObject: INGRESS, metric: { name: 'hits' }, target: { type: 'Value', value: '2k' } },
}
const EXTERNAL: MetricSpec = {
  type: 'External',
  external: {
    metric: { name: 'queue', selector: { matchLabels: { queue: 'a' } } },
    target: { type: 'AverageValue', averageValue: '30' },
  },
}
const CONTAINER: MetricSpec = {
  type: 'ContainerResource',
  containerResource: { name: 'memory', container: 'main', target: { type: 'AverageValue', averageValue: '100Mi' } },
}

function autoscaler(spec: object = {}): unknown {
  return { metadata: METADATA, spec: { scaleTargetRef: TARGET, maxReplicas: 10, ...spec } }
}

describe('HorizontalPodAutoscaler', () => {
  test('defaults: one replica at least, 80 % of the CPU, nothing said of behavior', () => {
    const { spec, status, metadata } = created(HORIZONTAL_POD_AUTOSCALER, autoscaler())
    assert.deepEqual(spec, {
      scaleTargetRef: TARGET,
      maxReplicas: 10,
      minReplicas: 1,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ],
    })
    assert.deepEqual(status, { currentReplicas: 0, desiredReplicas: 0 })
    assert.equal(metadata?.generation, 1)
  })

  test('a behavior that speaks of one direction gets both, but no window for the way down', () => {
    const given = autoscaler({ behavior: { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } } })
    const { spec } = created(HORIZONTAL_POD_AUTOSCALER, given)
    assert.deepEqual(spec.behavior, {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 15 },
          { type: 'Percent', value: 100, periodSeconds: 15 },
        ],
      },
      scaleDown: { selectPolicy: 'Max', policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] },
    })
  })

  const target = (type: string, more: object = {}): object => ({ target: { type, ...more } })
  const ROWS: readonly { readonly name: string; readonly given: object; readonly want: readonly string[] }[] = [
    { name: 'every kind of metric', given: { metrics: [CPU, PODS, OBJECT, EXTERNAL, CONTAINER] }, want: [] },
    {
      name: 'no room between the bounds',
      given: { minReplicas: 11 },
      want: ['spec.maxReplicas: Invalid value: 10: must be greater than or equal to `minReplicas`'],
    },
    {
      name: 'bounds below anything',
      given: { minReplicas: -1, maxReplicas: 0 },
      want: [
        'spec.minReplicas: Invalid value: -1: must be greater than or equal to 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      ],
    },
    { name: 'to nothing by a metric from outside', given: { minReplicas: 0, metrics: [EXTERNAL] }, want: [] },
    {
      name: 'to nothing by the CPU of pods',
      given: { minReplicas: 0, metrics: [CPU] },
      want: [
        'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
      ],
    },
    {
      name: 'a target that names nothing',
      given: { scaleTargetRef: { apiVersion: 'a/b/c', kind: '', name: 'a/b' } },
      want: [
        'spec.scaleTargetRef.kind: Required value',
        'spec.scaleTargetRef.name: Invalid value: "a/b": may not contain \'/\'',
        'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      ],
    },
    {
      name: 'a metric without a type',
      given: { metrics: [{}] },
      want: [
        'spec.metrics[0].type: Required value: must specify a metric source type',
        'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
      ],
    },
    {
      name: 'a metric whose type is not the one described',
      given: { metrics: [{ ...CPU, type: 'Pods' }] },
      want: ['spec.metrics[0].pods: Required value: must populate information for the given metric source'],
    },
    {
      name: 'a metric described twice',
      given: { metrics: [{ ...CPU, pods: PODS.pods }] },
      want: ['spec.metrics[0].pods: Forbidden: must populate the given metric source only'],
    },
    {
      name: 'a resource without an aim',
      given: { metrics: [{ type: 'Resource', resource: { name: '', ...target('') } }] },
      want: [
        'spec.metrics[0].resource.name: Required value: must specify a resource name',
        'spec.metrics[0].resource.target.type: Required value: must specify a metric target type',
        'spec.metrics[0].resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
      ],
    },
    {
      name: 'a resource with two aims, both of them nothing',
      given: {
        metrics: [
          {
            type: 'Resource',
            resource: { name: 'cpu', ...target('Utilization', { averageUtilization: 0, averageValue: '0' }) },
          },
        ],
      },
      want: [
        'spec.metrics[0].resource.target.averageValue: Invalid value: "0": must be positive',
        'spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0',
        'spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization',
      ],
    },
    {
      name: 'a container that is none, of a resource that is none',
      given: {
        metrics: [
          {
            type: 'ContainerResource',
            containerResource: { name: 'fuel', container: '', ...target('Utilization', { averageUtilization: 5 }) },
          },
        ],
      },
      want: [
        'spec.metrics[0].containerResource.name: Invalid value: "fuel": must be a standard resource type or fully qualified',
        'spec.metrics[0].containerResource.name: Invalid value: "fuel": must be a standard resource for containers',
        'spec.metrics[0].containerResource.container: Required value: must specify a container',
      ],
    },
    {
      name: 'metrics from elsewhere without names or aims',
      given: {
        metrics: [
          { type: 'Pods', pods: { metric: { name: '' }, ...target('AverageValue') } },
          {
            type: 'External',
            external: { metric: { name: 'a/b' }, ...target('Value', { value: '1', averageValue: '1' }) },
          },
          { type: 'Object', object: { describedObject: INGRESS, metric: { name: 'a' }, ...target('Value') } },
        ],
      },
      want: [
        'spec.metrics[0].pods.metric.name: Required value: must specify a metric name',
        'spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue',
        'spec.metrics[1].external.metric.name: Invalid value: "a/b": may not contain \'/\'',
        'spec.metrics[1].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target',
        'spec.metrics[2].object.target.averageValue: Required value: must set either a target value or averageValue',
      ],
    },
    {
      name: 'a behavior beyond all bounds',
      given: {
        behavior: {
          scaleUp: { stabilizationWindowSeconds: -1, selectPolicy: 'Some', policies: [], tolerance: '-1' },
          scaleDown: {
            stabilizationWindowSeconds: 3601,
            policies: [
              { type: 'Nodes', value: 0, periodSeconds: 0 },
              { type: 'Pods', value: 1, periodSeconds: 1801 },
            ],
          },
        },
      },
      want: [
        'spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero',
        'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Some": supported values: "Disabled", "Max", "Min"',
        'spec.behavior.scaleUp.policies: Required value: must specify at least one Policy',
        'spec.behavior.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to 0',
        'spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600',
        'spec.behavior.scaleDown.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"',
        'spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero',
        'spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 0: must be greater than zero',
        'spec.behavior.scaleDown.policies[1].periodSeconds: Invalid value: 1801: must be less than or equal to 1800',
      ],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => assert.deepEqual(create(HORIZONTAL_POD_AUTOSCALER, autoscaler(given)).errors, want))

  test('the generation moves with the spec, not with the status', () => {
    const before = created(HORIZONTAL_POD_AUTOSCALER, autoscaler())
    const changed = update(HORIZONTAL_POD_AUTOSCALER, before, (draft) => {
      draft.spec.maxReplicas = 20
      draft.status!.currentReplicas = 7
    })
    assert.equal(changed.object.metadata?.generation, 2)
    assert.equal(changed.object.status?.currentReplicas, 0)
    const seen = update(
      HORIZONTAL_POD_AUTOSCALER,
      before,
      (draft) => {
        draft.spec.maxReplicas = 20
        draft.status!.desiredReplicas = -1
      },
      'status',
    )
    assert.equal(seen.object.spec.maxReplicas, 10)
    assert.deepEqual(seen.errors, ['status.desiredReplicas: Invalid value: -1: must be greater than or equal to 0'])
  })

  // The cells of `kubectl get hpa`, as kubectl's own printers word them.
  const current = (type: string, field: string, value: object): MetricStatus =>
    ({ type, [field]: { current: value } }) as unknown as MetricStatus
  for (const { name, metrics, currentMetrics, want } of [
    { name: 'nothing measured yet', metrics: [CPU], currentMetrics: [], want: 'cpu: <unknown>/50%' },
    {
      name: 'utilization',
      metrics: [CPU],
      currentMetrics: [current('Resource', 'resource', { averageUtilization: 12, averageValue: '24m' })],
      want: 'cpu: 12%/50%',
    },
    {
      name: 'an amount of one container, and a metric that failed beside it',
      metrics: [PODS, CONTAINER],
      currentMetrics: [{ type: '' }, current('ContainerResource', 'containerResource', { averageValue: '80Mi' })],
      want: '<unknown>/10, memory: 80Mi/100Mi',
    },
    {
      name: 'more than two',
      metrics: [OBJECT, EXTERNAL, CPU],
      currentMetrics: [
        current('Object', 'object', { value: '1500' }),
        current('External', 'external', { averageValue: '7' }),
      ],
      want: '1500/2k, 7/30 (avg) + 1 more...',
    },
  ])
    test(`kubectl get hpa: ${name}`, () => {
      const shown = created(HORIZONTAL_POD_AUTOSCALER, autoscaler({ metrics, minReplicas: 2 }))
      const status = { currentReplicas: 3, desiredReplicas: 4, currentMetrics }
      assert.deepEqual(row(HORIZONTAL_POD_AUTOSCALER, { ...shown, status }), {
        Name: 'web',
        Reference: 'Deployment/web',
        Targets: want,
        MinPods: '2',
        MaxPods: 10,
        Replicas: 3,
        Age: '<unknown>',
      })
    })
})

describe('HorizontalPodAutoscaler of version 1', () => {
  test('kubectl autoscale of old writes one field', () => {
    const { object, errors } = create(HORIZONTAL_POD_AUTOSCALER_V1, autoscaler({ targetCPUUtilizationPercentage: 50 }))
    assert.deepEqual(errors, [])
    assert.deepEqual(fromAutoscalerV1(object).spec, {
      scaleTargetRef: TARGET,
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [CPU],
    })
    assert.equal(row(HORIZONTAL_POD_AUTOSCALER_V1, object).Targets, 'cpu: <unknown>/50%')
  })

  test('without an aim it is 80 % of the CPU', () => {
    const object = created(HORIZONTAL_POD_AUTOSCALER_V1, autoscaler())
    assert.equal(object.spec.targetCPUUtilizationPercentage, 80)
  })

  test('is judged as the whole it stands for', () => {
    const { errors } = create(HORIZONTAL_POD_AUTOSCALER_V1, {
      metadata: {
        ...METADATA,
        annotations: { 'autoscaling.alpha.kubernetes.io/metrics': '[{"type":"Pods","pods":{"metricName":""}}]' },
      },
      spec: { scaleTargetRef: TARGET, maxReplicas: 10 },
    })
    assert.deepEqual(errors, [
      'spec.metrics[0].pods.metric.name: Required value: must specify a metric name',
      'spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue',
    ])
  })

  // kube-apiserver, pkg/apis/autoscaling/v1/conversion.go: the names in the annotations.
  test('shows what has no field in kube-apiserver’s annotations', () => {
    const whole = created(
      HORIZONTAL_POD_AUTOSCALER,
      autoscaler({ metrics: [CPU, PODS, EXTERNAL], behavior: { scaleDown: { selectPolicy: 'Disabled' } } }),
    )
    const { metadata, spec } = toAutoscalerV1(whole)
    const read = (name: string): unknown =>
      JSON.parse(metadata!.annotations![`autoscaling.alpha.kubernetes.io/${name}`]!)
    assert.equal(spec.targetCPUUtilizationPercentage, 50)
    assert.deepEqual(read('metrics'), [
      { type: 'Pods', pods: { metricName: 'requests', targetAverageValue: '10' } },
      {
        type: 'External',
        external: { metricName: 'queue', metricSelector: { matchLabels: { queue: 'a' } }, targetAverageValue: '30' },
      },
    ])
    assert.deepEqual((read('behavior') as { ScaleDown: unknown }).ScaleDown, {
      StabilizationWindowSeconds: null,
      SelectPolicy: 'Disabled',
      Policies: [{ Type: 'Percent', Value: 100, PeriodSeconds: 15 }],
      Tolerance: null,
    })
  })

  test('a spec writer cannot forge the status in the annotations, nor a status writer the spec', () => {
    const before = created(HORIZONTAL_POD_AUTOSCALER_V1, autoscaler())
    const forged = {
      'autoscaling.alpha.kubernetes.io/conditions': '[{"type":"AbleToScale","status":"False"}]',
      'autoscaling.alpha.kubernetes.io/metrics': '[]',
    }
    const forge = (draft: { metadata?: { annotations?: Record<string, string> | undefined } }): void => {
      draft.metadata!.annotations = { ...forged, mine: 'x' }
    }
    const { 'autoscaling.alpha.kubernetes.io/metrics': metrics } = forged
    assert.deepEqual(update(HORIZONTAL_POD_AUTOSCALER_V1, before, forge).object.metadata?.annotations, {
      'autoscaling.alpha.kubernetes.io/metrics': metrics,
      mine: 'x',
    })
    const { 'autoscaling.alpha.kubernetes.io/conditions': conditions } = forged
    assert.deepEqual(update(HORIZONTAL_POD_AUTOSCALER_V1, before, forge, 'status').object.metadata?.annotations, {
      'autoscaling.alpha.kubernetes.io/conditions': conditions,
      mine: 'x',
    })
  })

  for (const value of ['', '{', '[1]', '{"ScaleUp":[]}', '[{"type":3}]', 'null', '[null]', '{"a":{"b":{"c":[{}]}}}'])
    test(`annotations of no sense say nothing or are refused: ${value}`, () => {
      const annotations = Object.fromEntries(
        ['metrics', 'current-metrics', 'behavior', 'conditions'].map((name) => [
          `autoscaling.alpha.kubernetes.io/${name}`,
          value,
        ]),
      )
      const given = { metadata: { ...METADATA, annotations }, spec: { scaleTargetRef: TARGET, maxReplicas: 10 } }
      const { object } = create(HORIZONTAL_POD_AUTOSCALER_V1, given)
      const { metadata, spec } = fromAutoscalerV1(object)
      assert.equal(metadata?.annotations, undefined)
      assert.ok(spec.metrics!.length > 0)
    })

  test('a round trip through version 1 loses nothing', () => {
    const name = fc.constantFrom('a', 'b-c', 'requests_per_second')
    const quantity = fc.constantFrom('1', '250m', '10Mi', '3k')
    const selector = fc.option(fc.constant({ matchLabels: { q: 'x' } }), { nil: undefined })
    const identifier = fc
      .record({ name, selector })
      .map(({ name: of, selector: by }) => (by ? { name: of, selector: by } : { name: of }))
    const average = quantity.map((averageValue) => ({ type: 'AverageValue', averageValue }))
    const total = quantity.map((value) => ({ type: 'Value', value }))
    const share = fc
      .integer({ min: 1, max: 500 })
      .map((averageUtilization) => ({ type: 'Utilization', averageUtilization }))
    const other: fc.Arbitrary<MetricSpec> = fc.oneof(
      fc.record({ metric: identifier, target: average }).map((pods) => ({ type: 'Pods', pods })),
      fc
        .record({ describedObject: fc.constant(INGRESS), metric: identifier, target: fc.oneof(average, total) })
        .map((object) => ({ type: 'Object', object })),
      fc
        .record({ metric: identifier, target: fc.oneof(average, total) })
        .map((external) => ({ type: 'External', external })),
      fc
        .record({ name: fc.constant('memory'), target: fc.oneof(average, share) })
        .map((resource) => ({ type: 'Resource', resource })),
      fc
        .record({ name: fc.constant('cpu'), container: name, target: fc.oneof(average, share) })
        .map((containerResource) => ({ type: 'ContainerResource', containerResource })),
    )
    const cpu = fc.option(
      share.map((target): MetricSpec => ({ type: 'Resource', resource: { name: 'cpu', target } })),
      { nil: undefined },
    )
    const rules = fc.record({
      stabilizationWindowSeconds: fc.nat(3600),
      selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
      policies: fc.array(
        fc.record({ type: fc.constantFrom('Pods', 'Percent'), value: fc.nat(9), periodSeconds: fc.nat(60) }),
        { minLength: 1, maxLength: 3 },
      ),
      tolerance: fc.constantFrom('0', '50m', '200m'),
    })
    const behavior = fc.option(fc.record({ scaleUp: rules, scaleDown: rules }), { nil: undefined })
    const conditions = [{ type: 'AbleToScale', status: 'True', reason: 'ReadyForNewScale', message: 'ready' }]
    fc.assert(
      fc.property(fc.array(other, { maxLength: 3 }), cpu, behavior, (others, own, acts) => {
        const metrics = [...others, ...(own === undefined ? [] : [own])]
        if (metrics.length === 0) return
        const whole: HorizontalPodAutoscaler = {
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { ...METADATA, annotations: { mine: 'x' } },
          spec: {
            scaleTargetRef: TARGET,
            minReplicas: 2,
            maxReplicas: 9,
            metrics,
            ...(acts ? { behavior: acts } : {}),
          },
          status: { currentReplicas: 3, desiredReplicas: 4, observedGeneration: 1, conditions },
        }
        const plain = <T>(object: T): T => JSON.parse(JSON.stringify(object))
        assert.deepEqual(fromAutoscalerV1(plain(toAutoscalerV1(whole))), plain(whole))
      }),
    )
  })
})
