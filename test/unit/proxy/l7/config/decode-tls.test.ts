import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatFault } from '../../../../../src/proxy/l7/config/config-faults.ts'
import { decodeProxyConfig } from '../../../../../src/proxy/l7/config/decode-proxy-config.ts'
import type { ProxyConfig } from '../../../../../src/proxy/l7/config/proxy-config.ts'

const endpoints = ['127.0.0.1:9001']
const backend = (settings: object): object => ({
  listeners: ['127.0.0.1:8080'],
  backends: { web: { endpoints, ...settings } },
  routes: [{ backends: ['web'] }],
})
const sealed = (route: object, settings: object = {}, listener: object = {}): object => ({
  listeners: ['127.0.0.1:8080', { name: 'sealed', address: '127.0.0.1:8443', tls: 'passthrough', ...listener }],
  backends: { web: { endpoints }, vault: { endpoints, ...settings } },
  routes: [{ backends: ['web'] }, { listeners: ['sealed'], backends: ['vault'], ...route }],
})

function faultsOf(value: unknown): readonly string[] {
  const decoded = decodeProxyConfig(value)
  return decoded.ok ? [] : decoded.faults.map(formatFault)
}

function decoded(value: unknown): ProxyConfig {
  const result = decodeProxyConfig(value)
  assert.ok(result.ok, JSON.stringify(result))
  return result.config
}

describe('TLS and the PROXY protocol in a configuration', () => {
  const rows: readonly { name: string; given: unknown; want: readonly RegExp[] }[] = [
    {
      name: 'a backend has TLS by saying so, or by saying how',
      given: backend({ tls: { ca: 7, serverName: '*.example.com', insecureSkipVerify: 'no' }, proxyProtocol: 'v3' }),
      want: [
        /^backends\.web\.tls\.insecureSkipVerify: must be true or false/,
        /^backends\.web\.tls\.ca: must be the name of a PEM file/,
        /^backends\.web\.tls\.serverName: must be a name such as shop\.example\.com/,
        /^backends\.web\.proxyProtocol: must be one of v1, v2/,
      ],
    },
    {
      name: 'false is no way to encrypt',
      given: backend({ tls: false }),
      want: [/^backends\.web\.tls: must be true, or/],
    },
    {
      name: 'an address is no server name',
      given: backend({ tls: { serverName: '127.0.0.1' } }),
      want: [/^backends\.web\.tls\.serverName: must be a name/],
    },
    {
      name: 'a certificate goes with its key',
      given: backend({ tls: { certificate: 'client.pem' } }),
      want: [/^backends\.web\.tls\.key: is missing: the PEM file that goes with certificate/],
    },
    {
      name: 'whom to trust means nothing where nobody is verified',
      given: backend({ tls: { ca: 'ca.pem', insecureSkipVerify: true } }),
      want: [/^backends\.web\.tls\.ca: has no effect with insecureSkipVerify/],
    },
    {
      name: 'a listener ends TLS or passes it on',
      given: sealed({}, {}, { tls: 'terminate' }),
      want: [/^listeners\[1\]\.tls: must be passthrough, or a mapping with certificates/],
    },
    {
      name: 'clients agree on HTTP/2 with the endpoint where TLS is passed on',
      given: sealed({}, {}, { http2: false }),
      want: [/^listeners\[1\]\.http2: has no effect with tls passthrough/],
    },
    {
      name: 'nothing of a request is seen where TLS is passed on',
      given: sealed({ path: '/a', methods: ['GET'], headers: { a: 'b' } }),
      want: [
        /^routes\[1\]\.path: cannot be seen on listener sealed/,
        /^routes\[1\]\.methods: cannot be seen/,
        /^routes\[1\]\.headers: cannot be seen/,
      ],
    },
    {
      name: 'nor is anything changed',
      given: sealed({}, { tls: true, sticky: { cookie: 'a' }, balance: 'maglev', hash: { header: 'b' } }),
      want: [
        /^routes\[1\]\.backends\[0\]: backend vault has tls, but listener sealed passes that of its clients on/,
        /^routes\[1\]\.backends\[0\]: backend vault is sticky/,
        /^routes\[1\]\.backends\[0\]: backend vault hashes a header/,
      ],
    },
    {
      name: 'a listener that passes TLS on is named by a route',
      given: sealed({ listeners: undefined, path: '/a' }),
      want: [/^listeners\[1\]\.tls: a listener that passes TLS on needs a route that names it \(sealed\)/],
    },
  ]
  for (const { name, given, want } of rows)
    it(name, () => {
      const faults = faultsOf(given)
      assert.equal(faults.length, want.length, faults.join('\n'))
      for (const [i, pattern] of want.entries()) assert.match(faults[i]!, pattern)
    })

  it('is taken as it is written', () => {
    assert.deepEqual(decoded(backend({ tls: true })).backends[0]!.tls, {})
    const tls = { ca: 'a', serverName: 'b.example', certificate: 'c', key: 'd', insecureSkipVerify: false }
    const { backends } = decoded(backend({ tls, proxyProtocol: 'v1' }))
    const wanted = { caFile: 'a', serverName: 'b.example', certificateFile: 'c', keyFile: 'd', verifies: true }
    assert.deepEqual([backends[0]!.tls, backends[0]!.proxyProtocol], [wanted, 'v1'])
    const { listeners } = decoded(sealed({ hosts: ['*.example.com'] }, { balance: 'maglev', hash: 'address' }))
    assert.deepEqual(listeners[1], { name: 'sealed', host: '127.0.0.1', port: 8443, tls: 'passthrough' })
  })
})
