import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { headerId } from '../../../../../src/proxy/l7/http1/header-ids.ts'
import { refusalName } from '../../../../../src/proxy/l7/http1/refusal.ts'
import { FieldBlock } from '../../../../../src/proxy/l7/http2/field-block.ts'
import { DynamicTable } from '../../../../../src/proxy/l7/http2/hpack/dynamic-table.ts'
import { HeaderEntry } from '../../../../../src/proxy/l7/http2/hpack/header-entry.ts'
import { HpackDecoder } from '../../../../../src/proxy/l7/http2/hpack/hpack-decoder.ts'
import { HpackEncoder } from '../../../../../src/proxy/l7/http2/hpack/hpack-encoder.ts'
import { decodeHuffman } from '../../../../../src/proxy/l7/http2/hpack/huffman.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

function decode(decoder: HpackDecoder, bytes: Uint8Array, block = new FieldBlock(16_384, 100)): string[] | undefined {
  if (!decoder.decode(bytes, 0, bytes.length, block)) return undefined
  return Buffer.from(block.bytes.subarray(0, block.end)).toString('latin1').split('\r\n').slice(0, -1)
}

/** RFC 7541 appendix C: requests (C.3 plain, C.4 Huffman), responses with eviction (C.5, C.6). */
const SEQUENCES = [
  {
    name: 'requests in plain text',
    tableBytes: 4_096,
    blocks: [
      [
        '828684410f7777772e6578616d706c652e636f6d',
        [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
      ],
      [
        '828684be58086e6f2d6361636865',
        [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
      ],
      [
        '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
        [
          ':method: GET',
          ':scheme: https',
          ':path: /index.html',
          ':authority: www.example.com',
          'custom-key: custom-value',
        ],
      ],
    ],
  },
  {
    name: 'requests in Huffman code',
    tableBytes: 4_096,
    blocks: [
      [
        '828684418cf1e3c2e5f23a6ba0ab90f4ff',
        [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
      ],
      [
        '828684be5886a8eb10649cbf',
        [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
      ],
      [
        '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
        [
          ':method: GET',
          ':scheme: https',
          ':path: /index.html',
          ':authority: www.example.com',
          'custom-key: custom-value',
        ],
      ],
    ],
  },
  {
    name: 'responses in Huffman code with entries that go',
    tableBytes: 256,
    blocks: [
      [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        [
          ':status: 302',
          'cache-control: private',
          'date: Mon, 21 Oct 2013 20:13:21 GMT',
          'location: https://www.example.com',
        ],
      ],
      [
        '4883640effc1c0bf',
        [
          ':status: 307',
          'cache-control: private',
          'date: Mon, 21 Oct 2013 20:13:21 GMT',
          'location: https://www.example.com',
        ],
      ],
    ],
  },
] as const

for (const { name, tableBytes, blocks } of SEQUENCES) {
  test(`RFC 7541 appendix C: ${name}`, () => {
    const decoder = new HpackDecoder(tableBytes)
    for (const [bytes, want] of blocks) assert.deepEqual(decode(decoder, hex(bytes)), [...want])
  })
}

const BROKEN = [
  { name: 'index 0', given: '80' },
  { name: 'an index beyond both tables', given: 'be' },
  { name: 'a name index beyond both tables', given: '7f00' },
  { name: 'a string longer than the block', given: '00056162' },
  { name: 'an integer without an end', given: 'ffffffffffffffffffff' },
  { name: 'an integer beyond all use', given: 'ff80808080808001' },
  { name: 'a table larger than announced', given: '3fe25f' },
  { name: 'a change of the table after a field', given: '8220' },
  { name: 'Huffman padding of zeros', given: '00817c8178' },
  { name: 'Huffman padding of a whole byte', given: '0082cfff00' },
  { name: 'the end of string within Huffman code', given: '0084ffffffff00' },
  { name: 'a value that is missing', given: '000161' },
] as const

for (const { name, given } of BROKEN) {
  test(`a header block with ${name} cannot be read`, () => {
    assert.equal(decode(new HpackDecoder(4_096), hex(given)), undefined)
  })
}

test('a table may be made smaller and larger at the front of a block', () => {
  const decoder = new HpackDecoder(4_096)
  assert.deepEqual(decode(decoder, hex('40016101623f e1 1f 82'.slice(0, 10))), ['a: b'])
  assert.deepEqual(decode(decoder, hex('be')), ['a: b'])
  assert.deepEqual(decode(decoder, hex('203fe11f82')), [':method: GET'])
  assert.equal(decode(decoder, hex('be')), undefined)
})

test('Huffman code is the inverse of what an independent table says', () => {
  // RFC 7541 appendix B, single symbols padded with ones: the shortest, some of each length, the longest.
  const symbols: readonly (readonly [string, number])[] = [
    ['07', 0x30],
    ['1f', 0x61],
    ['53', 0x20],
    ['b9', 0x3a],
    ['f8', 0x26],
    ['fe3f', 0x21],
    ['ff5f', 0x27],
    ['ff9f', 0x7c],
    ['ffaf', 0x23],
    ['ffc7', 0x00],
    ['fffe5f', 0xd0],
    ['ffffb1', 0x01],
    ['fffffff3', 0x0a],
    ['fffffffb', 0x16],
  ]
  for (const [code, symbol] of symbols) {
    const out = new Uint8Array(8)
    const bytes = hex(code)
    assert.equal(decodeHuffman(bytes, 0, bytes.length, out, 0), 1, code)
    assert.equal(out[0], symbol, code)
  }
})

const field = fc.tuple(
  fc.constantFrom('a', 'content-type', 'x-long-name', 'date', 'cookie', 'authorization', 'server', 'set-cookie'),
  fc.oneof(fc.constantFrom('', 'x', 'application/grpc', 'text/html'), fc.stringMatching(/^[!-~]{0,300}$/)),
)

test('what the encoder writes, the decoder reads, block after block, whatever the table may hold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(field, { maxLength: 20 }), fc.option(fc.integer({ min: 0, max: 5_000 }))), {
        maxLength: 12,
      }),
      (blocks) => {
        const encoder = new HpackEncoder()
        const decoder = new HpackDecoder(4_096)
        const out = new Uint8Array(64 * 1024)
        for (const [fields, tableBytes] of blocks) {
          if (tableBytes !== null) encoder.limitTable(tableBytes)
          let p = encoder.begin(out, 0)
          p = encoder.status(200 + fields.length, out, p)
          for (const [name, value] of fields) {
            const line = latin1(`${name}: ${value}`)
            const { length } = name
            p = encoder.field(line, 0, length, line, length + 2, line.length, headerId(line, 0, length), out, p)
          }
          const want = [`:status: ${200 + fields.length}`, ...fields.map(([name, value]) => `${name}: ${value}`)]
          assert.deepEqual(decode(decoder, out.slice(0, p), new FieldBlock(60_000, 1_000)), want)
        }
      },
    ),
  )
})

