import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '../../../src/api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import { inRange } from '../../../src/base/ipv4.ts'
import type { Listener, ServiceRoutes } from '../../../src/proxy/table/routing-table.ts'
import { serviceRoutes } from '../../../src/proxy/table/service-routes.ts'
import { CONTEXT, POD, service, slice } from './proxy-fixture.ts'

function routes(of: Service | undefined, ...slices: readonly EndpointSlice[]): ServiceRoutes {
  return serviceRoutes(of, slices, CONTEXT)
}

/** `KIND ADDRESS:PORT > endpoints`, in order. */
function lines({ listeners }: ServiceRoutes): readonly string[] {
  const ends = (endpoints: Listener['endpoints']): string => endpoints.map((e) => `${e.address}:${e.port}`).join(' ')
  return listeners.map(({ kind, key, endpoints }) => `${kind} ${key} > ${ends(endpoints)}`)
}

const A = `${POD(1)}:8080`
const B = `${POD(2)}:8080`

interface Row {
  readonly name: string
  readonly given: readonly [Service | undefined, ...EndpointSlice[]]
  readonly want: readonly string[]
}

const EXTERNAL = { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] }
const BALANCED = { type: 'LoadBalancer', ports: [{ name: 'http', port: 80, nodePort: 30080 }] }
const at = (ip: string, more: object = {}): Partial<Service> => ({
  status: { loadBalancer: { ingress: [{ ip, ...more }] } },
})

const ROWS: readonly Row[] = [
  {
    name: 'a ClusterIP leads to the ready endpoints, in order',
    given: [service('cart'), slice('cart', [{ address: POD(2) }, { address: POD(1), ready: true }])],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${A} ${B}`],
  },
  {
    name: 'endpoints that are not ready get nothing',
    given: [service('cart'), slice('cart', [{ address: POD(1), ready: false }, { address: POD(2) }])],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${B}`],
  },
  {
    // KEP-1669
    name: 'ending endpoints that serve get nothing while others are ready',
    given: [
      service('cart'),
      slice('cart', [{ address: POD(1), ready: false, serving: true, terminating: true }, { address: POD(2) }]),
    ],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${B}`],
  },
  {
    name: 'ending endpoints that serve are used when none is ready',
    given: [
      service('cart'),
      slice('cart', [
        { address: POD(1), ready: false, serving: true, terminating: true },
        { address: POD(2), ready: false, serving: false, terminating: true },
        { address: POD(3), ready: false, serving: false },
      ]),
    ],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${A}`],
  },
  {
    // publishNotReadyAddresses: the controller writes such endpoints as ready, ending or not.
    name: 'what is published as ready is used, also when it ends',
    given: [
      service('cart', { publishNotReadyAddresses: true }),
      slice('cart', [{ address: POD(1), ready: true, serving: false, terminating: true }]),
    ],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${A}`],
  },
  {
    name: 'an endpoint in two slices counts by its better side, once',
    given: [
      service('cart'),
      slice('cart', [{ address: POD(1), ready: false }], undefined, 'a'),
      slice('cart', [{ address: POD(1), ready: true }], undefined, 'b'),
    ],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${A}`],
  },
  {
    name: 'ports are matched by name and protocol, not by number',
    given: [
      service('cart', {
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53 },
        ],
      }),
      slice('cart', [{ address: POD(1) }], [{ name: 'dns', port: 5353, protocol: 'UDP' }], 'a'),
      slice('cart', [{ address: POD(2) }], [{ name: 'dns-tcp', port: 5354 }], 'b'),
      slice('cart', [{ address: POD(3) }], [{ name: 'dns', port: 5355, protocol: 'TCP' }], 'c'),
    ],
    want: [`ClusterIP UDP 127.127.16.5:53 > ${POD(1)}:5353`, `ClusterIP TCP 127.127.16.5:53 > ${POD(2)}:5354`],
  },
  {
    name: 'a node port stands on every node, and for the first on 127.0.0.1',
    given: [service('cart', EXTERNAL), slice('cart', [{ address: POD(1) }])],
    want: [
      `ClusterIP TCP 127.127.16.5:80 > ${A}`,
      `NodePort TCP 127.127.0.1:30080 > ${A}`,
      `NodePort TCP 127.0.0.1:30080 > ${A}`,
      `NodePort TCP 127.127.0.2:30080 > ${A}`,
    ],
  },
  {
    name: 'with externalTrafficPolicy Local each node leads to its own endpoints, the balancer to all',
    given: [
      service('cart', { ...BALANCED, externalTrafficPolicy: 'Local' }, at('127.127.32.1')),
      slice('cart', [
        { address: POD(1), node: 'test-1' },
        { address: POD(1, 2), node: 'test-2', ready: false, serving: true, terminating: true },
      ]),
    ],
    want: [
      `ClusterIP TCP 127.127.16.5:80 > ${A}`,
      `NodePort TCP 127.127.0.1:30080 > ${A}`,
      `NodePort TCP 127.0.0.1:30080 > ${A}`,
      `NodePort TCP 127.127.0.2:30080 > ${POD(1, 2)}:8080`,
      `LoadBalancer TCP 127.127.32.1:80 > ${A}`,
    ],
  },
  {
    name: 'allocateLoadBalancerNodePorts false: no node port',
    given: [service('cart', { type: 'LoadBalancer' }, at('127.127.32.1')), slice('cart', [{ address: POD(1) }])],
    want: [`ClusterIP TCP 127.127.16.5:80 > ${A}`, `LoadBalancer TCP 127.127.32.1:80 > ${A}`],
  },
  {
    // KEP-1860
    name: 'ipMode Proxy: somebody else has the address',
    given: [service('cart', { type: 'LoadBalancer' }, at('127.127.32.1', { ipMode: 'Proxy' })), slice('cart', [])],
    want: ['ClusterIP TCP 127.127.16.5:80 > '],
  },
  {
    name: 'a headless Service has no address of its own',
    given: [service('cart', { clusterIP: 'None' }), slice('cart', [{ address: POD(1) }])],
    want: [],
  },
  {
    name: 'ExternalName is a matter of DNS',
    given: [service('cart', { type: 'ExternalName', externalName: 'x' })],
    want: [],
  },
  { name: 'slices without a Service lead nowhere', given: [undefined, slice('cart', [{ address: POD(1) }])], want: [] },
  {
    name: 'IPv6 slices are passed over',
    given: [service('cart'), { ...slice('cart', [{ address: '::1' }]), addressType: 'IPv6' }],
    want: ['ClusterIP TCP 127.127.16.5:80 > '],
  },
]

