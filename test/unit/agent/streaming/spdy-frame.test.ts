import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createInflate } from 'node:zlib'
import fc from 'fast-check'
import { SPDY_DICTIONARY } from '../../../../src/agent/kubelet/streaming/spdy-dictionary.ts'
import {
  dataFrame,
  goAwayFrame,
  pingFrame,
  rstStreamFrame,
  SpdyError,
  type SpdyFrame,
  SpdyFrameReader,
  synReplyFrame,
  synStreamFrame,
} from '../../../../src/agent/kubelet/streaming/spdy-frame.ts'
import {
  EmptyHeaderPacker,
  HeaderInflater,
  parseHeaderBlock,
} from '../../../../src/agent/kubelet/streaming/spdy-headers.ts'
import { HeaderDeflater } from './spdy-client.ts'

/** What kubectl 1.27 sent for `kubectl exec -i web -- cat` with `hello` as its input, until it closed the connection. */
const KUBECTL = Buffer.from(
  [
    '80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff',
    '800300010000001700000003000000000000c22e555c92929907000000ffff',
    '800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff',
    '800300010000001500000007000000000000c229975a5404000000ffff',
    '000000030000000668656c6c6f0a',
    '0000000301000000',
    '80030003000000080000000700000005',
    '80030003000000080000000100000005',
    '80030003000000080000000500000005',
    '80030007000000080000000000000000',
  ].join(''),
  'hex',
)

/** Frames from bytes that come in these pieces, data of one stream put together again. */
function read(bytes: Buffer, cuts: readonly number[] = []): readonly SpdyFrame[] {
  const reader = new SpdyFrameReader()
  const frames: SpdyFrame[] = []
  const points = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  for (const [i, from] of points.entries())
    for (const frame of reader.push(bytes.subarray(from, points[i + 1]))) {
      const last = frames.at(-1)
      if (frame.kind === 'data' && last?.kind === 'data' && last.streamId === frame.streamId && !last.fin)
        frames[frames.length - 1] = { ...frame, data: Buffer.concat([last.data, frame.data]) }
      else frames.push(frame)
    }
  return frames
}

test('the dictionary is the one of the protocol, by its length and the checksum that zlib streams carry', () => {
  let a = 1
  let b = 0
  for (const byte of SPDY_DICTIONARY) {
    a = (a + byte) % 65_521
    b = (b + a) % 65_521
  }
  assert.equal(SPDY_DICTIONARY.length, 1423)
  assert.equal((b * 65_536 + a).toString(16), 'e3c6a7c2')
})

test('a session of kubectl 1.27', async () => {
  const frames = read(KUBECTL)
  assert.deepEqual(
    frames.map((f) => `${f.kind}${'streamId' in f ? ` ${f.streamId}` : ''}${'fin' in f && f.fin ? ' fin' : ''}`),
    [
      ...['synStream 1', 'synStream 3', 'synStream 5', 'synStream 7', 'data 3', 'data 3 fin'].filter(
        (_, i) => i !== 4, // The two data frames of stream 3 are put together.
      ),
      ...['rstStream 7', 'rstStream 1', 'rstStream 5', 'goAway'],
    ],
  )
  const inflater = new HeaderInflater()
  const types: (string | undefined)[] = []
  for (const frame of frames)
    if (frame.kind === 'synStream') types.push((await inflater.read(frame.block)).get('streamtype'))
  inflater.close()
  assert.deepEqual(types, ['error', 'stdin', 'stdout', 'stderr'])
  assert.equal(frames.flatMap((f) => (f.kind === 'data' ? [f.data.toString()] : [])).join(''), 'hello\n')
})

test('bytes of the frames that we send', () => {
  const hex = (frame: Buffer): string => frame.toString('hex')
  assert.equal(hex(dataFrame(5, Buffer.from('out'), true)), '00000005010000036f7574')
  assert.equal(hex(rstStreamFrame(7, 5)), '80030003000000080000000700000005')
  assert.equal(hex(pingFrame(1)), '800300060000000400000001')
  assert.equal(hex(goAwayFrame(7, 0)), '80030007000000080000000700000000')
  assert.equal(
    hex(synReplyFrame(1, new EmptyHeaderPacker().next())),
    `80030002000000140000000178010004${'00fbff00000000'}000000ffff`,
  )
})

