import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { podWarnings } from '../../../../src/api/definitions/pod/warnings.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { podManifest } from './pod-fixture.ts'

const ROWS = [
  { name: 'nothing to say', given: podManifest(), want: [] },
  {
    name: 'one variable twice',
    given: podManifest(
      {},
      {
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      },
    ),
    want: ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
  },
  {
    name: 'a variable that builds on itself',
    given: podManifest(
      {},
      {
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '$(A)2' },
        ],
      },
    ),
    want: [],
  },
  {
    name: 'one port twice',
    given: podManifest(
      {},
      {
        ports: [
          { containerPort: 80, protocol: 'TCP' },
          { name: 'b', containerPort: 80, protocol: 'TCP' },
        ],
      },
    ),
    want: ['spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]'],
  },
  {
    name: 'a label that was renamed',
    given: podManifest({ nodeSelector: { 'beta.kubernetes.io/arch': 'amd64' } }),
    want: ['spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead'],
  },
  {
    name: 'part of a byte',
    given: podManifest({}, { resources: { limits: { memory: '100m' } } }),
    want: ['spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer'],
  },
]

describe('warnings on pods', () => {
  for (const { name, given, want } of ROWS) test(name, () => assert.deepEqual(podWarnings(given as Pod), want))

  test('in a template they name its path', () => {
    const { spec } = podManifest({ terminationGracePeriodSeconds: -1 }) as Pod
    assert.deepEqual(podWarnings({ spec }, 'spec.template.'), [
      'spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1',
    ])
  })
})
