import assert from 'node:assert/strict'
import { test } from 'node:test'
import { containerMounts } from '../../../src/agent/pod/container-config.ts'
import { buildEnvironment, type EnvironmentInput, environmentReferences } from '../../../src/agent/pod/environment.ts'
import { expandVariables } from '../../../src/agent/pod/expand-variables.ts'
import { goQuote } from '../../../src/agent/pod/go-quote.ts'
import { serviceVariables } from '../../../src/agent/pod/service-variables.ts'
import type { Container, Service, VolumeMount } from '../../../src/api/types/core-v1.gen.ts'
import { podOf } from './plan-fixture.ts'

function service(name: string, namespace: string, clusterIP: string, more: Partial<Service['spec']> = {}): Service {
  return { metadata: { name, namespace }, spec: { clusterIP, ports: [{ port: 80 }], ...more } }
}

const API = service('kubernetes', 'default', '127.70.16.1', { ports: [{ name: 'https', port: 443 }] })

function build(
  container: Partial<Container>,
  more: Partial<EnvironmentInput> = {},
): ReturnType<typeof buildEnvironment> {
  return buildEnvironment({
    pod: podOf({ nodeName: 'n1' }, { metadata: { labels: { app: 'web', 'a/b': 'c' } } }),
    container: { name: 'main', ...container },
    podIp: '127.70.129.4',
    hostIp: '127.70.0.1',
    hostname: 'web',
    allocatable: { cpu: '2', memory: '8Gi' },
    services: [API],
    configMaps: new Map([['settings', { data: { A: 'from map', 'odd.key': 'kept' } }]]),
    secrets: new Map([['token', { data: { T: Buffer.from('s3cret').toString('base64') } }]]),
    ...more,
  })
}

// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
test('references expand, stay, or are escaped', () => {
  const variables = new Map([
    ['A', '1'],
    ['EMPTY', ''],
  ])
  for (const [text, want] of [
    ['x$(A)y', 'x1y'],
    ['$(A)$(A)', '11'],
    ['$(EMPTY)', ''],
    ['$(MISSING)', '$(MISSING)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A $[A] $', '$A $[A] $'],
    ['$(A', '$(A'],
    ['$(__proto__)', '$(__proto__)'],
  ] as const)
    assert.equal(expandVariables(text, variables), want, text)
})

test('Services: both families of names, the API always, links only of the own namespace', () => {
  const cart = service('my-cart', 'shop', '127.70.16.9', {
    ports: [
      { name: 'http', port: 8080 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  })
  const all = [cart, API, service('other', 'elsewhere', '127.70.16.8'), service('headless', 'shop', 'None')]
  const linked = serviceVariables(all, 'shop', true)
  assert.deepEqual(Object.fromEntries([...linked].filter(([name]) => name.startsWith('MY_CART'))), {
    MY_CART_SERVICE_HOST: '127.70.16.9',
    MY_CART_SERVICE_PORT: '8080',
    MY_CART_SERVICE_PORT_HTTP: '8080',
    MY_CART_SERVICE_PORT_DNS: '53',
    MY_CART_PORT: 'tcp://127.70.16.9:8080',
    MY_CART_PORT_8080_TCP: 'tcp://127.70.16.9:8080',
    MY_CART_PORT_8080_TCP_PROTO: 'tcp',
    MY_CART_PORT_8080_TCP_PORT: '8080',
    MY_CART_PORT_8080_TCP_ADDR: '127.70.16.9',
    MY_CART_PORT_53_UDP: 'udp://127.70.16.9:53',
    MY_CART_PORT_53_UDP_PROTO: 'udp',
    MY_CART_PORT_53_UDP_PORT: '53',
    MY_CART_PORT_53_UDP_ADDR: '127.70.16.9',
  })
  assert.equal(linked.get('KUBERNETES_SERVICE_HOST'), '127.70.16.1')
  assert.ok(![...linked.keys()].some((name) => /OTHER|HEADLESS/.test(name)))
  const bare = serviceVariables(all, 'shop', false)
  assert.ok(bare.has('KUBERNETES_SERVICE_PORT_HTTPS') && !bare.has('MY_CART_SERVICE_HOST'))
})

test('later sources win, and a value refers to what stands before it', () => {
  const { variables } = build({
    envFrom: [{ configMapRef: { name: 'settings' } }, { secretRef: { name: 'token' }, prefix: 'S_' }],
    env: [
      { name: 'FIRST', value: '$(A) $(S_T) $(SECOND) $(KUBERNETES_SERVICE_HOST)' },
      { name: 'SECOND', value: '2' },
      { name: 'A', value: 'own' },
      { name: 'HOST', value: '0.0.0.0' },
      { name: 'EMPTY' },
    ],
  })
  assert.equal(variables.get('FIRST'), 'from map s3cret $(SECOND) 127.70.16.1')
  assert.equal(variables.get('A'), 'own')
  assert.equal(variables.get('odd.key'), 'kept')
  assert.equal(variables.get('HOST'), '0.0.0.0')
  assert.equal(variables.get('POD_IP'), '127.70.129.4')
  assert.equal(variables.get('EMPTY'), '')
})

test('fields and resources of the pod', () => {
  const field = (fieldPath: string): Container['env'] => [{ name: 'X', valueFrom: { fieldRef: { fieldPath } } }]
  const resource = (name: string, divisor?: string): Container['env'] => [
    { name: 'X', valueFrom: { resourceFieldRef: { containerName: 'main', resource: name, divisor } } },
  ]
  for (const [env, want] of [
    [field('metadata.name'), 'web'],
    [field("metadata.labels['a/b']"), 'c'],
    [field("metadata.labels['__proto__']"), ''],
    [field('spec.nodeName'), 'n1'],
    [field('status.podIP'), '127.70.129.4'],
    [field('status.hostIP'), '127.70.0.1'],
    // A limit that is not set is what the node can give; a CPU is rounded up.
    [resource('limits.cpu'), '2'],
    [resource('limits.memory', '1Mi'), '8192'],
    [resource('requests.cpu', '1m'), '0'],
  ] as const)
    assert.equal(build({ env }).variables.get('X'), want, JSON.stringify(env))
  assert.throws(() => build({ env: field('status.phase') }), /unsupported fieldPath/)
})

test('what is missing is named, unless it is optional', () => {
  const rows: [Partial<Container>, RegExp][] = [
    [{ envFrom: [{ configMapRef: { name: 'no' } }] }, /^configmap "no" not found$/],
    [{ envFrom: [{ secretRef: { name: 'no' } }] }, /^secret "no" not found$/],
    [{ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'no', key: 'k' } } }] }, /^configmap "no" not found$/],
    [
      { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k' } } }] },
      /^couldn't find key k in ConfigMap shop\/settings$/,
    ],
    [
      { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'token', key: 'constructor' } } }] },
      /^couldn't find key constructor in Secret shop\/token$/,
    ],
  ]
  for (const [container, message] of rows) assert.throws(() => build(container), { message })
  const { variables } = build({
    envFrom: [{ configMapRef: { name: 'no', optional: true } }],
    env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'token', key: 'k', optional: true } } }],
  })
  assert.equal(variables.has('X'), false)
})

