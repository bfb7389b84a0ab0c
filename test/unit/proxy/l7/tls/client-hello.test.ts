import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import fc from 'fast-check'
import {
  CLIENT_HELLO_BYTES_MAX,
  type ClientHelloReading,
  readClientHello,
} from '../../../../../src/proxy/l7/tls/client-hello.ts'

/** What a real client says first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const parts: Buffer[] = []
  const wire = new Duplex({
    read() {},
    write(part: Buffer, _encoding, done) {
      parts.push(part)
      this.emit('said')
      done()
    },
  })
  const socket = connect({ socket: wire, ...options })
  socket.on('error', () => {})
  if (parts.length === 0) await once(wire, 'said')
  socket.destroy()
  wire.destroy()
  return Buffer.concat(parts)
}

const u8 = (value: number): Buffer => Buffer.from([value])
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 255, value & 255])
const vector8 = (...parts: readonly Uint8Array[]): Buffer => {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([u8(bytes.length), bytes])
}
const vector16 = (...parts: readonly Uint8Array[]): Buffer => {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([u16(bytes.length), bytes])
}
const text = (value: string): Buffer => Buffer.from(value, 'latin1')
const extension = (type: number, content: Uint8Array): Buffer => Buffer.concat([u16(type), vector16(content)])
const named = (name: string): Buffer => extension(0, vector16(u8(0), vector16(text(name))))

const START = Buffer.concat([u16(0x0303), Buffer.alloc(32, 7), vector8(Buffer.alloc(32, 9))])
const CIPHERS = vector16(u16(0x1301), u16(0xc02b))
const body = (...extensions: readonly Uint8Array[]): Buffer =>
  Buffer.concat([START, CIPHERS, vector8(u8(0)), vector16(...extensions)])
const message = (content: Uint8Array, type = 1): Buffer => Buffer.concat([u8(type), u24(content.length), content])
const record = (content: Uint8Array, type = 22, version = 0x0301): Buffer =>
  Buffer.concat([u8(type), u16(version), vector16(content)])
const hello = (...extensions: readonly Uint8Array[]): Buffer => record(message(body(...extensions)))

function summary(reading: ClientHelloReading): string {
  if (reading.kind === 'read') return reading.serverName ?? '(none)'
  return reading.kind === 'refused' ? reading.reason : 'incomplete'
}

/** Reads all beginnings, and checks that the first verdict stays whatever follows. */
function readGrowing(given: Uint8Array): ClientHelloReading {
  const whole = readClientHello(given)
  for (let count = 0; count < given.length; count++) {
    const part = readClientHello(given.subarray(0, count))
    if (part.kind === 'incomplete') continue
    assert.deepEqual(part, whole, `after ${count} bytes`)
    break
  }
  return whole
}

/** The same message in records of the sizes given, the last one over and over. */
function inRecords(content: Uint8Array, sizes: readonly number[]): Buffer {
  const records: Buffer[] = []
  for (let at = 0, i = 0; at < content.length; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)]!
    records.push(record(content.subarray(at, at + size)))
    at += size
  }
  return Buffer.concat(records)
}

