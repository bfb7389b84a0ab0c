import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Endpoints, Pod, Service } from '../../../src/api/types/core-v1.gen.ts'
import { planEndpoints } from '../../../src/controlplane/controllers/endpoints/plan-endpoints.ts'
import { ago, frozen, type PodParts, pod, ready, service, shuffled } from './objects.ts'

const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity'

function member(i: number, parts: PodParts = {}): Pod {
  const podIP = `127.70.${129 + Math.floor(i / 200)}.${1 + (i % 200)}`
  return pod(`p${i}`, { ...parts, status: { phase: 'Running', conditions: ready(60), podIP, ...parts.status } })
}

const unready = (i: number): Pod => member(i, { status: { conditions: ready(5, 'False') } })
const leaving = (i: number): Pod => member(i, { metadata: { deletionTimestamp: ago(1) } })

function after(owner: Service, pods: readonly Pod[], existing?: Endpoints): Endpoints {
  const [action, ...others] = planEndpoints(frozen(owner), frozen(pods), existing).actions
  assert.equal(others.length, 0)
  return action?.endpoints ?? existing!
}

/** `10.0.0.1 10.0.0.2 | not ready : ports`, one line a subset. */
function lines({ subsets }: Endpoints): readonly string[] {
  return (subsets ?? []).map(({ addresses = [], notReadyAddresses = [], ports = [] }) =>
    [
      addresses.map(({ targetRef }) => targetRef?.name).join(' '),
      notReadyAddresses.map(({ targetRef }) => targetRef?.name).join(' '),
      ports.map(({ name = '', port, protocol }) => `${name}:${port}/${protocol}`).join(','),
    ].join('|'),
  )
}

test('ready pods are addresses, others that could be are not ready ones, leaving ones are none', () => {
  assert.deepEqual(lines(after(service('web'), [member(1), unready(2), leaving(3)])), ['p1|p2|:80/TCP'])
})

test('those not ready and those leaving are published if the Service says so', () => {
  const owner = service('web', { publishNotReadyAddresses: true })
  assert.deepEqual(lines(after(owner, [member(1), unready(2), leaving(3)])), ['p1 p2 p3||:80/TCP'])
})

test('pods whose port names differ in number stand in different subsets, and those without the port in none', () => {
  const of = (i: number, containerPort: number): Pod =>
    member(i, { spec: { containers: [{ name: 'main', ports: [{ name: 'http', containerPort }] }] } })
  const owner = service('web', { ports: [{ name: 'web', port: 80, protocol: 'TCP', targetPort: 'http' }] })
  assert.deepEqual(lines(after(owner, [of(1, 8_080), of(2, 9_090), member(3)])), [
    'p1||web:8080/TCP',
    'p2||web:9090/TCP',
  ])
})

test('a headless Service without ports has addresses alone', () => {
  const { ports: _, ...spec } = service('web', { clusterIP: 'None' }).spec!
  const made = after({ ...service('web'), spec }, [member(1)])
  assert.deepEqual(lines(made), ['p1||'])
  assert.equal(made.metadata?.labels?.['service.kubernetes.io/headless'], '')
})

test('without pods there is an object without subsets', () => {
  const made = after(service('web', {}, { labels: { team: 'shop' } }), [])
  assert.deepEqual(made.subsets, [])
  assert.deepEqual(made.metadata?.labels, { team: 'shop', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' })
})

test('at most 1,000 addresses are kept, ready ones first, and the object says so until it fits again', () => {
  const many = [
    ...Array.from({ length: 900 }, (_, i) => member(i)),
    ...Array.from({ length: 200 }, (_, i) => unready(900 + i)),
  ]
  const full = after(service('web'), many)
  const [subset] = full.subsets ?? []
  assert.equal(subset?.addresses?.length, 900)
  assert.equal(subset?.notReadyAddresses?.length, 100)
  assert.equal(full.metadata?.annotations?.[OVER_CAPACITY], 'truncated')
  assert.deepEqual(planEndpoints(service('web'), many, full).actions, [])
  const ready = Array.from({ length: 1_001 }, (_, i) => member(i))
  const readyOnly = after(service('web'), [...ready, unready(1_001)])
  assert.equal(readyOnly.subsets?.[0]?.addresses?.length, 1_000)
  assert.equal(readyOnly.subsets?.[0]?.notReadyAddresses, undefined)
  const exactly = after(service('web'), ready.slice(0, 1_000), readyOnly)
  assert.equal(exactly.metadata?.annotations?.[OVER_CAPACITY], undefined)
  assert.equal(exactly.subsets?.[0]?.addresses?.length, 1_000)
})

test('annotations of others stay, and the moment of the last change is told', () => {
  const existing = after(service('web'), [member(1)])
  const noted = { ...existing, metadata: { ...existing.metadata, annotations: { note: 'mine' } } }
  const changed = after(service('web'), [member(1), member(2, { status: { conditions: ready(7) } })], noted)
  assert.deepEqual(changed.metadata?.annotations, {
    note: 'mine',
    'endpoints.kubernetes.io/last-change-trigger-time': ago(7),
  })
})

const someMembers = fc.array(
  fc.record({ i: fc.integer({ min: 0, max: 40 }), make: fc.constantFrom(member, unready, leaving) }),
  { maxLength: 30 },
)

test('planning again does nothing, and the order of the pods does not matter', () => {
  fc.assert(
    fc.property(
      someMembers.chain((all) => {
        const pods = [...new Map(all.map((one) => [one.i, one])).values()].map(({ i, make }) => make(i))
        return fc.tuple(fc.constant(pods), shuffled(pods))
      }),
      ([pods, others]) => {
        const made = after(service('web'), pods)
        assert.deepEqual(after(service('web'), others), made)
        assert.deepEqual(planEndpoints(service('web'), others, made).actions, [])
      },
    ),
  )
})