test('keys that cannot be names are left out and told of', () => {
  const { variables, skipped } = build({ envFrom: [{ configMapRef: { name: 'settings' }, prefix: 'a=b' }] })
  assert.deepEqual(skipped, [{ source: 'configMap shop/settings', keys: ['A', 'odd.key'] }])
  assert.ok(![...variables.keys()].some((name) => name.startsWith('a=b')))
})

test('the references are what has to be fetched', () => {
  const { configMaps, secrets } = environmentReferences({
    name: 'main',
    envFrom: [{ configMapRef: { name: 'a' } }, { secretRef: { name: 's' } }],
    env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'b', key: 'k' } } }],
  })
  assert.deepEqual([[...configMaps], [...secrets]], [['a', 'b'], ['s']])
})

test('annotations are written as Go quotes them', () => {
  const rows = [
    ['plain é 漢 😀', '"plain é 漢 😀"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['\x07\b\f\n\r\t\v', '"\\a\\b\\f\\n\\r\\t\\v"'],
    ['\0\x1b\x7f', '"\\x00\\x1b\\x7f"'],
    ['\u00a0\u2028\u200b\u{e0001}', '"\\u00a0\\u2028\\u200b\\U000e0001"'],
  ] as const
  for (const [text, want] of rows) assert.equal(goQuote(text), want)
})

test('mounts: where each volume is, and what cannot be mounted', async () => {
  const mountsOf = (mount: Partial<VolumeMount>): ReturnType<typeof containerMounts> =>
    containerMounts(
      {
        name: 'main',
        kind: 'main',
        spec: { name: 'main', volumeMounts: [{ name: 'v', mountPath: '/data', ...mount }] },
      },
      new Map([['v', '/volumes/v']]),
      new Map([['NAME', 'web']]),
      async (volume, inside) => `${volume}/${inside}`,
    )
  const source = async (mount: Partial<VolumeMount>): Promise<unknown> => (await mountsOf(mount))[0]?.source
  assert.deepEqual(await mountsOf({ readOnly: true }), [{ source: '/volumes/v', target: '/data', readOnly: true }])
  assert.equal(await source({ subPath: '$(NAME)' }), '/volumes/v/$(NAME)')
  assert.equal(await source({ subPathExpr: 'logs/$(NAME)' }), '/volumes/v/logs/web')
  const bad: readonly (readonly [Partial<VolumeMount>, RegExp])[] = [
    [{ name: 'other' }, /cannot find volume "other" to mount/],
    [{ subPathExpr: '$(MISSING)' }, /failed to expand subPath for container: missing value for "MISSING"/],
    [{ readOnly: true, recursiveReadOnly: 'Enabled' }, /cannot be mounted recursively read-only/],
  ]
  for (const [mount, message] of bad) await assert.rejects(mountsOf(mount), { name: 'ContainerConfigError', message })
})
