import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service, ServicePort } from '../../../../src/api/types/core-v1.gen.ts'
import { decodeHttpAnnotations } from '../../../../src/proxy/http-services/decode-http-annotations.ts'
import type { HttpPortOptions } from '../../../../src/proxy/http-services/http-port-options.ts'
import { type HttpProtocol, httpProtocol } from '../../../../src/proxy/http-services/http-protocol.ts'
import { ineffectiveAnnotations } from '../../../../src/proxy/http-services/ineffective-annotations.ts'
import { serviceRoutes } from '../../../../src/proxy/table/service-routes.ts'
import { CONTEXT, POD, service, slice } from '../proxy-fixture.ts'

const PORTS: readonly { readonly given: Partial<ServicePort>; readonly want: HttpProtocol | undefined }[] = [
  { given: { name: 'http' }, want: 'http1' },
  { given: { name: 'http-web' }, want: 'http1' },
  { given: { name: 'https' }, want: undefined },
  { given: { name: 'https-web' }, want: undefined },
  { given: { name: 'http2' }, want: undefined },
  { given: { name: 'web' }, want: undefined },
  { given: {}, want: undefined },
  { given: { appProtocol: 'http' }, want: 'http1' },
  { given: { appProtocol: 'HTTP' }, want: 'http1' },
  { given: { appProtocol: 'kubernetes.io/ws' }, want: 'http1' },
  { given: { appProtocol: 'kubernetes.io/wss' }, want: undefined },
  { given: { appProtocol: 'kubernetes.io/h2c' }, want: 'h2c' },
  { given: { appProtocol: 'grpc', name: 'http' }, want: 'h2c' },
  { given: { appProtocol: 'tcp', name: 'http' }, want: undefined },
  { given: { appProtocol: 'constructor' }, want: undefined },
  { given: { appProtocol: '', name: 'http' }, want: 'http1' },
  { given: { name: 'http', protocol: 'UDP' }, want: undefined },
]

for (const { given, want } of PORTS)
  test(`a port with ${JSON.stringify(given)} ${want ?? 'is relayed as bytes'}`, () => {
    assert.equal(httpProtocol({ port: 80, ...given }), want)
  })

function annotated(annotations: Readonly<Record<string, string>>, spec: Partial<Service['spec']> = {}): Service {
  const { metadata, ...rest } = service('cart', spec)
  return { ...rest, metadata: { ...metadata!, annotations } }
}

const DEFAULTS: HttpPortOptions = {
  protocol: 'http1',
  algorithm: 'p2c-peak-ewma',
  key: { from: 'address' },
  sticky: undefined,
  secret: 'uid-cart',
  requestMs: Number.POSITIVE_INFINITY,
  perTryMs: undefined,
  retriesMax: 2,
  retryStatuses: [],
  ejectsOutliers: true,
  slowStartMs: 0,
  connectionsMax: undefined,
  requestsMax: undefined,
}

const TAKEN: readonly {
  readonly given: Readonly<Record<string, string>>
  readonly want: Partial<HttpPortOptions>
}[] = [
  { given: {}, want: {} },
  { given: { 'wherry.dev/algorithm': 'least-request' }, want: { algorithm: 'least-request' } },
  { given: { 'wherry.dev/timeout': '1.5s' }, want: { requestMs: 1_500 } },
  { given: { 'wherry.dev/timeout': ' 10s ' }, want: { requestMs: 10_000 } },
  { given: { 'wherry.dev/per-try-timeout': '500ms' }, want: { perTryMs: 500 } },
  { given: { 'wherry.dev/retry-on': '502, 503,504' }, want: { retryStatuses: [502, 503, 504] } },
  { given: { 'wherry.dev/retries': '0' }, want: { retriesMax: 0 } },
  { given: { 'wherry.dev/sticky': 'cookie:seat' }, want: { sticky: { by: 'cookie', name: 'seat' } } },
  { given: { 'wherry.dev/outlier-detection': 'off' }, want: { ejectsOutliers: false } },
  { given: { 'wherry.dev/slow-start': '30s' }, want: { slowStartMs: 30_000 } },
  { given: { 'wherry.dev/max-connections': '10' }, want: { connectionsMax: 10 } },
  { given: { 'wherry.dev/max-requests': '20' }, want: { requestsMax: 20 } },
  {
    given: { 'wherry.dev/algorithm': 'maglev', 'wherry.dev/hash': 'header:X-User' },
    want: { algorithm: 'maglev', key: { from: 'header', name: 'X-User' } },
  },
  { given: { 'wherry.dev/timeout': '1s', 'wherry.dev/timeout.http': '2s' }, want: { requestMs: 2_000 } },
  { given: { 'wherry.dev/timeout': '1s', 'wherry.dev/timeout.other': '2s' }, want: { requestMs: 1_000 } },
  { given: { 'example.com/timeout': '1s' }, want: {} },
]

