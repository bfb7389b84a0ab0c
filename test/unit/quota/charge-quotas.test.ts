import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ResourceQuota, Service } from '../../../src/api/types/core-v1.gen.ts'
import { type ChargeResult, chargeQuotas } from '../../../src/controlplane/quota/charge-quotas.ts'
import { evaluatorOf } from '../../../src/controlplane/quota/evaluators.ts'
import { UsageCounter } from '../../../src/controlplane/quota/usage-counter.ts'
import { pod, quota } from './quota-fixture.ts'

const PODS = { group: '', resource: 'pods' }
const SERVICES = { group: '', resource: 'services' }

function counted(name: string, hard: Record<string, string>, used: Record<string, string>, spec = {}): ResourceQuota {
  return { ...quota(name, hard, spec), status: { hard, used } }
}

function charge(quotas: readonly ResourceQuota[], given: ReturnType<typeof pod>): ChargeResult {
  return chargeQuotas(quotas, { evaluator: evaluatorOf(PODS), object: given, previous: undefined }, 0)
}

const whyOf = (result: ChargeResult): string | undefined => (result.kind === 'refused' ? result.why : undefined)
const usedOf = (result: ChargeResult): unknown =>
  result.kind === 'charged' ? result.quotas.map(({ metadata, status }) => [metadata?.name, status?.used]) : undefined

describe('charging quotas', () => {
  it('adds what the object uses, and leaves the rest of the status as it is', () => {
    const quotas = [counted('a', { cpu: '2', pods: '5', secrets: '9' }, { cpu: '500m', pods: '1', secrets: '3' })]
    deepEqual(usedOf(charge(quotas, pod('x', { requests: { cpu: '250m' } }))), [
      ['a', { cpu: '750m', pods: '2', secrets: '3' }],
    ])
  })

  it('says in Kubernetes words what is too much, and nothing of what is not', () => {
    const quotas = [
      counted('big', { pods: '9' }, { pods: '1' }),
      counted('small', { cpu: '1', memory: '1Gi', pods: '5' }, { cpu: '900m', memory: '1Gi', pods: '1' }),
    ]
    const refused = charge(quotas, pod('x', { requests: { cpu: '200m', memory: '1Mi' } }))
    const want =
      'exceeded quota: small, requested: cpu=200m,memory=1Mi, used: cpu=900m,memory=1Gi, limited: cpu=1,memory=1Gi'
    equal(whyOf(refused), want)
  })

  it('what is exceeded already stops only what asks for more of it', () => {
    const quotas = [
      counted('a', { pods: '5', 'requests.example.com/gpu': '1' }, { pods: '1', 'requests.example.com/gpu': '3' }),
    ]
    deepEqual(usedOf(charge(quotas, pod('x'))), [['a', { pods: '2', 'requests.example.com/gpu': '3' }]])
  })

  it('a quota on CPU must be told of CPU', () => {
    equal(
      whyOf(charge([counted('a', { 'limits.cpu': '1' }, { 'limits.cpu': '0' })], pod('x'))),
      'failed quota: a: must specify limits.cpu for: web',
    )
  })

  it('a quota that was not counted yet lets nothing through that it is about', () => {
    const quotas = [{ ...quota('a', { pods: '1' }), status: { hard: { pods: '1' } } }]
    equal(whyOf(charge(quotas, pod('x'))), 'status unknown for quota: a, resources: pods')
  })

  it('a quota with scopes is about what is in all of them', () => {
    const scoped = (scopes: readonly string[]) => [counted('a', { pods: '0' }, { pods: '0' }, { scopes })]
    equal(usedOf(charge(scoped(['BestEffort', 'Terminating']), pod('x')))?.toString(), '')
    equal(charge(scoped(['BestEffort', 'NotTerminating']), pod('x')).kind, 'refused')
  })

  it('a Service that changes its type is charged with the difference, and one that gives back is not', () => {
    const service = (type: string, ports: number): Service => ({
      metadata: { namespace: 'default', name: 's' },
      spec: { type, ports: Array.from({ length: ports }, (_, i) => ({ port: i + 1 })) },
    })
    const quotas = [
      counted('a', { services: '1', 'services.nodeports': '2' }, { services: '1', 'services.nodeports': '0' }),
    ]
    const change = (from: Service, to: Service): ChargeResult =>
      chargeQuotas(quotas, { evaluator: evaluatorOf(SERVICES), object: to, previous: from }, 0)
    deepEqual(usedOf(change(service('ClusterIP', 2), service('NodePort', 2))), [
      ['a', { services: '1', 'services.nodeports': '2' }],
    ])
    equal(
      whyOf(change(service('ClusterIP', 3), service('NodePort', 3))),
      'exceeded quota: a, requested: services.nodeports=3, used: services.nodeports=0, limited: services.nodeports=2',
    )
    deepEqual(usedOf(change(service('NodePort', 3), service('ClusterIP', 3))), [])
  })
})

describe('counting what a namespace holds', () => {
  it('starts every name at nothing, skips names of no kind, and says when to look again', () => {
    const leaving = {
      ...pod('b', { requests: { cpu: '1' } }),
      metadata: { name: 'b', deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 },
    }
    const now = Date.parse('2026-01-01T00:00:00Z')
    const hard = { cpu: '9', services: '3', 'count/widgets.example.com': '1' }
    const counter = new UsageCounter(quota('a', hard), now)
    counter.add(PODS, [pod('a', { requests: { cpu: '250m' } })])
    counter.add(PODS, [leaving])
    counter.add(SERVICES, [])
    const result = counter.count()
    deepEqual(result, { status: { hard, used: { cpu: '1250m', services: '0' } }, recheckAtMs: now + 60_000 })
  })
})
