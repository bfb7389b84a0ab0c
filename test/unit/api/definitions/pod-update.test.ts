import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { POD } from '../../../../src/api/definitions/pod/definition.ts'
import type { Draft } from '../../../../src/api/object.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { podManifest } from './pod-fixture.ts'
import { created, update } from './strategies.ts'

const OTHERS =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

const POD_BEFORE = created(POD, podManifest({ activeDeadlineSeconds: 60 }))

interface Row {
  readonly name: string
  readonly given: (draft: Draft<Pod>) => void
  readonly want: readonly string[]
  readonly generation: number
}

const ROWS: readonly Row[] = [
  { name: 'nothing', given: () => {}, want: [], generation: 1 },
  {
    name: 'labels',
    given: (pod) => {
      pod.metadata!.labels = { other: 'x' }
    },
    want: [],
    generation: 1,
  },
  {
    name: 'an image',
    given: (pod) => {
      pod.spec!.containers[0]!.image = 'node:25'
    },
    want: [],
    generation: 2,
  },
  {
    name: 'a shorter deadline',
    given: (pod) => {
      pod.spec!.activeDeadlineSeconds = 30
    },
    want: [],
    generation: 2,
  },
  {
    name: 'a longer deadline',
    given: (pod) => {
      pod.spec!.activeDeadlineSeconds = 90
    },
    want: ['spec.activeDeadlineSeconds: Invalid value: 90: must be less than or equal to previous value'],
    generation: 2,
  },
  {
    name: 'one more toleration',
    given: (pod) => void pod.spec!.tolerations!.push({ key: 'a', operator: 'Exists' }),
    want: [],
    generation: 2,
  },
  {
    name: 'other seconds of a toleration',
    given: (pod) => {
      pod.spec!.tolerations![0]!.tolerationSeconds = 5
    },
    want: [],
    generation: 2,
  },
  {
    name: 'another key of a toleration',
    given: (pod) => {
      pod.spec!.tolerations = [{ operator: 'Exists' }]
    },
    want: ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds'],
    generation: 2,
  },
  {
    name: 'a command',
    given: (pod) => {
      pod.spec!.containers[0]!.command = ['sh']
    },
    want: [OTHERS],
    generation: 2,
  },
  {
    name: 'the node',
    given: (pod) => {
      pod.spec!.nodeName = 'elsewhere'
    },
    want: [OTHERS],
    generation: 2,
  },
  {
    name: 'one more container',
    given: (pod) => void pod.spec!.containers.push({ name: 'more', image: 'node' }),
    want: ['spec.containers: Forbidden: pod updates may not add or remove containers'],
    generation: 2,
  },
  {
    name: 'a new gate',
    given: (pod) => {
      pod.spec!.schedulingGates = [{ name: 'example.com/a' }]
    },
    want: ["spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate 'example.com/a'"],
    generation: 2,
  },
  {
    name: 'what admission filled in may be left out',
    given: (pod) => {
      delete pod.spec!.priority
      delete pod.spec!.preemptionPolicy
    },
    want: [],
    generation: 1,
  },
]

describe('changing a pod', () => {
  for (const { name, given, want, generation } of ROWS)
    test(name, () => {
      const { object, errors } = update(POD, POD_BEFORE, given)
      assert.deepEqual(errors, want)
      assert.equal(object.metadata?.generation, generation)
    })

  test('the status stays as it is', () => {
    const { object } = update(POD, POD_BEFORE, (pod) => {
      pod.status = { phase: 'Failed' }
    })
    assert.deepEqual(object.status, POD_BEFORE.status)
  })
})

describe('changing a pod through its status', () => {
  test('the spec stays as it is, and so does the class of service', () => {
    const { object, errors } = update(
      POD,
      POD_BEFORE,
      (pod) => {
        pod.spec!.nodeName = 'elsewhere'
        pod.status = { phase: 'Running', podIP: '127.70.129.4' }
      },
      'status',
    )
    assert.deepEqual(errors, [])
    assert.deepEqual(object.spec, POD_BEFORE.spec)
    assert.deepEqual(object.status, {
      phase: 'Running',
      qosClass: 'BestEffort',
      podIP: '127.70.129.4',
      podIPs: [{ ip: '127.70.129.4' }],
    })
  })

  test('an address that traffic must not be sent to is refused', () => {
    const { errors } = update(
      POD,
      POD_BEFORE,
      (pod) => {
        pod.status = { phase: 'Running', podIP: '169.254.169.254' }
      },
      'status',
    )
    assert.deepEqual(errors, [
      'status.podIPs[0]: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ])
  })
})

describe('how long a pod may take to end', () => {
  const seconds = (change: (draft: Draft<Pod>) => void): number => {
    const pod = podManifest({ nodeName: 'n', terminationGracePeriodSeconds: 7 })
    change(pod)
    return POD.deletionGracePeriodSeconds!(pod as Pod)
  }
  test('its own word', () =>
    assert.equal(
      seconds(() => {}),
      7,
    ))
  test('none when it runs nowhere', () =>
    assert.equal(
      seconds((pod) => {
        delete pod.spec!.nodeName
      }),
      0,
    ))
  test('none when it has ended', () =>
    assert.equal(
      seconds((pod) => {
        pod.status = { phase: 'Succeeded' }
      }),
      0,
    ))
})
