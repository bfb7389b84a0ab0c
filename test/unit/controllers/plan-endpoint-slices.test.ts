import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Pod, Service } from '../../../src/api/types/core-v1.gen.ts'
import type { Endpoint, EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import type { SliceAction } from '../../../src/controlplane/controllers/endpoints/diff-slices.ts'
import { planMirroredSlices } from '../../../src/controlplane/controllers/endpoints/mirroring-controller.ts'
import {
  planEndpointSlices,
  type ServiceObservation,
} from '../../../src/controlplane/controllers/endpoints/plan-endpoint-slices.ts'
import { ago, frozen, type PodParts, pod, ready, service, shuffled } from './objects.ts'

const ZONES = new Map([
  ['node-1', 'zone-a'],
  ['node-2', undefined],
])

function address(i: number): string {
  return `127.70.${129 + Math.floor(i / 200)}.${1 + (i % 200)}`
}

/** Pod number `i`, with an address of its own. */
function member(i: number, parts: PodParts = {}): Pod {
  const ip = address(i)
  return pod(`p${i}`, {
    ...parts,
    status: { phase: 'Running', conditions: ready(60), podIP: ip, podIPs: [{ ip }], ...parts.status },
  })
}

function members(count: number, from = 0): Pod[] {
  return Array.from({ length: count }, (_, i) => member(from + i))
}

function plan(
  owner: Service,
  pods: readonly Pod[],
  slices: readonly EndpointSlice[] = [],
  zones: ServiceObservation['zones'] = ZONES,
) {
  return planEndpointSlices(frozen(owner), frozen({ pods, slices, zones })).actions
}

let counter = 0

/** The slices as they are after the actions; new ones get names as the server would give them. */
function apply(slices: readonly EndpointSlice[], actions: readonly SliceAction[]): EndpointSlice[] {
  const result = new Map(slices.map((slice) => [slice.metadata?.name, slice]))
  for (const { kind, slice } of actions) {
    const name = slice.metadata?.name ?? `${slice.metadata?.generateName}${String(counter++).padStart(6, '0')}`
    if (kind === 'createSlice') assert.equal(slice.metadata?.name, undefined)
    else assert.ok(result.has(name), `${kind} of ${name}, which is not there`)
    if (kind === 'deleteSlice') result.delete(name)
    else result.set(name, { ...slice, metadata: { ...slice.metadata, name } })
  }
  return [...result.values()]
}

function endpointsOf(slices: readonly EndpointSlice[]): Endpoint[] {
  return slices.flatMap(({ endpoints }) => endpoints ?? [])
}

function kinds(actions: readonly SliceAction[]): string {
  return actions.map(({ kind }) => kind.replace('Slice', '')).join(' ')
}

describe('an endpoint', () => {
  const leaving = { metadata: { deletionTimestamp: ago(1) } }
  const unready = { status: { conditions: ready(5, 'False') } }
  for (const { name, parts, spec, want } of [
    { name: 'ready', parts: {}, spec: {}, want: [true, true, false] },
    { name: 'not ready', parts: unready, spec: {}, want: [false, false, false] },
    { name: 'terminating, still serving', parts: leaving, spec: {}, want: [false, true, true] },
    { name: 'terminating', parts: { ...leaving, ...unready }, spec: {}, want: [false, false, true] },
    {
      name: 'published though not ready',
      parts: unready,
      spec: { publishNotReadyAddresses: true },
      want: [true, false, false],
    },
    {
      name: 'published though terminating',
      parts: leaving,
      spec: { publishNotReadyAddresses: true },
      want: [true, true, true],
    },
  ]) {
    test(`${name}: ready, serving, terminating are ${want.join(', ')}`, () => {
      const [endpoint] = endpointsOf(apply([], plan(service('web', spec), [member(1, parts)])))
      const { ready, serving, terminating } = endpoint?.conditions ?? {}
      assert.deepEqual([ready, serving, terminating], want)
    })
  }
  test('says which pod it is, where, and under which name', () => {
    const named = member(1, { spec: { hostname: 'db-0', subdomain: 'web' } })
    const [endpoint] = endpointsOf(apply([], plan(service('web'), [named])))
    assert.deepEqual(endpoint, {
      addresses: ['127.70.129.2'],
      conditions: { ready: true, serving: true, terminating: false },
      hostname: 'db-0',
      nodeName: 'node-1',
      targetRef: { kind: 'Pod', namespace: 'default', name: 'p1', uid: 'uid-p1' },
      zone: 'zone-a',
    })
  })
  test('has no hostname within another Service, no zone where its node has none, and no hints', () => {
    const other = member(1, { spec: { hostname: 'db-0', subdomain: 'other', nodeName: 'node-2' } })
    const [endpoint] = endpointsOf(apply([], plan(service('web'), [other])))
    assert.deepEqual(Object.keys(endpoint ?? {}), ['addresses', 'conditions', 'nodeName', 'targetRef'])
  })
  for (const [what, parts] of [
    ['has ended', { status: { phase: 'Succeeded' } }],
    ['has failed', { status: { phase: 'Failed' } }],
    ['has no address', { status: { podIP: '', podIPs: [] } }],
    ['is on a node that does not exist', { spec: { nodeName: 'gone' } }],
  ] as const) {
    test(`is no pod that ${what}`, () => {
      assert.deepEqual(endpointsOf(apply([], plan(service('web'), [member(1, parts as PodParts)]))), [])
    })
  }
  test('on a node that does not exist is one if those not ready are published', () => {
    const lost = member(1, { spec: { nodeName: 'gone' } })
    assert.equal(endpointsOf(apply([], plan(service('web', { publishNotReadyAddresses: true }), [lost]))).length, 1)
  })
})

describe('ports', () => {
  const portsOf = (owner: Service, pods: readonly Pod[]): unknown =>
    apply([], plan(owner, pods))
      .map(({ ports, endpoints }) => ({ ports, pods: (endpoints ?? []).map(({ targetRef }) => targetRef?.name) }))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

  test('are numbers, or names that containers and sidecars give to numbers', () => {
    const ports = [
      { name: 'web', port: 80, protocol: 'TCP', targetPort: 'http', appProtocol: 'kubernetes.io/h2c' },
      { name: 'metrics', port: 9_090, protocol: 'TCP', targetPort: 'side' },
      { name: 'plain', port: 81, protocol: 'TCP' },
    ]
    const spec = {
      containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8_080 }] }],
      initContainers: [
        { name: 'setup', ports: [{ name: 'side', containerPort: 1 }] },
        { name: 'side', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 9_100 }] },
      ],
    }
    assert.deepEqual(portsOf(service('web', { ports }), [member(1, { spec })]), [
      {
        ports: [
          { name: 'web', port: 8_080, protocol: 'TCP', appProtocol: 'kubernetes.io/h2c' },
          { name: 'metrics', port: 9_100, protocol: 'TCP' },
          { name: 'plain', port: 81, protocol: 'TCP' },
        ],
        pods: ['p1'],
      },
    ])
  })
  test('of pods that give a name to different numbers stand in different slices', () => {
    const of = (containerPort: number): PodParts => ({
      spec: { containers: [{ name: 'main', ports: [{ name: 'http', containerPort }] }] },
    })
    const owner = service('web', { ports: [{ port: 80, protocol: 'TCP', targetPort: 'http' }] })
    assert.deepEqual(portsOf(owner, [member(1, of(8_080)), member(2, of(9_090)), member(3, of(8_080))]), [
      { ports: [{ name: '', port: 8_080, protocol: 'TCP' }], pods: ['p1', 'p3'] },
      { ports: [{ name: '', port: 9_090, protocol: 'TCP' }], pods: ['p2'] },
    ])
  })
  test('a name that counts for one protocol does not for another; TCP and UDP on one number stand side by side', () => {
    const spec = {
      containers: [
        {
          name: 'main',
          ports: [
            { name: 'dns', containerPort: 5_353, protocol: 'UDP' },
            { name: 'dns-tcp', containerPort: 5_353, protocol: 'TCP' },
          ],
        },
      ],
    }
    const ports = [
      { name: 'udp', port: 53, protocol: 'UDP', targetPort: 'dns' },
      { name: 'tcp', port: 53, protocol: 'TCP', targetPort: 'dns-tcp' },
      { name: 'wrong', port: 54, protocol: 'TCP', targetPort: 'dns' },
    ]
    assert.deepEqual(portsOf(service('web', { ports }), [member(1, { spec })]), [
      {
        ports: [
          { name: 'udp', port: 5_353, protocol: 'UDP' },
          { name: 'tcp', port: 5_353, protocol: 'TCP' },
        ],
        pods: ['p1'],
      },
    ])
  })
  test('a headless Service may have none', () => {
    const { ports: _, ...headless } = service('web', { clusterIP: 'None' }).spec!
    const [slice] = apply([], plan({ ...service('web'), spec: headless }, [member(1)]))
    assert.deepEqual(slice?.ports, [])
    assert.equal(slice?.endpoints?.length, 1)
    assert.equal(slice?.metadata?.labels?.['service.kubernetes.io/headless'], '')
  })
})

