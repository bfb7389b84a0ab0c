import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProtobufError } from '../../../../src/api/protobuf/protobuf-error.ts'
import { WireReader } from '../../../../src/api/protobuf/wire-reader.ts'
import { WireWriter } from '../../../../src/api/protobuf/wire-writer.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

function reading<T>(bytes: Buffer, read: (reader: WireReader, end: number) => T): T {
  const reader = new WireReader(bytes)
  const value = read(reader, bytes.length)
  assert.equal(reader.pos, bytes.length)
  return value
}

// The examples of protobuf's encoding document, and the ends of each range.
const INTEGERS = [
  { name: 'zero', bytes: '00', want: 0 },
  { name: 'one byte', bytes: '7f', want: 127 },
  { name: 'two bytes', bytes: '96 01', want: 150 },
  { name: 'ten bytes for a negative', bytes: 'fe ff ff ff ff ff ff ff ff 01', want: -2 },
  { name: '2^53 - 1', bytes: 'ff ff ff ff ff ff ff 0f', want: Number.MAX_SAFE_INTEGER },
  { name: '-(2^53 - 1)', bytes: '81 80 80 80 80 80 80 f0 ff 01', want: -Number.MAX_SAFE_INTEGER },
]
for (const { name, bytes, want } of INTEGERS) {
  test(`integer: ${name}, both ways`, () => {
    assert.equal(
      reading(hex(bytes), (reader, end) => reader.int64(end)),
      want,
    )
    const writer = new WireWriter()
    writer.int64(want)
    assert.deepEqual(writer.take(), hex(bytes))
  })
}

test('integers beyond 2^53 stay exact as raw JSON', () => {
  const value = reading(hex('81 80 80 80 80 80 80 10'), (reader, end) => reader.int64(end))
  assert.equal(JSON.stringify(value), '9007199254740993')
  const writer = new WireWriter()
  writer.int64(value)
  assert.deepEqual(writer.take(), hex('81 80 80 80 80 80 80 10'))
  writer.reset()
  assert.throws(() => writer.int64(JSON.parse('1e300')), ProtobufError)
})

test('superfluous bytes of an integer are read, more than ten are refused', () => {
  assert.equal(
    reading(hex('81 80 80 80 80 80 80 80 80 00'), (reader, end) => reader.int64(end)),
    1,
  )
  const overlong = hex('81 80 80 80 80 80 80 80 80 80 00')
  assert.throws(() => new WireReader(overlong).int64(overlong.length), /more than ten bytes/)
})

test('a 32-bit integer takes the low half, as Go does', () => {
  assert.equal(
    reading(hex('81 80 80 80 10'), (reader, end) => reader.int32(end)),
    1,
  )
  assert.equal(
    reading(hex('ff ff ff ff ff ff ff ff ff 01'), (reader, end) => reader.int32(end)),
    -1,
  )
})

const REFUSED: readonly {
  readonly name: string
  readonly bytes: string
  readonly read: (reader: WireReader, end: number) => unknown
  readonly why: RegExp
}[] = [
  { name: 'integer cut off', bytes: 'ff', read: (r, end) => r.int64(end), why: /unexpected end/ },
  { name: 'nothing at all', bytes: '', read: (r, end) => r.int32(end), why: /unexpected end/ },
  { name: 'length beyond the data', bytes: '05 61', read: (r, end) => r.string(end), why: /unexpected end/ },
  { name: 'length of 4 GB', bytes: 'ff ff ff ff 0f', read: (r, end) => r.base64(end), why: /unexpected end/ },
  {
    name: 'length of 2^64 - 1',
    bytes: 'ff ff ff ff ff ff ff ff ff 01',
    read: (r, end) => r.string(end),
    why: /unexpected end/,
  },
  { name: 'double cut off', bytes: '00 00 00', read: (r, end) => r.double(end), why: /unexpected end/ },
  { name: 'NaN', bytes: '00 00 00 00 00 00 f8 7f', read: (r, end) => r.double(end), why: /no form in JSON/ },
  { name: 'short text that is no UTF-8', bytes: '02 c3 28', read: (r, end) => r.string(end), why: /UTF-8/ },
  {
    name: 'long text that is no UTF-8',
    bytes: `0c ${'61 '.repeat(11)} ff`,
    read: (r, end) => r.string(end),
    why: /UTF-8/,
  },
  { name: 'a surrogate in UTF-8', bytes: '03 ed a0 80', read: (r, end) => r.string(end), why: /UTF-8/ },
  { name: 'field number 0', bytes: '02', read: (r, end) => r.tag(end), why: /illegal tag/ },
  { name: 'field number beyond 2^29', bytes: '80 80 80 80 10', read: (r, end) => r.tag(end), why: /illegal tag/ },
  { name: 'wire type 7', bytes: '0f', read: (r, end) => r.skip(r.tag(end), end), why: /illegal wire type/ },
  { name: 'end of a group alone', bytes: '0c', read: (r, end) => r.skip(r.tag(end), end), why: /without its start/ },
  {
    name: 'end of another group',
    bytes: '0b 14',
    read: (r, end) => r.skip(r.tag(end), end),
    why: /without its start/,
  },
  { name: 'group without end', bytes: '0b', read: (r, end) => r.skip(r.tag(end), end), why: /unexpected end/ },
  {
    name: 'groups in groups in groups',
    bytes: '0b'.repeat(1_000),
    read: (r, end) => r.skip(r.tag(end), end),
    why: /nested too deeply/,
  },
]
for (const { name, bytes, read, why } of REFUSED) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => read(new WireReader(hex(bytes)), hex(bytes).length),
      (error) => error instanceof ProtobufError && why.test(error.message),
    )
  })
}

test('a value is never read past the end of its message, though more data follows', () => {
  assert.throws(() => new WireReader(hex('03 61 62 63')).string(3), /unexpected end/)
  assert.throws(() => new WireReader(hex('80 01')).int64(1), /unexpected end/)
})

test('every kind of value can be passed over', () => {
  const skipped = '08 96 01  11 00 00 00 00 00 00 00 00  1a 02 61 62  23 08 01 2b 2c 24  35 00 00 00 00'
  const bytes = hex(skipped)
  const reader = new WireReader(bytes)
  for (let i = 0; i < 5; i++) reader.skip(reader.tag(bytes.length), bytes.length)
  assert.equal(reader.pos, bytes.length)
})

test('text with the replacement character in it is valid', () => {
  const bytes = Buffer.from('\u0003\uFFFD')
  assert.equal(
    reading(bytes, (reader, end) => reader.string(end)),
    '\uFFFD',
  )
})

test('property: what is written is read', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), fc.maxSafeInteger(), (text, number) => {
      const writer = new WireWriter()
      writer.string(text)
      writer.uint32(writer.size)
      writer.int64(number)
      const bytes = writer.take()
      const reader = new WireReader(bytes)
      assert.equal(reader.int64(bytes.length), number)
      assert.equal(reader.string(bytes.length), text)
    }),
  )
})

test('a writer grows, serves again and gives copies', () => {
  const writer = new WireWriter()
  const long = 'ü'.repeat(100_000)
  writer.string('end')
  writer.string(long)
  const first = writer.take()
  writer.reset()
  writer.string('x')
  assert.equal(first.toString(), `${long}end`)
  assert.equal(writer.take().toString(), 'x')
})