const ROWS: readonly { readonly name: string; readonly given: Buffer; readonly want: string }[] = [
  { name: 'a name', given: hello(named('a.example')), want: 'a.example' },
  { name: 'a name in capitals', given: hello(named('A.Example')), want: 'a.example' },
  {
    name: 'a name among other extensions',
    given: hello(extension(23, u8(0)), named('a'), extension(5, text('x'))),
    want: 'a',
  },
  { name: 'no name', given: hello(extension(23, text(''))), want: '(none)' },
  { name: 'no extensions', given: hello(), want: '(none)' },
  {
    name: 'not even room for extensions',
    given: record(message(Buffer.concat([START, CIPHERS, vector8(u8(0))]))),
    want: '(none)',
  },
  { name: 'a record for each byte', given: inRecords(message(body(named('a.example'))), [1]), want: 'a.example' },
  {
    name: 'a record that goes on after the hello',
    given: record(Buffer.concat([message(body(named('a'))), Buffer.alloc(16_000)])),
    want: 'a',
  },
  {
    name: 'as long as allowed',
    given: record(message(body(extension(21, Buffer.alloc(CLIENT_HELLO_BYTES_MAX - 4 - 75 - 4 - 2 - 1))))),
    want: '(none)',
  },
  { name: 'HTTP', given: text('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), want: 'no-tls' },
  { name: 'SSL 2', given: Buffer.from('802e0100020015', 'hex'), want: 'no-tls' },
  { name: 'another kind of record', given: record(message(body()), 23), want: 'no-tls' },
  { name: 'a record of version 4', given: record(message(body()), 22, 0x0401), want: 'no-tls' },
  {
    name: 'an alert after the first half',
    given: Buffer.concat([record(message(body(named('a'))).subarray(0, 50)), record(u16(0), 21)]),
    want: 'bad-client-hello',
  },
  {
    name: 'an empty record',
    given: Buffer.concat([record(Buffer.alloc(0)), hello(named('a'))]),
    want: 'bad-client-hello',
  },
  { name: 'a record that is too long', given: Buffer.from([22, 3, 1, 0x40, 1, 1]), want: 'bad-client-hello' },
  { name: 'a ServerHello', given: record(message(body(), 2)), want: 'bad-client-hello' },
  {
    name: 'a hello that is too long',
    given: Buffer.from([22, 3, 1, 0x10, 0, 1, 0, 0x40, 0]),
    want: 'client-hello-too-long',
  },
  {
    name: 'a hello of 16 MiB',
    given: Buffer.from([22, 3, 1, 0x10, 0, 1, 255, 255, 255]),
    want: 'client-hello-too-long',
  },
  { name: 'two names in two extensions', given: hello(named('a'), named('b')), want: 'bad-client-hello' },
  {
    name: 'two names in one extension',
    given: hello(extension(0, vector16(u8(0), vector16(text('a')), u8(0), vector16(text('b'))))),
    want: 'bad-client-hello',
  },
  {
    name: 'the same other extension twice',
    given: hello(extension(5, u8(0)), extension(5, u8(0))),
    want: 'bad-client-hello',
  },
  {
    name: 'a name of another type',
    given: hello(extension(0, vector16(u8(1), vector16(text('a'))))),
    want: 'bad-client-hello',
  },
  { name: 'an empty name', given: hello(named('')), want: 'bad-client-hello' },
  { name: 'an empty list of names', given: hello(extension(0, vector16())), want: 'bad-client-hello' },
  { name: 'a name with a zero byte', given: hello(named('a.example\0.evil')), want: 'bad-client-hello' },
  { name: 'a name with a dot at the end', given: hello(named('a.example.')), want: 'bad-client-hello' },
  { name: 'a name that is a path', given: hello(named('../a')), want: 'bad-client-hello' },
  { name: 'a name that is too long', given: hello(named('a.'.repeat(127))), want: 'bad-client-hello' },
  {
    name: 'something behind the name',
    given: hello(extension(0, Buffer.concat([vector16(u8(0), vector16(text('a'))), u8(0)]))),
    want: 'bad-client-hello',
  },
  {
    name: 'something behind the extensions',
    given: record(message(Buffer.concat([body(named('a')), u8(0)]))),
    want: 'bad-client-hello',
  },
  { name: 'an extension that is longer than all', given: hello(u16(5), u16(100)), want: 'bad-client-hello' },
  {
    name: 'half a cipher',
    given: record(message(Buffer.concat([START, vector16(u8(1)), vector8(u8(0)), vector16()]))),
    want: 'bad-client-hello',
  },
  {
    name: 'no cipher',
    given: record(message(Buffer.concat([START, vector16(), vector8(u8(0)), vector16()]))),
    want: 'bad-client-hello',
  },
  {
    name: 'no compression',
    given: record(message(Buffer.concat([START, CIPHERS, vector8(), vector16()]))),
    want: 'bad-client-hello',
  },
  {
    name: 'a session of 33 bytes',
    given: record(
      message(Buffer.concat([START.subarray(0, 34), vector8(Buffer.alloc(33)), CIPHERS, vector8(u8(0)), vector16()])),
    ),
    want: 'bad-client-hello',
  },
  { name: 'an empty hello', given: record(message(Buffer.alloc(0))), want: 'bad-client-hello' },
]

for (const { name, given, want } of ROWS) {
  test(`a ClientHello with ${name}: ${want}`, () => {
    assert.equal(summary(readGrowing(given)), want)
    assert.equal(summary(readClientHello(Buffer.concat([given, Buffer.alloc(40, 255)]))), want)
  })
}

test('what real clients say is read, in whatever records and splits', async () => {
  const options: readonly ConnectionOptions[] = [
    { servername: 'shop.example' },
    { servername: 'shop.example', maxVersion: 'TLSv1.2' },
    { servername: 'shop.example', minVersion: 'TLSv1.3', ALPNProtocols: ['h2', 'http/1.1'] },
  ]
  for (const option of options) {
    const bytes = await helloOf(option)
    assert.equal(summary(readGrowing(bytes)), 'shop.example')
    const content = bytes.subarray(5, 5 + bytes.readUInt16BE(3))
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        assert.equal(summary(readGrowing(inRecords(content, sizes))), 'shop.example')
      }),
      { numRuns: 30 },
    )
  }
  assert.equal(summary(readGrowing(await helloOf({}))), '(none)')
})

test('no bytes make the reader throw or change its mind', () => {
  const near = fc.constantFrom(...ROWS.map(({ given }) => given.subarray(0, 400)))
  const changed = fc.tuple(near, fc.nat(), fc.nat(255), fc.nat(399)).map(([given, at, byte, length]) => {
    const bytes = Uint8Array.from(given)
    bytes[at % bytes.length] = byte
    return bytes.subarray(0, Math.max(1, length))
  })
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), (given) => void readGrowing(given)),
    { numRuns: 1_000 },
  )
})