describe('slices', () => {
  test('say whose they are', () => {
    const owner = service('web', {}, { labels: { team: 'shop', 'service.kubernetes.io/headless': 'x' } })
    const [action] = plan(owner, [member(1)])
    assert.deepEqual(action?.slice.metadata, {
      namespace: 'default',
      generateName: 'web-',
      labels: {
        team: 'shop',
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'uid-web', controller: true, blockOwnerDeletion: true },
      ],
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': ago(60) },
    })
    assert.equal(action?.slice.addressType, 'IPv4')
  })
  test('a Service without pods has one that is empty', () => {
    const slices = apply([], plan(service('web'), []))
    assert.deepEqual(
      slices.map(({ endpoints, ports }) => [endpoints, ports]),
      [[[], []]],
    )
    assert.deepEqual(plan(service('web'), [], slices), [])
  })
  test('the empty one is filled, and emptied again, in place', () => {
    const empty = apply([], plan(service('web'), []))
    const fill = plan(service('web'), [member(1)], empty)
    assert.equal(kinds(fill), 'update')
    const back = plan(service('web'), [], apply(empty, fill))
    assert.equal(kinds(back), 'update')
  })
  test('hold 100 at most', () => {
    const sizes = apply([], plan(service('web'), members(250))).map(({ endpoints }) => endpoints?.length)
    assert.deepEqual(sizes.sort(), [100, 100, 50].sort())
  })
  test('a readiness that changes rewrites one slice', () => {
    const before = apply([], plan(service('web'), members(250)))
    const pods = members(250)
    pods[120] = member(120, { status: { conditions: ready(1, 'False') } })
    assert.equal(kinds(plan(service('web'), pods, before)), 'update')
  })
  test('new endpoints fill a slice that is written anyway, then the fullest that has room for all', () => {
    const before = apply([], plan(service('web'), members(250)))
    assert.equal(kinds(plan(service('web'), members(253), before)), 'update')
    // One leaves a full slice and one comes: the same slice is written, no other.
    assert.equal(kinds(plan(service('web'), [...members(9), ...members(241, 10)], before)), 'update')
    assert.equal(kinds(plan(service('web'), members(320), before)), 'create')
  })
  test('a slice that loses all its endpoints goes; what remains is not packed together', () => {
    const before = apply([], plan(service('web'), members(250)))
    const [first, ...others] = before
    const gone = new Set(endpointsOf([first!]).map(({ targetRef }) => targetRef?.name))
    const left = members(250).filter(({ metadata }) => !gone.has(metadata?.name))
    const actions = plan(service('web'), left, before)
    assert.equal(kinds(actions), 'delete')
    assert.deepEqual(apply(before, actions), others)
  })
  test('other ports reuse the slices there are', () => {
    const before = apply([], plan(service('web'), members(3)))
    const moved = service('web', { ports: [{ port: 80, protocol: 'TCP', targetPort: 8_080 }] })
    const actions = plan(moved, members(3), before)
    assert.equal(kinds(actions), 'update')
    assert.deepEqual(apply(before, actions)[0]?.ports, [{ name: '', port: 8_080, protocol: 'TCP' }])
  })
  test('labels of the Service follow, and a Service made anew takes over the slices of its predecessor', () => {
    const before = apply([], plan(service('web'), members(3)))
    assert.equal(kinds(plan(service('web', {}, { labels: { a: 'b' } }), members(3), before)), 'update')
    const reborn = service('web', {}, { uid: 'another' })
    const actions = plan(reborn, members(3), before)
    assert.equal(kinds(actions), 'update')
    assert.equal(actions[0]?.slice.metadata?.ownerReferences?.[0]?.uid, 'another')
  })
  test('one that is being deleted does not count', () => {
    const before = apply([], plan(service('web'), members(3)))
    const leaving = before.map((slice) => ({ ...slice, metadata: { ...slice.metadata, deletionTimestamp: ago(1) } }))
    assert.equal(kinds(plan(service('web'), members(3), leaving)), 'create')
  })
})