for (const { given, want } of TAKEN)
  test(`annotations ${JSON.stringify(given)} are taken`, () => {
    const { options, mistakes } = decodeHttpAnnotations(annotated(given), 'http', 'http1')
    assert.deepEqual(options, { ...DEFAULTS, ...want })
    assert.deepEqual(mistakes, [])
  })

const REFUSED: readonly { readonly key: string; readonly values: readonly string[]; readonly allowed: RegExp }[] = [
  { key: 'algorithm', values: ['', 'fastest', 'toString', '__proto__'], allowed: /one of p2c-peak-ewma, round-robin/ },
  {
    key: 'timeout',
    values: ['', '0s', '-1s', '10', '1d', '1e3s', '1 s', '999999999h', '٣s', 'Infinity'],
    allowed: /a time such as 500ms, 10s, 5m or 1h/,
  },
  { key: 'retries', values: ['', '-1', '11', '1.5', 'many', '1e1', '0x1'], allowed: /a whole number from 0 to 10/ },
  {
    key: 'sticky',
    values: ['', 'cookie', 'cookie:', 'cookie:a b', 'cookie:a;b', 'cookie:a:b', 'address', 'header:x\r\ny'],
    allowed: /cookie:NAME or header:NAME/,
  },
  {
    key: 'retry-on',
    values: ['', '503,', '404', '600', '5xx', '503;504'],
    allowed: /statuses from 500 to 599 such as 502,503,504/,
  },
  { key: 'hash', values: ['', 'path', 'header:'], allowed: /address, header:NAME or cookie:NAME/ },
  { key: 'outlier-detection', values: ['', 'yes', '1'], allowed: /on or off/ },
  { key: 'max-requests', values: ['0', '1000001'], allowed: /from 1 to 1000000/ },
]

for (const { key, values, allowed } of REFUSED)
  for (const value of values)
    test(`${key} ${JSON.stringify(value)} is told of, and the default holds`, () => {
      const { options, mistakes } = decodeHttpAnnotations(annotated({ [`wherry.dev/${key}`]: value }), 'http', 'http1')
      assert.deepEqual(options, DEFAULTS)
      assert.equal(mistakes.length, 1)
      assert.ok(mistakes[0]!.startsWith(`annotation wherry.dev/${key} is ${JSON.stringify(value)}: `), mistakes[0])
      assert.match(mistakes[0]!, allowed)
    })

test('a long value is shown in part', () => {
  const { mistakes } = decodeHttpAnnotations(annotated({ 'wherry.dev/timeout': 'x'.repeat(100_000) }), 'http', 'http1')
  assert.ok(mistakes[0]!.length < 200)
})

test('a hash that nothing goes by is told of', () => {
  const hash = { 'wherry.dev/hash': 'cookie:user' }
  assert.match(decodeHttpAnnotations(annotated(hash), 'http', 'http1').mistakes[0]!, /choose ring-hash or maglev/)
  const affine = annotated({ ...hash, 'wherry.dev/algorithm': 'maglev' }, { sessionAffinity: 'ClientIP' })
  assert.match(decodeHttpAnnotations(affine, 'http', 'http1').mistakes[0]!, /no effect with sessionAffinity ClientIP/)
})

test('annotations that concern nothing are told of', () => {
  const all = (annotations: Readonly<Record<string, string>>, ports: readonly Partial<ServicePort>[]): string =>
    ineffectiveAnnotations(annotated(annotations, { ports: ports.map((port) => ({ port: 80, ...port })) })).join('\n')
  const http = [{ name: 'http' }, { name: 'http-admin' }]
  assert.equal(all({ 'wherry.dev/timeout': '1s', 'wherry.dev/timeout.http-admin': '2s', other: 'x' }, http), '')
  assert.match(
    all({ 'wherry.dev/timout': '1s' }, http),
    /wherry\.dev\/timout is "1s": is not known; .*wherry\.dev\/timeout,/,
  )
  assert.match(all({ 'wherry.dev/timeout.web': '1s' }, http), /no HTTP port web; there are http, http-admin/)
  assert.match(all({ 'wherry.dev/timeout': '1s' }, [{ name: 'https' }]), /has no effect: no port has appProtocol http/)
})

test('the table says of each listener how its requests are treated, and of mistakes once', () => {
  const given = annotated(
    { 'wherry.dev/timeout': 'soon', 'wherry.dev/retries.http': '5' },
    {
      type: 'NodePort',
      ports: [
        { name: 'http', port: 80, nodePort: 30_080 },
        { name: 'raw', port: 81, nodePort: 30_081 },
      ],
    },
  )
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'raw', port: 8081 },
  ]
  const { listeners, refusals } = serviceRoutes(given, [slice('cart', [{ address: POD(1) }], ports)], CONTEXT)
  for (const { servicePort, http } of listeners)
    assert.equal(http?.retriesMax, servicePort === 'shop/cart:http' ? 5 : undefined, servicePort)
  assert.deepEqual(
    refusals.map(({ reason }) => reason),
    ['InvalidAnnotation'],
  )
})