for (const { name, given, want } of ROWS)
  test(`routes: ${name}`, () => {
    const [of, ...slices] = given
    assert.deepEqual(lines(routes(of, ...slices)), want)
    assert.deepEqual(lines(routes(of, ...slices.toReversed())), want, 'whatever the order')
  })

test('with internalTrafficPolicy Local clients of a node are led to its endpoints, others to all', () => {
  const { listeners } = routes(
    service('cart', { internalTrafficPolicy: 'Local' }),
    slice('cart', [
      { address: POD(1), node: 'test-1' },
      { address: POD(2), node: 'elsewhere' },
    ]),
  )
  const [listener] = listeners
  assert.equal(listener!.endpoints.length, 2)
  assert.deepEqual(
    [...listener!.endpointsByNode!].map(([node, ends]) => [node, ends.map((e) => e.address)]),
    [
      ['test-1', [POD(1)]],
      ['test-2', []],
    ],
  )
})

test('affinity lasts three hours unless said otherwise', () => {
  const affinity = (spec: object): number | undefined => routes(service('cart', spec)).listeners[0]!.affinityMs
  assert.equal(affinity({}), undefined)
  assert.equal(affinity({ sessionAffinity: 'ClientIP' }), 10_800_000)
  assert.equal(
    affinity({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }),
    5_000,
  )
})

test('source ranges concern the balancer alone; those that cannot be read admit nobody', () => {
  const { listeners } = routes(
    service('cart', { ...BALANCED, loadBalancerSourceRanges: [' 10.0.0.0/8', 'fd00::/8', 'x'] }, at('127.127.32.1')),
  )
  for (const { kind, sourceRanges } of listeners) {
    if (kind !== 'LoadBalancer') assert.equal(sourceRanges, undefined)
    else {
      assert.equal(sourceRanges!.length, 1)
      assert.ok(inRange(sourceRanges![0]!, '10.1.2.3'))
    }
  }
})

test('addresses tell what the Service makes of them', () => {
  const { addresses } = routes(
    service('cart'),
    slice('cart', [
      { address: POD(1) },
      { address: POD(2), ready: false },
      { address: POD(3), ready: false, serving: true, terminating: true },
    ]),
  )
  assert.deepEqual(addresses, [
    { address: POD(1), isChosen: true, isTerminating: false },
    { address: POD(2), isChosen: false, isTerminating: false },
    { address: POD(3), isChosen: false, isTerminating: true },
  ])
})