describe('mirrored slices', () => {
  test('show Endpoints kept by hand, ready ones and others', () => {
    const subsets = [
      {
        addresses: [{ ip: '192.0.2.1', hostname: 'db-0' }],
        notReadyAddresses: [{ ip: '192.0.2.2' }],
        ports: [{ port: 5_432, protocol: 'TCP' }],
      },
    ]
    const endpoints = { metadata: { namespace: 'default', name: 'db', uid: 'u', labels: { a: 'b' } }, subsets }
    const [action, ...others] = planMirroredSlices(endpoints, []).actions
    assert.equal(others.length, 0)
    assert.deepEqual(action?.slice.endpoints, [
      { addresses: ['192.0.2.1'], conditions: { ready: true }, hostname: 'db-0' },
      { addresses: ['192.0.2.2'], conditions: { ready: false } },
    ])
    assert.deepEqual(action?.slice.ports, [{ name: '', port: 5_432, protocol: 'TCP' }])
    assert.equal(
      action?.slice.metadata?.labels?.['endpointslice.kubernetes.io/managed-by'],
      'endpointslicemirroring-controller.k8s.io',
    )
    const slices = apply([], [action!])
    assert.deepEqual(planMirroredSlices(endpoints, slices).actions, [])
    assert.equal(kinds(planMirroredSlices({ ...endpoints, subsets: [] }, slices).actions), 'delete')
  })
})

