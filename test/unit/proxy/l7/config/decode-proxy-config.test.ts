import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { formatFault } from '../../../../../src/proxy/l7/config/config-faults.ts'
import { decodeProxyConfig } from '../../../../../src/proxy/l7/config/decode-proxy-config.ts'

const BASE = {
  listeners: ['127.0.0.1:8080'],
  backends: { web: { endpoints: ['127.0.0.1:9001'] } },
  routes: [{ backends: ['web'] }],
}
const web = (settings: object): object => ({
  ...BASE,
  backends: { web: { endpoints: ['127.0.0.1:9001'], ...settings } },
})
const route = (settings: object): object => ({ ...BASE, routes: [{ backends: ['web'], ...settings }] })

function faultsOf(value: unknown): readonly string[] {
  const decoded = decodeProxyConfig(value)
  return decoded.ok ? [] : decoded.faults.map(formatFault)
}

it('says of retries how many, for how long, of what, and when', () => {
  const retries = { max: 3, perTry: '250ms', statuses: [502, 503], backoff: { base: '10ms', max: '1s' } }
  const decoded = decodeProxyConfig(web({ retries }))
  assert.ok(decoded.ok)
  assert.deepEqual(decoded.config.backends[0]?.retries, {
    max: 3,
    perTryMs: 250,
    statuses: [502, 503],
    backoff: { baseMs: 10, maxMs: 1_000 },
  })
})