test('the blocks of our replies are one zlib stream, each readable at once', async () => {
  const packer = new EmptyHeaderPacker()
  const inflate = createInflate({ dictionary: SPDY_DICTIONARY })
  for (let i = 0; i < 3; i++) {
    const unpacked = new Promise<Buffer>((resolve) => inflate.once('data', resolve))
    inflate.write(packer.next())
    assert.deepEqual([...(await unpacked)], [0, 0, 0, 0])
  }
  inflate.destroy()
})

const streamId = fc.integer({ min: 0, max: 0x7fffffff })
const frameWithBytes = fc.oneof(
  fc
    .tuple(streamId, fc.uint8Array({ maxLength: 300 }), fc.boolean())
    .map(([id, data, fin]) => dataFrame(id, data, fin)),
  fc
    .tuple(streamId, fc.uint8Array({ maxLength: 100 }), fc.boolean())
    .map(([id, block, fin]) => synStreamFrame(id, Buffer.from(block), fin)),
  streamId.map((id) => rstStreamFrame(id, 5)),
  fc.integer({ min: 0, max: 0xffffffff }).map((id) => pingFrame(id)),
  streamId.map((id) => goAwayFrame(id, 0)),
)

test('where the bytes are cut makes no difference', () => {
  fc.assert(
    fc.property(fc.array(frameWithBytes, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cuts) => {
      const bytes = Buffer.concat(frames)
      assert.deepEqual(read(bytes, cuts), read(bytes))
    }),
  )
})

test('no bytes make the reader fail but with an error of the protocol', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
      try {
        read(Buffer.from(bytes), cuts)
      } catch (error) {
        assert.ok(error instanceof SpdyError, String(error))
      }
    }),
  )
})

test('headers of any kind, block after block, come out as they went in', async () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
  const blocks = fc.array(fc.uniqueArray(fc.tuple(name, fc.string()), { selector: ([n]) => n, maxLength: 8 }), {
    maxLength: 12,
  })
  await fc.assert(
    fc.asyncProperty(blocks, async (all) => {
      const deflater = new HeaderDeflater()
      const inflater = new HeaderInflater()
      try {
        for (const headers of all)
          assert.deepEqual(
            [...(await inflater.read(await deflater.pack(headers)))],
            headers.map(([n, v]) => [n, v]),
          )
      } finally {
        deflater.close()
        inflater.close()
      }
    }),
    { numRuns: 50 },
  )
})

describe('refused', () => {
  const frames: Readonly<Record<string, Buffer>> = {
    'a control frame that is too long': Buffer.from('8003000101000000', 'hex'),
    'another version': Buffer.from('800200060000000400000001', 'hex'),
    'a SYN_STREAM without room for a block': Buffer.from('800300010000000400000001', 'hex'),
    'a RST_STREAM that is cut short': Buffer.from('800300030000000400000001', 'hex'),
  }
  for (const [name, bytes] of Object.entries(frames)) test(name, () => assert.throws(() => read(bytes), SpdyError))

  test('a block that unpacks to megabytes', async () => {
    const deflater = new HeaderDeflater()
    const inflater = new HeaderInflater()
    const bomb = await deflater.pack([['a', 'x'.repeat(4 << 20)]])
    assert.ok(bomb.length < 16 * 1024)
    await assert.rejects(inflater.read(bomb), SpdyError)
    await assert.rejects(inflater.read(Buffer.from([0, 0, 0, 0xff, 0xff])), SpdyError)
    deflater.close()
  })

  test('a block that is no zlib', async () => {
    const inflater = new HeaderInflater()
    await assert.rejects(inflater.read(Buffer.from('nonsense')), SpdyError)
  })

  test('counts and lengths beyond the block, and doubled names', () => {
    const blocks = [
      '',
      '00000001',
      '00010000',
      '0000000100000001',
      '00000001ffffffff61',
      '000000020000000161000000000000000161',
    ]
    for (const block of blocks) assert.throws(() => parseHeaderBlock(Buffer.from(block, 'hex')), SpdyError, block)
  })
})