/** Some of 260 pods, each with one of two container ports and in one of three states. */
const someMembers = fc
  .array(
    fc.record({
      i: fc.integer({ min: 0, max: 260 }),
      port: fc.constantFrom(8_080, 9_090),
      state: fc.constantFrom('ready', 'not ready', 'leaving'),
    }),
    { maxLength: 260, size: 'max' },
  )
  .map((all) =>
    [...new Map(all.map((one) => [one.i, one])).values()].map(({ i, port, state }) =>
      member(i, {
        spec: { containers: [{ name: 'main', ports: [{ name: 'http', containerPort: port }] }] },
        ...(state === 'leaving' ? { metadata: { deletionTimestamp: ago(1) } } : {}),
        ...(state === 'not ready' ? { status: { conditions: ready(1, 'False') } } : {}),
      }),
    ),
  )
const owner = service('web', { ports: [{ port: 80, protocol: 'TCP', targetPort: 'http' }] })

function key({ addresses, conditions, targetRef }: Endpoint, ports: EndpointSlice['ports']): string {
  return JSON.stringify([addresses, conditions, targetRef?.uid, ports])
}

function contents(slices: readonly EndpointSlice[]): string[] {
  return slices.flatMap(({ endpoints = [], ports }) => endpoints.map((endpoint) => key(endpoint, ports))).sort()
}

test('whatever came before, the slices together are exactly the endpoints, none holds more than 100, and planning again does nothing', () => {
  fc.assert(
    fc.property(fc.array(someMembers, { minLength: 1, maxLength: 4 }), (generations) => {
      let slices: EndpointSlice[] = []
      for (const pods of generations) {
        const actions = plan(owner, pods, slices)
        const written = new Set(actions.map(({ slice }) => slice.metadata?.name).filter((name) => name !== undefined))
        assert.equal(written.size, actions.filter(({ kind }) => kind !== 'createSlice').length, 'one slice twice')
        slices = apply(slices, actions)
        assert.deepEqual(contents(slices), contents(apply([], plan(owner, pods))))
        assert.ok(slices.every(({ endpoints = [] }) => endpoints.length <= 100))
        assert.ok(slices.length >= 1)
        assert.equal(slices.filter(({ endpoints = [] }) => endpoints.length === 0).length, pods.length === 0 ? 1 : 0)
        assert.deepEqual(plan(owner, pods, slices), [])
      }
    }),
    { numRuns: 60 },
  )
})

test('the order of pods and slices does not matter', () => {
  fc.assert(
    fc.property(
      fc.tuple(someMembers, someMembers).chain(([before, after]) => {
        const slices = apply([], plan(owner, before))
        return fc.tuple(fc.constant({ slices, after }), shuffled(slices), shuffled(after))
      }),
      ([{ slices, after }, otherSlices, otherPods]) => {
        const one = plan(owner, after, slices)
        const other = plan(owner, otherPods, otherSlices)
        assert.equal(kinds(other), kinds(one))
        const resultOf = (given: EndpointSlice[], actions: readonly SliceAction[]) => contents(apply(given, actions))
        assert.deepEqual(resultOf(otherSlices, other), resultOf(slices, one))
      },
    ),
    { numRuns: 60 },
  )
})