describe('a configuration', () => {
  const rows: readonly { name: string; given: unknown; want: readonly RegExp[] }[] = [
    { name: 'must be a mapping', given: [], want: [/^must be a mapping with listeners, backends, routes/] },
    { name: 'must not be empty', given: null, want: [/^is missing: must be a mapping/] },
    {
      name: 'has listeners, backends and routes',
      given: {},
      want: [/^listeners: is missing: must be a list/, /^backends: is missing/, /^routes: is missing/],
    },
    {
      name: 'holds nothing unknown',
      given: { ...BASE, Routes: [], 'a b': 1 },
      want: [/^Routes: is not known here; there are listeners/, /^\["a b"\]: is not known/],
    },
    {
      name: 'probes for prequal, by a path',
      given: web({ balance: 'random', probe: '/load' }),
      want: [/^backends\.web\.probe: has no effect with balance random: choose prequal/],
    },
    {
      name: 'probes within bounds',
      given: web({ balance: 'prequal', probe: { path: 'load', perRequest: 0, perSecond: 'many', timeout: 5 } }),
      want: [/^backends\.web\.probe\.path: must be a path that starts with \//],
    },
    {
      name: 'probes at a rate and within a time',
      given: web({ balance: 'prequal', probe: { path: '/load', perRequest: 0, perSecond: 'many', timeout: 5 } }),
      want: [
        /^backends\.web\.probe\.perRequest: must be a number from 0\.01 to 16/,
        /^backends\.web\.probe\.perSecond: must be a number from 1 to 100000/,
        /^backends\.web\.probe\.timeout: must be a time such as/,
      ],
    },
    {
      name: 'listens on addresses, each once',
      given: { ...BASE, listeners: ['localhost:80', '127.0.0.1:8080', { name: 'b', address: '127.0.0.1:8080' }] },
      want: [/^listeners\[0\]: must be an IP address and port/, /^listeners\[2\]: another listener has this address/],
    },
    {
      name: 'ends TLS with certificates and keys',
      given: {
        ...BASE,
        listeners: [
          {
            address: '127.0.0.1:1',
            proxyProtocol: 'on',
            tls: { minVersion: 'SSLv3', certificates: [{ key: 'k', names: [1] }] },
          },
          { address: '127.0.0.1:2', tls: {} },
        ],
      },
      want: [
        /^listeners\[0\]\.tls\.certificates\[0\]\.certificate: is missing: must be the name of a PEM file/,
        /^listeners\[0\]\.tls\.certificates\[0\]\.names\[0\]: must be a name such as/,
        /^listeners\[0\]\.tls\.minVersion: must be one of TLSv1\.2, TLSv1\.3/,
        /^listeners\[0\]\.proxyProtocol: must be one of off, required/,
        /^listeners\[1\]\.tls\.certificates: is missing/,
      ],
    },
    {
      name: 'sends to addresses with ports, each once',
      given: web({ endpoints: ['127.0.0.1:0', '127.0.0.1:1', '127.0.0.1:1', { weight: 1 }] }),
      want: [
        /^backends\.web\.endpoints\[0\]: must be an IP address and port/,
        /^backends\.web\.endpoints\[3\]\.address: is missing/,
        /^backends\.web\.endpoints\[2\]: 127\.0\.0\.1:1 is there already, as backends\.web\.endpoints\[1\]/,
      ],
    },
    {
      name: 'has weights that are numbers from 0',
      given: {
        ...BASE,
        routes: [
          { name: 'a', backends: ['web'] },
          { name: 'b', backends: [{ name: 'web', weight: '2' }] },
        ],
      },
      want: [/^routes\[1\]\.backends\[0\]\.weight: must be a number from 0 to 1000000$/],
    },
    {
      name: 'refers to backends that there are',
      given: route({ backends: ['web', { name: 'wep' }] }),
      want: [/^routes\[0\]\.backends\[1\]: there is no backend "wep"; there are web$/],
    },
    {
      name: 'refers to listeners that there are',
      given: route({ listeners: ['intern'] }),
      want: [/^routes\[0\]\.listeners\[0\]: there is no listener "intern"; there are listener-0$/],
    },
    {
      name: 'names routes apart',
      given: {
        ...BASE,
        routes: [
          { name: 'a', backends: ['web'] },
          { name: 'a', backends: ['web'] },
        ],
      },
      want: [/^routes\[1\]\.name: routes\[0\] is called a too$/],
    },
    {
      name: 'has hosts, paths and headers that may be',
      given: route({ hosts: ['a b'], path: 'cart', headers: { 'X Y': '1', Z: 1 }, methods: ['G T'] }),
      want: [
        /^routes\[0\]\.headers\["X Y"\]: is no header name/,
        /^routes\[0\]\.headers\.Z: must be the whole value of the header, in quotes/,
        /^routes\[0\]\.hosts\[0\]: "a b" is no host name/,
        /^routes\[0\]\.path: "cart" does not start with \//,
        /^routes\[0\]\.methods\[0\]: "G T" is no method/,
      ],
    },
    {
      name: 'knows the algorithms',
      given: web({ balance: 'fastest' }),
      want: [/^backends\.web\.balance: must be one of p2c-peak-ewma, .*maglev/],
    },
    {
      name: 'hashes only where that has an effect',
      given: web({ balance: 'random', hash: 'address' }),
      want: [/^backends\.web\.hash: has no effect with balance random: choose ring-hash or maglev/],
    },
    {
      name: 'hashes one thing',
      given: web({ balance: 'maglev', hash: { header: 'A', cookie: 'b' } }),
      want: [/^backends\.web\.hash: must be address, or/],
    },
    {
      name: 'sticks by a cookie or a header',
      given: web({ sticky: { cookie: 'a;b', path: '/x;y', secret: 'short' } }),
      want: [/sticky\.cookie: must be the name of a cookie/, /sticky\.path: must/, /sticky\.secret: must be .* 16/],
    },
    {
      name: 'writes times with their unit',
      given: web({ timeouts: { connect: 5, response: '10', request: '0s', idle: '1d' } }),
      want: ['connect', 'response', 'request', 'idle'].map(
        (key) => new RegExp(`^backends\\.web\\.timeouts\\.${key}: must be a time such as`),
      ),
    },
    {
      name: 'has limits and shares within bounds',
      given: web({ limits: { connections: 0 }, panicThreshold: 2, retries: { max: 11 }, outlierDetection: true }),
      want: [
        /panicThreshold: must be a number from 0 to 1/,
        /retries\.max/,
        /outlierDetection: must be/,
        /connections/,
      ],
    },
    {
      name: 'tries again what can be tried again, and waits less at first than at last',
      given: web({ retries: { perTry: 'soon', statuses: [404], backoff: { base: '2s', max: '1s' } } }),
      want: [
        /retries\.perTry: must be a time/,
        /retries\.statuses\[0\]: must be a whole number from 500 to 599/,
        /retries\.backoff: base must not be longer than max/,
      ],
    },
    {
      name: 'logs a share of requests to a file',
      given: { ...BASE, accessLog: { sample: 2 } },
      want: [/^accessLog\.file: is missing/, /^accessLog\.sample: must be a number from 0 to 1/],
    },
  ]
  for (const { name, given, want } of rows) {
    it(name, () => {
      const faults = faultsOf(given)
      assert.equal(faults.length, want.length, faults.join('\n'))
      for (const pattern of want)
        assert.ok(
          faults.some((fault) => pattern.test(fault)),
          `${pattern} in\n${faults.join('\n')}`,
        )
    })
  }

  it('may say no more than it must', () => {
    const decoded = decodeProxyConfig(BASE)
    assert.deepEqual(decoded, {
      ok: true,
      config: {
        listeners: [{ name: 'listener-0', host: '127.0.0.1', port: 8080 }],
        backends: [{ name: 'web', endpoints: [{ address: '127.0.0.1', port: 9001 }], algorithm: 'p2c-peak-ewma' }],
        routes: [{ name: 'route-0', backends: [{ upstream: 'web' }] }],
      },
    })
  })

  it('is read from the example as that says', () => {
    const decoded = decodeProxyConfig(
      parse(readFileSync(new URL('../../../../../examples/routes.yaml', import.meta.url), 'utf8')),
    )
    assert.ok(decoded.ok, JSON.stringify(decoded))
    const { listeners, routes, backends, accessLog } = decoded.config
    assert.deepEqual(listeners[1], { name: 'internal', host: '::1', port: 8081 })
    assert.deepEqual(routes[0]!.headers, [{ name: 'X-Canary', value: 'yes' }])
    assert.deepEqual(backends.find(({ name }) => name === 'cart')?.timeouts, {
      connectMs: 1_000,
      responseMs: 10_000,
      requestMs: 30_000,
      idleMs: 60_000,
    })
    assert.deepEqual(accessLog, { file: '-', sample: 0.1 })
    // It goes to workers as JSON.
    assert.deepEqual(JSON.parse(JSON.stringify(decoded.config)), decoded.config)
  })

  it('of whatever shape is decoded or refused, never a crash', () => {
    const keys = fc.constantFrom(
      'listeners',
      'backends',
      'routes',
      'endpoints',
      'web',
      'hash',
      'sticky',
      'path',
      '__proto__',
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(null, 0, true, '', '127.0.0.1:1', 'web'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(fc.property(tree, (value) => void decodeProxyConfig(value)))
  })
})
