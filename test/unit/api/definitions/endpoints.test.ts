import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ENDPOINT_SLICE } from '../../../../src/api/definitions/endpoint-slice/definition.ts'
import { ENDPOINTS_DEFINITION } from '../../../../src/api/definitions/endpoints.ts'
import { CLUSTER_LOOPBACK, validateEndpointAddress } from '../../../../src/api/definitions/ip-rules.ts'
import type { Endpoints } from '../../../../src/api/types/core-v1.gen.ts'
import { create, created, row, update } from './strategies.ts'

const LOOPBACK = 'may not be in the loopback range (127.0.0.0/8, ::1/128)'
const LINK_LOCAL = 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'

// CVE-2021-25737 and CVE-2021-25740: an endpoint must not lead into the machine that dials it.
describe('addresses of endpoints', () => {
  for (const { given, want } of [
    { given: '10.1.2.3', want: undefined },
    { given: '2001:db8::1', want: undefined },
    { given: '127.70.129.4', want: undefined },
    { given: '127.64.0.0', want: undefined },
    { given: '127.127.255.255', want: undefined },
    { given: '127.0.0.1', want: LOOPBACK },
    { given: '127.63.255.255', want: LOOPBACK },
    { given: '127.128.0.1', want: LOOPBACK },
    { given: '::1', want: LOOPBACK },
    { given: '::ffff:127.0.0.1', want: LOOPBACK },
    { given: '::ffff:127.70.129.4', want: LOOPBACK },
    { given: '::ffff:7f00:1', want: LOOPBACK },
    { given: '169.254.169.254', want: LINK_LOCAL },
    { given: '::ffff:169.254.169.254', want: LINK_LOCAL },
    { given: 'fe80::1', want: LINK_LOCAL },
    { given: '224.0.0.1', want: 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)' },
    { given: '0.0.0.0', want: 'may not be unspecified (0.0.0.0)' },
    { given: '::', want: 'may not be unspecified (::)' },
    { given: '127.1', want: 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)' },
    { given: '0177.0.0.1', want: 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)' },
    { given: 'localhost', want: 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)' },
    { given: 'fe80::1%eth0', want: 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)' },
  ])
    test(given, () =>
      assert.deepEqual(validateEndpointAddress(given, CLUSTER_LOOPBACK), want === undefined ? [] : [want]),
    )

  test('a cluster may allow no more than its own range', () => {
    assert.deepEqual(validateEndpointAddress('127.71.129.4', '127.70.0.0/16'), [LOOPBACK])
    assert.deepEqual(validateEndpointAddress('127.70.129.4', '127.70.0.0/16'), [])
  })
})

describe("the API server's own address", () => {
  for (const { name, namespace, ip, good } of [
    { name: 'kubernetes', namespace: 'default', ip: '127.0.0.1', good: true },
    { name: 'kubernetes', namespace: 'default', ip: '127.0.0.2', good: false },
    { name: 'kubernetes', namespace: 'shop', ip: '127.0.0.1', good: false },
    { name: 'other', namespace: 'default', ip: '127.0.0.1', good: false },
  ])
    test(`${ip} in ${namespace}/${name}`, () => {
      const metadata = { name, namespace }
      const endpoints = { metadata, subsets: [{ addresses: [{ ip }] }] }
      const slice = { metadata, addressType: 'IPv4', endpoints: [{ addresses: [ip] }] }
      assert.equal(create(ENDPOINTS_DEFINITION, endpoints).errors.length === 0, good)
      assert.equal(create(ENDPOINT_SLICE, slice).errors.length === 0, good)
    })
})

describe('EndpointSlice', () => {
  const slice = {
    metadata: { name: 'a' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.70.129.4'] }],
    ports: [{ port: 80 }],
  }

  test('defaults', () => {
    const { ports, endpoints, metadata } = created(ENDPOINT_SLICE, slice)
    assert.deepEqual(ports, [{ port: 80, name: '', protocol: 'TCP' }])
    assert.deepEqual(endpoints![0]!.conditions, {})
    assert.equal(metadata!.generation, 1)
  })

  const ROWS = [
    { name: 'no type', given: { addressType: '' }, want: ['addressType: Required value'] },
    {
      name: 'no address',
      given: { endpoints: [{ addresses: [] }] },
      want: ['endpoints[0].addresses: Required value: must contain at least 1 address'],
    },
    {
      name: 'loopback',
      given: { endpoints: [{ addresses: ['127.0.0.1'] }] },
      want: [`endpoints[0].addresses[0]: Invalid value: "127.0.0.1": ${LOOPBACK}`],
    },
    {
      name: 'the wrong family',
      given: { endpoints: [{ addresses: ['2001:db8::1'] }] },
      want: ['endpoints[0].addresses[0]: Invalid value: "2001:db8::1": must be an IPv4 address'],
    },
    {
      name: 'too many endpoints',
      given: { endpoints: Array.from({ length: 1001 }, () => ({ addresses: ['10.0.0.1'] })) },
      want: ['endpoints: Too many: 1001: must have at most 1000 items'],
    },
    {
      name: 'one port name twice',
      given: { ports: [{ port: 80 }, { port: 81 }] },
      want: ['ports[1].name: Duplicate value: ""'],
    },
  ]
  for (const { name, given, want } of ROWS)
    test(name, () => assert.deepEqual(create(ENDPOINT_SLICE, { ...slice, ...given }).errors, want))

  test('the type may not change', () => {
    const { errors } = update(ENDPOINT_SLICE, created(ENDPOINT_SLICE, slice), (draft) => {
      draft.addressType = 'FQDN'
      draft.endpoints = []
    })
    assert.deepEqual(errors, ['addressType: Invalid value: "FQDN": field is immutable'])
  })

  test('columns: three, and how many more', () => {
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']
    const cells = row(
      ENDPOINT_SLICE,
      created(ENDPOINT_SLICE, { ...slice, endpoints: addresses.map((a) => ({ addresses: [a] })) }),
    )
    assert.equal(cells.Endpoints, '10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...')
    assert.equal(cells.Ports, '80')
    const empty = row(ENDPOINT_SLICE, created(ENDPOINT_SLICE, { metadata: {}, addressType: 'IPv4', ports: [{}] }))
    assert.equal(empty.Endpoints, '<unset>')
    assert.equal(empty.Ports, '*')
  })
})

describe('Endpoints', () => {
  const endpoints = (...ips: readonly string[]): Endpoints => ({
    metadata: { name: 'a' },
    subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 80 }] }],
  })

  test('loopback is refused', () =>
    assert.deepEqual(create(ENDPOINTS_DEFINITION, endpoints('127.0.0.1')).errors, [
      `subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": ${LOOPBACK}`,
    ]))

  test('a subset of nothing is refused', () =>
    assert.deepEqual(create(ENDPOINTS_DEFINITION, endpoints()).errors, [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
    ]))

  for (const { name, given, want } of [
    { name: 'none', given: { metadata: { name: 'a' } }, want: '<none>' },
    { name: 'one', given: endpoints('10.0.0.1'), want: '10.0.0.1:80' },
    {
      name: 'more than fit',
      given: endpoints('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'),
      want: '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...',
    },
    { name: 'without ports', given: { subsets: [{ addresses: [{ ip: '10.0.0.1' }] }] }, want: '10.0.0.1' },
    { name: 'IPv6', given: endpoints('2001:db8::1'), want: '[2001:db8::1]:80' },
  ])
    test(`column: ${name}`, () => assert.equal(row(ENDPOINTS_DEFINITION, given).Endpoints, want))
})
