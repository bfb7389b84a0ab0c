import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ConnectionEnds } from '../../../../../src/proxy/l7/proxy-protocol/connection-ends.ts'
import { formatIpv6 } from '../../../../../src/proxy/l7/proxy-protocol/format-ipv6.ts'
import { parseIpv6 } from '../../../../../src/proxy/l7/proxy-protocol/parse-ipv6.ts'
import {
  PROXY_HEADER_BYTES_MAX,
  type ProxyHeaderReading,
  type ProxyHeaderRefusal,
} from '../../../../../src/proxy/l7/proxy-protocol/proxy-header-reading.ts'
import { readProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/read-proxy-header.ts'
import { writeProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/write-proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const V6_PAIR = '20010db8000000000000000000000001' + '20010db8000000000000000000000002'
const UNIX_PAIR = '2f'.repeat(216)

const text = (line: string): Buffer => Buffer.from(line, 'latin1')
/** `rest`: the 13th byte and what follows. */
const binary = (rest: string): Buffer => Buffer.from(SIGNATURE + rest.replaceAll(' ', ''), 'hex')

/** `a 1 b 2`, or nothing when the header names no ends. */
const READ: readonly { readonly name: string; readonly given: Buffer; readonly want: string }[] = [
  { name: 'v1 TCP4', given: text('PROXY TCP4 192.0.2.1 10.0.0.255 65535 0\r\n'), want: '192.0.2.1 65535 10.0.0.255 0' },
  { name: 'v1 TCP6', given: text('PROXY TCP6 2001:db8::1 ::1 4711 443\r\n'), want: '2001:db8::1 4711 ::1 443' },
  {
    name: 'v1 with the longest line that addresses make',
    given: text(`PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`),
    want: `${'ffff:'.repeat(7)}ffff 65535 ${'ffff:'.repeat(7)}ffff 65535`,
  },
  { name: 'v1 UNKNOWN', given: text('PROXY UNKNOWN\r\n'), want: '' },
  { name: 'v1 UNKNOWN with what is to be passed over', given: text('PROXY UNKNOWN ff:: x 99999 -\r\n'), want: '' },
  { name: 'v1 of the full 107 bytes', given: text(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`), want: '' },
  { name: 'v2 TCP4', given: binary('21 11 000c c0000201 0a0000ff ffff 0050'), want: '192.0.2.1 65535 10.0.0.255 80' },
  { name: 'v2 UDP4', given: binary('21 12 000c c0000201 0a0000ff 0001 0050'), want: '192.0.2.1 1 10.0.0.255 80' },
  { name: 'v2 TCP6', given: binary(`21 21 0024 ${V6_PAIR} 0001 01bb`), want: '2001:db8::1 1 2001:db8::2 443' },
  { name: 'v2 UDP6', given: binary(`21 22 0024 ${V6_PAIR} 0001 01bb`), want: '2001:db8::1 1 2001:db8::2 443' },
  { name: 'v2 UNIX stream', given: binary(`21 31 00d8 ${UNIX_PAIR}`), want: '' },
  { name: 'v2 UNIX datagrams', given: binary(`21 32 00d8 ${UNIX_PAIR}`), want: '' },
  { name: 'v2 UNSPEC', given: binary('21 00 0000'), want: '' },
  { name: 'v2 UNSPEC with what is to be passed over', given: binary('21 00 0003 ffffff'), want: '' },
  { name: 'v2 LOCAL', given: binary('20 00 0000'), want: '' },
  { name: 'v2 LOCAL with a family', given: binary('20 11 000c c0000201 0a0000ff 0001 0050'), want: '' },
  { name: 'v2 LOCAL with an unknown family and half an address', given: binary('20 ff 0002 ffff'), want: '' },
  {
    name: 'v2 with TLVs, one of them empty',
    given: binary('21 11 0014 c0000201 0a0000ff 0001 0050 01 0002 6832 05 0000'),
    want: '192.0.2.1 1 10.0.0.255 80',
  },
  {
    name: 'v2 as long as allowed',
    given: Buffer.concat([
      binary('21 11 3ff0 c0000201 0a0000ff 0001 0050 04 3fe1'),
      Buffer.alloc(PROXY_HEADER_BYTES_MAX - 31),
    ]),
    want: '192.0.2.1 1 10.0.0.255 80',
  },
]

const REFUSED: readonly { readonly name: string; readonly given: Buffer; readonly want: ProxyHeaderRefusal }[] = [
  { name: 'HTTP', given: text('GET / HTTP/1.1\r\n'), want: 'no-proxy-header' },
  { name: 'TLS', given: Buffer.from('1603010200', 'hex'), want: 'no-proxy-header' },
  { name: 'small letters', given: text('proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n'), want: 'no-proxy-header' },
  { name: 'another method with P', given: text('POST / HTTP/1.1\r\n'), want: 'no-proxy-header' },
  { name: 'a tab for a space', given: text('PROXY\tTCP4 1.1.1.1 1.1.1.1 1 1\r\n'), want: 'no-proxy-header' },
  {
    name: 'a signature with a mistake',
    given: Buffer.from('0d0a0d0a000d0a515549550a', 'hex'),
    want: 'no-proxy-header',
  },
  { name: 'v1 without CR', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n'), want: 'bad-proxy-protocol' },
  { name: 'v1 with CR alone', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rx'), want: 'bad-proxy-protocol' },
  { name: 'v1 without an end', given: text(`PROXY UNKNOWN ${'x'.repeat(93)}`), want: 'proxy-header-too-long' },
  { name: 'v1 one byte too long', given: text(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), want: 'proxy-header-too-long' },
  { name: 'v1 of another protocol', given: text('PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n'), want: 'bad-proxy-protocol' },
  { name: 'v1 with too little', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n'), want: 'bad-proxy-protocol' },
  { name: 'v1 with too much', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n'), want: 'bad-proxy-protocol' },
  { name: 'v1 with two spaces', given: text('PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n'), want: 'bad-proxy-protocol' },
  { name: 'v1 with nothing', given: text('PROXY \r\n'), want: 'bad-proxy-protocol' },
  { name: 'v1 with a leading zero', given: text('PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with a short address', given: text('PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with 256', given: text('PROXY TCP4 1.1.1.1 1.1.1.256 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with the other family', given: text('PROXY TCP4 ::1 ::1 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with the other family', given: text('PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with a zone', given: text('PROXY TCP6 fe80::1%lo ::1 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with a name', given: text('PROXY TCP4 localhost 1.1.1.1 1 1\r\n'), want: 'bad-proxy-address' },
  { name: 'v1 with a big port', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n'), want: 'bad-proxy-port' },
  { name: 'v1 with a signed port', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 1 +1\r\n'), want: 'bad-proxy-port' },
  { name: 'v1 with a port like 01', given: text('PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n'), want: 'bad-proxy-port' },
  { name: 'v2 of version 1', given: binary('11 11'), want: 'bad-proxy-command' },
  { name: 'v2 of version 3', given: binary('31 11'), want: 'bad-proxy-command' },
  { name: 'v2 with an unknown command', given: binary('22 11'), want: 'bad-proxy-command' },
  { name: 'v2 with an unknown family', given: binary('21 41'), want: 'bad-proxy-family' },
  { name: 'v2 with an unknown transport', given: binary('21 13'), want: 'bad-proxy-family' },
  { name: 'v2 with a family without transport', given: binary('21 10'), want: 'bad-proxy-family' },
  { name: 'v2 with a transport without family', given: binary('21 01'), want: 'bad-proxy-family' },
  { name: 'v2 too short for IPv4', given: binary('21 11 000b'), want: 'bad-proxy-length' },
  { name: 'v2 too short for IPv6', given: binary('21 21 0023'), want: 'bad-proxy-length' },
  { name: 'v2 too short for UNIX', given: binary('21 31 00d7'), want: 'bad-proxy-length' },
  { name: 'v2 longer than allowed', given: binary('21 11 3ff1'), want: 'proxy-header-too-long' },
  { name: 'v2 as long as it can be', given: binary('20 00 ffff'), want: 'proxy-header-too-long' },
  {
    name: 'v2 with a TLV that goes on after the header',
    given: binary('21 11 000f c0000201 0a0000ff 0001 0050 01 0001'),
    want: 'bad-proxy-tlv',
  },
  { name: 'v2 with half a TLV', given: binary('21 11 000e c0000201 0a0000ff 0001 0050 01 00'), want: 'bad-proxy-tlv' },
]

function summary(reading: ProxyHeaderReading): string {
  if (reading.kind !== 'read') return reading.kind === 'refused' ? reading.reason : 'incomplete'
  const { ends } = reading
  if (ends === undefined) return ''
  const { source, destination } = ends
  return `${source.address} ${source.port} ${destination.address} ${destination.port}`
}

/** Reads all beginnings, and checks that the first verdict stays whatever follows. */
function readGrowing(given: Uint8Array): ProxyHeaderReading {
  const whole = readProxyHeader(given)
  for (let count = 0; count < given.length; count++) {
    const part = readProxyHeader(given.subarray(0, count))
    if (part.kind !== 'incomplete') {
      assert.deepEqual(part, whole, `after ${count} bytes`)
      break
    }
  }
  return whole
}

for (const { name, given, want } of READ) {
  test(`a PROXY header is read: ${name}`, () => {
    for (const after of ['', 'GET / HTTP/1.1\r\n', '\r\n', '\0']) {
      const reading = readGrowing(Buffer.concat([given, text(after)]))
      assert.equal(summary(reading), want)
      assert.equal(reading.kind === 'read' && reading.bytes, given.length)
    }
    for (let count = 0; count < given.length; count++) {
      assert.equal(readProxyHeader(given.subarray(0, count)).kind, 'incomplete', `after ${count} bytes`)
    }
  })
}

for (const { name, given, want } of REFUSED) {
  test(`a PROXY header is refused: ${name}`, () => {
    assert.equal(summary(readGrowing(given)), want)
    assert.equal(summary(readGrowing(Buffer.concat([given, Buffer.alloc(300, 'x')]))), want)
  })
}

const port = fc.integer({ min: 0, max: 65_535 })
const end = (address: fc.Arbitrary<string>): fc.Arbitrary<{ address: string; port: number }> =>
  fc.record({ address, port }, { noNullPrototype: true })
const ends = (address: fc.Arbitrary<string>): fc.Arbitrary<ConnectionEnds> =>
  fc.record({ source: end(address), destination: end(address) }, { noNullPrototype: true })
const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIpv6)

test('what is written is read again, in both versions, in any split', () => {
  const isMapped = (address: string): boolean => address.startsWith('::ffff:')
  fc.assert(
    fc.property(
      fc.oneof(ends(fc.ipV4()), ends(v6.filter((address) => !isMapped(address)))),
      fc.constantFrom('v1' as const, 'v2' as const),
      fc.uint8Array({ maxLength: 40 }),
      (given, version, after) => {
        const header = writeProxyHeader(version, given)
        const reading = readGrowing(Buffer.concat([header, after]))
        assert.deepEqual(reading, { kind: 'read', bytes: header.length, ends: given })
      },
    ),
  )
})

test('no bytes make the reader throw, read beyond them, or change its mind', () => {
  const near = fc.constantFrom(...[...READ, ...REFUSED].map(({ given }) => given))
  const changed = fc.tuple(near, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
    const bytes = Uint8Array.from(given.subarray(0, 300))
    bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), (given) => {
      const reading = readGrowing(given)
      if (reading.kind === 'read') assert.ok(reading.bytes <= given.length)
    }),
    { numRuns: 2_000 },
  )
})

test('ends that are not known are said to be so; ends of two families are both written as IPv6', () => {
  const mixed = { source: { address: '192.0.2.1', port: 1 }, destination: { address: '2001:db8::1', port: 2 } }
  const mapped = { source: { address: '::ffff:192.0.2.1', port: 1 }, destination: { address: '::ffff:a00:1', port: 2 } }
  for (const version of ['v1', 'v2'] as const) {
    assert.equal(summary(readGrowing(writeProxyHeader(version, undefined))), '')
    const unnamed = { source: { address: '', port: 1 }, destination: { address: '::1', port: 2 } }
    assert.equal(summary(readGrowing(writeProxyHeader(version, unnamed))), '')
    assert.equal(summary(readGrowing(writeProxyHeader(version, mixed))), '::ffff:c000:201 1 2001:db8::1 2')
    assert.equal(summary(readGrowing(writeProxyHeader(version, mapped))), '192.0.2.1 1 10.0.0.1 2')
  }
})

test('IPv6 addresses are written as RFC 5952 says and read in every form', () => {
  const rows = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['fe80::1%eth0', 'fe80::1'],
  ] as const
  for (const [given, want] of rows) assert.equal(formatIpv6(parseIpv6(given)!), want)
  for (const given of ['', '1.2.3.4', '1::2::3', ':::', 'g::1']) assert.equal(parseIpv6(given), undefined, given)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const address = formatIpv6(bytes)
      assert.ok(isIPv6(address))
      assert.deepEqual(parseIpv6(address), Uint8Array.from(bytes))
    }),
  )
})
