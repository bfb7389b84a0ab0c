import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Draft } from '../../../src/api/object.ts'
import type { LimitRange, LimitRangeItem, Pod } from '../../../src/api/types/core-v1.gen.ts'
import { applyLimitDefaults } from '../../../src/controlplane/quota/apply-limit-defaults.ts'
import { checkLimits } from '../../../src/controlplane/quota/check-limits.ts'
import { container, pod } from './quota-fixture.ts'

function range(...limits: readonly Partial<LimitRangeItem>[]): LimitRange {
  return { metadata: { name: 'r' }, spec: { limits: limits.map((item) => ({ type: 'Container', ...item })) } }
}

describe('defaults of a LimitRange', () => {
  it('fills in what containers leave out, keeps what they say, and tells of it', () => {
    const draft = pod('a', { requests: { cpu: '10m' } }, { initContainers: [container({}, 'init')] }) as Draft<Pod>
    applyLimitDefaults(
      [range({ default: { cpu: '1', memory: '1Gi' }, defaultRequest: { cpu: '500m', memory: '256Mi' } })],
      draft,
    )
    deepEqual(draft.spec?.containers[0]?.resources, {
      requests: { cpu: '10m', memory: '256Mi' },
      limits: { cpu: '1', memory: '1Gi' },
    })
    deepEqual(draft.spec?.initContainers?.[0]?.resources, {
      requests: { cpu: '500m', memory: '256Mi' },
      limits: { cpu: '1', memory: '1Gi' },
    })
    equal(
      draft.metadata?.annotations?.['kubernetes.io/limit-ranger'],
      'LimitRanger plugin set: memory request for container web; cpu, memory limit for container web; cpu, memory request for init container init; cpu, memory limit for init container init',
    )
    equal(draft.status?.qosClass, 'Burstable')
  })

  it('leaves a pod alone that says everything', () => {
    const draft = pod('a', { requests: { cpu: '1' }, limits: { cpu: '1' } }) as Draft<Pod>
    const before = structuredClone(draft)
    applyLimitDefaults([range({ default: { cpu: '2' }, defaultRequest: { cpu: '2' } })], draft)
    deepEqual(draft, before)
  })
})

describe('what a LimitRange allows', () => {
  const asked = { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '500m', memory: '200Mi' } }
  const table: readonly (readonly [string, Partial<LimitRangeItem>, Pod, string | undefined])[] = [
    ['what is within', { min: { cpu: '100m' }, max: { cpu: '500m' } }, pod('a', asked), undefined],
    [
      'too little',
      { min: { cpu: '200m' } },
      pod('a', asked),
      'minimum cpu usage per Container is 200m, but request is 100m',
    ],
    [
      'a limit that is too little',
      { min: { memory: '300Mi' } },
      pod('a', { requests: { memory: '300Mi' }, limits: { memory: '200Mi' } }),
      'minimum memory usage per Container is 300Mi, but limit is 200Mi',
    ],
    ['no request', { min: { cpu: '1' } }, pod('a'), 'minimum cpu usage per Container is 1.  No request is specified'],
    [
      'too much',
      { max: { cpu: '400m' } },
      pod('a', asked),
      'maximum cpu usage per Container is 400m, but limit is 500m',
    ],
    ['no limit', { max: { cpu: '1' } }, pod('a'), 'maximum cpu usage per Container is 1.  No limit is specified'],
    [
      'a request that is too much',
      { max: { cpu: '1' } },
      pod('a', { requests: { cpu: '2' }, limits: { cpu: '1' } }),
      'maximum cpu usage per Container is 1, but request is 2',
    ],
    [
      'a ratio that is too great',
      { maxLimitRequestRatio: { cpu: '3' } },
      pod('a', asked),
      'cpu max limit to request ratio per Container is 3, but provided ratio is 5.000000',
    ],
    [
      'a ratio with nothing below',
      { maxLimitRequestRatio: { cpu: '3' } },
      pod('a', { limits: { cpu: '1' } }),
      'cpu max limit to request ratio per Container is 3, but no request is specified or request is 0',
    ],
    [
      'a ratio with nothing above',
      { maxLimitRequestRatio: { cpu: '3' } },
      pod('a', { requests: { cpu: '1' } }),
      'cpu max limit to request ratio per Container is 3, but no limit is specified or limit is 0',
    ],
    [
      'several at once, each told once',
      { max: { cpu: '400m', memory: '100Mi' } },
      pod('a', asked, { initContainers: [container(asked, 'init')] }),
      '[maximum cpu usage per Container is 400m, but limit is 500m, maximum memory usage per Container is 100Mi, but limit is 200Mi]',
    ],
    [
      'a pod as a whole',
      { type: 'Pod', max: { cpu: '900m' } },
      { ...pod('a'), spec: { containers: [container(asked, 'a'), container(asked, 'b')] } },
      'maximum cpu usage per Pod is 900m, but limit is 1',
    ],
  ]
  for (const [name, item, given, want] of table) it(name, () => equal(checkLimits(range(item), { pod: given }), want))

  it('claims on volumes, by what they request', () => {
    const claim = { spec: { resources: { requests: { storage: '5Gi' } } } }
    const item = { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '4Gi' } }
    equal(
      checkLimits(range(item), { claim }),
      'maximum storage usage per PersistentVolumeClaim is 4Gi, but request is 5Gi',
    )
  })
})