test('what repeats takes a byte from the third time on, secrets never go into the table', () => {
  const encoder = new HpackEncoder()
  const out = new Uint8Array(1_024)
  const sizeOf = (line: string): number => {
    const bytes = latin1(line)
    const colon = line.indexOf(':')
    return encoder.field(bytes, 0, colon, bytes, colon + 2, bytes.length, headerId(bytes, 0, colon), out, 0)
  }
  const repeated = [1, 2, 3, 4].map(() => sizeOf('x-service: shop'))
  assert.deepEqual(repeated.slice(2), [1, 1])
  const secret = [1, 2, 3, 4].map(() => sizeOf('Authorization: Bearer abc'))
  assert.equal(new Set(secret).size, 1)
  assert.equal(out[0]! & 0xf0, 0x10)
})

test('a table holds the latest that fit, and nothing of what is larger than it', () => {
  const table = new DynamicTable(100)
  assert.equal(table.add(HeaderEntry.of('a', 'b')), true)
  assert.equal(table.add(HeaderEntry.of('c', 'd')), true)
  assert.equal(table.add(HeaderEntry.of('e', 'f')), true)
  assert.deepEqual([table.count, table.bytes], [2, 68])
  assert.equal(Buffer.from(table.get(0)!.line).toString(), 'e: f\r\n')
  assert.equal(table.get(2), undefined)
  assert.equal(table.add(HeaderEntry.of('g', 'x'.repeat(100))), false)
  assert.deepEqual([table.count, table.bytes], [0, 0])
})

test('a bomb of references is read to its end without growing, and is too large', () => {
  const decoder = new HpackDecoder(4_096)
  const block = new FieldBlock(16_384, 100)
  const value = 'v'.repeat(4_000)
  const literal = latin1(
    `\x40\x01a\x7f${String.fromCharCode(0x80 | ((4_000 - 127) & 127), (4_000 - 127) >> 7)}${value}`,
  )
  assert.equal(decoder.decode(literal, 0, literal.length, block), true)
  const bomb = new Uint8Array(16_000).fill(0xbe)
  assert.equal(decoder.decode(bomb, 0, bomb.length, block), true)
  assert.equal(block.isTooLarge, true)
  assert.ok(block.end <= 16_384)
  assert.deepEqual(decode(decoder, hex('be')), [`a: ${value}`])
})

const NAMES = [
  { name: 'upper case', given: 'X-A', want: 'bad-header-name' },
  { name: 'an empty name', given: '', want: 'bad-header-name' },
  { name: 'a space', given: 'x a', want: 'bad-header-name' },
  { name: 'a colon within', given: 'x:a', want: 'bad-header-name' },
  { name: 'a line break', given: 'x\r\ny', want: 'bad-header-name' },
  { name: 'an unknown pseudo-field', given: ':evil', want: 'bad-header-name' },
  { name: 'a connection field', given: 'connection', want: 'connection-header' },
  { name: 'transfer-encoding', given: 'transfer-encoding', want: 'connection-header' },
  { name: 'upgrade', given: 'upgrade', want: 'connection-header' },
  { name: 'keep-alive', given: 'keep-alive', want: 'connection-header' },
  { name: 'te with anything but trailers', given: 'te', want: 'connection-header' },
] as const

for (const { name, given, want } of NAMES) {
  test(`a field whose name is ${name} is refused`, () => {
    const block = new FieldBlock(16_384, 100)
    const bytes = latin1(`\x00${String.fromCharCode(given.length)}${given}\x01v`)
    assert.equal(new HpackDecoder(4_096).decode(bytes, 0, bytes.length, block), true)
    assert.equal(refusalName(block.refusal), want)
  })
}
