import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../../src/api/object.ts'
import type { Pod, ServiceAccount } from '../../../src/api/types/core-v1.gen.ts'
import { mountServiceAccount } from '../../../src/controlplane/apiserver/admission/service-account-mount.ts'

const PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const pod = (spec: object, annotations?: Readonly<Record<string, string>>): Draft<Pod> =>
  structuredClone({
    metadata: { name: 'p', ...(annotations && { annotations }) },
    spec: { containers: [{ name: 'c' }], ...spec },
  }) as Draft<Pod>
const mounted = (given: Draft<Pod>, account?: ServiceAccount): Draft<Pod> => {
  mountServiceAccount(given, account, () => 0)
  return given
}
const volumeNames = ({ spec }: Draft<Pod>): readonly string[] => (spec?.volumes ?? []).map(({ name }) => name)

test('every container finds token, CA and namespace at the usual path', () => {
  const { spec } = mounted(pod({ initContainers: [{ name: 'i' }], volumes: [{ name: 'data', emptyDir: {} }] }))
  assert.deepEqual(
    spec?.volumes?.map(({ name }) => name),
    ['data', 'kube-api-access-bbbbb'],
  )
  const { sources = [] } = spec?.volumes?.[1]?.projected ?? {}
  assert.deepEqual(
    sources.map((source) => Object.keys(source)[0]),
    ['serviceAccountToken', 'configMap', 'downwardAPI'],
  )
  for (const { volumeMounts } of [...spec!.containers, ...spec!.initContainers!]) {
    assert.deepEqual(volumeMounts, [{ name: 'kube-api-access-bbbbb', readOnly: true, mountPath: PATH }])
  }
})

test('what stands there already stays, and without a container in want there is no volume', () => {
  const own = { name: 'c', volumeMounts: [{ name: 'mine', mountPath: PATH }] }
  assert.deepEqual(volumeNames(mounted(pod({ containers: [own] }))), [])
  const two = mounted(pod({ containers: [own, { name: 'd' }] }))
  assert.deepEqual(two.spec?.containers[0]?.volumeMounts, own.volumeMounts)
  assert.equal(two.spec?.containers[1]?.volumeMounts?.length, 1)
})

test('the pod decides, else its account, else it is mounted', () => {
  for (const [ofPod, ofAccount, want] of [
    [undefined, undefined, true],
    [undefined, true, true],
    [undefined, false, false],
    [true, false, true],
    [false, true, false],
    [false, undefined, false],
  ] as const) {
    const account = ofAccount === undefined ? undefined : { automountServiceAccountToken: ofAccount }
    const given = pod(ofPod === undefined ? {} : { automountServiceAccountToken: ofPod })
    assert.equal(volumeNames(mounted(given, account)).length === 1, want, `${ofPod} ${ofAccount}`)
  }
})

test('what a node runs from its own files has no account', () => {
  assert.deepEqual(volumeNames(mounted(pod({}, { 'kubernetes.io/config.mirror': 'x' }))), [])
})