test('health checks count the ready endpoints of each node', () => {
  const of = service('cart', { ...BALANCED, externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 })
  const { healthCheck } = routes(
    of,
    slice('cart', [
      { address: POD(1), node: 'test-1' },
      { address: POD(2), node: 'test-1', ready: false, serving: true, terminating: true },
      { address: POD(1, 2), node: 'test-2', ready: false },
    ]),
    slice('cart', [{ address: POD(1), node: 'test-1' }], [{ name: 'other', port: 1 }], 'b'),
  )
  assert.deepEqual(healthCheck, {
    service: 'shop/cart',
    port: 31000,
    endpointsByNode: new Map([
      ['test-1', 1],
      ['test-2', 0],
    ]),
  })
  assert.equal(routes(service('cart', { ...BALANCED, healthCheckNodePort: 31000 })).healthCheck, undefined)
})

// Attack row 7 (CVE-2021-25737, CVE-2021-25740) and 8 (CVE-2020-8554).
const REFUSED: readonly (readonly [string, Service, EndpointSlice, RegExp])[] = [
  ...['127.0.0.1', '127.126.129.1', '127.127.16.5', '127.127.32.1', '169.254.169.254', '10.0.0.1', '0.0.0.0', 'x'].map(
    (address) =>
      [
        `an endpoint at ${address}`,
        service('cart'),
        slice('cart', [{ address }]),
        /^EndpointRefused endpoint .* is no pod or node of this cluster$/,
      ] as const,
  ),
  [
    'a ClusterIP outside the range',
    service('cart', { clusterIP: '127.0.0.1' }),
    slice('cart', []),
    /^AddressRefused ClusterIP 127\.0\.0\.1 is not in the cluster's service range$/,
  ],
  [
    'a balancer address outside the pool',
    service('cart', { clusterIP: 'None', type: 'LoadBalancer' }, at('127.0.0.1')),
    slice('cart', []),
    /^AddressRefused load balancer address 127\.0\.0\.1 is not in the cluster's pool/,
  ],
  [
    'external addresses',
    service('cart', { clusterIP: 'None', externalIPs: ['127.127.0.1'] }),
    slice('cart', []),
    /^ExternalIPRefused externalIPs are refused, so 127\.127\.0\.1 is not served/,
  ],
  [
    'SCTP',
    service('cart', { ports: [{ port: 1, protocol: 'SCTP' }] }),
    slice('cart', []),
    /^ProtocolNotSupported port 1\/SCTP is not served/,
  ],
]

for (const [name, of, hand, want] of REFUSED)
  test(`refused and said so: ${name}`, () => {
    const { listeners, refusals } = routes(of, hand)
    assert.equal(refusals.length, 1)
    assert.match(`${refusals[0]!.reason} ${refusals[0]!.message}`, want)
    assert.equal(listeners.flatMap(({ endpoints }) => endpoints).length, 0)
  })

test('only default/kubernetes may lead to API servers, which are no pods, and never to a Service', () => {
  const kubernetes = service('kubernetes', {}, { metadata: { namespace: 'default', name: 'kubernetes' } })
  const to = (address: string): EndpointSlice => slice('kubernetes', [{ address }], [{ name: 'http', port: 6443 }])
  assert.deepEqual(lines(routes(kubernetes, to('127.0.0.1'))), ['ClusterIP TCP 127.127.16.5:80 > 127.0.0.1:6443'])
  assert.deepEqual(lines(routes(kubernetes, to('10.0.0.5'))), ['ClusterIP TCP 127.127.16.5:80 > 10.0.0.5:6443'])
  assert.equal(routes(kubernetes, to('127.127.16.9')).refusals.length, 1)
  assert.equal(routes(service('kubernetes'), to('127.0.0.1')).refusals.length, 1)
})

test('pods and nodes of other machines are targets like those of this one', () => {
  const to = (address: string): EndpointSlice => slice('cart', [{ address }], [{ name: 'http', port: 8080 }])
  for (const address of ['127.127.129.4', '127.127.228.4', '127.127.0.1', '127.127.0.100'])
    assert.deepEqual(routes(service('cart'), to(address)).refusals, [], address)
  for (const address of ['127.127.229.4', '127.127.128.4', '127.127.0.101', '127.127.0.0', '127.126.129.4'])
    assert.equal(routes(service('cart'), to(address)).refusals.length, 1, address)
})

test('one refusal is said once, however many listeners it concerns', () => {
  const { refusals } = routes(service('cart', EXTERNAL), slice('cart', [{ address: '10.0.0.1' }]))
  assert.equal(refusals.length, 1)
})
