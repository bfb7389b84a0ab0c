import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  BAD_PREFACE,
  FRAME,
  FRAME_TOO_LONG,
  FrameReader,
  NO_FRAME,
} from '../../../../../src/proxy/l7/http2/frame-reader.ts'
import { PREFACE, writeFrameHead } from '../../../../../src/proxy/l7/http2/frames.ts'

interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: string
}

test('frames come out as they went in, however they are cut', () => {
  const frame = fc.record({
    type: fc.nat({ max: 255 }),
    flags: fc.nat({ max: 255 }),
    streamId: fc.nat({ max: 0x7fff_ffff }),
    payload: fc.string({ maxLength: 300 }).map((text) => Buffer.from(text).toString('hex')),
  })
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.boolean(), fc.array(frame), cuts, (isPrefaced, frames, sizes) => {
      const written = Buffer.concat(frames.map(encode))
      const bytes = isPrefaced ? Buffer.concat([PREFACE, written]) : written
      const reader = new FrameReader(isPrefaced)
      const read: Frame[] = []
      const shared = new Uint8Array(400)
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const part = bytes.subarray(at, at + sizes[i % sizes.length]!)
        // One buffer for all reads, as on a socket: nothing may be left standing in it.
        shared.fill(0xee)
        shared.set(part)
        reader.feed(shared, part.length)
        while (reader.next() === FRAME) read.push(take(reader))
        reader.keep()
        at += part.length
      }
      assert.deepEqual(
        read,
        frames.map((one) => ({ ...one })),
      )
      assert.equal(reader.next(), NO_FRAME)
    }),
  )
})

test('the reserved bit of a stream’s number is not looked at', () => {
  const reader = new FrameReader(false)
  const bytes = encode({ type: 6, flags: 0, streamId: 5, payload: '' })
  bytes[5] = 0x80
  reader.feed(bytes, bytes.length)
  assert.equal(reader.next(), FRAME)
  assert.equal(reader.streamId, 5)
})

test('a frame longer than 16384 bytes is refused by its head alone', () => {
  const reader = new FrameReader(false)
  const head = new Uint8Array(9)
  writeFrameHead(0, 0, 1, 16_385, head, 0)
  reader.feed(head, head.length)
  assert.equal(reader.next(), FRAME_TOO_LONG)
})

test('what does not begin with the preface is refused', () => {
  const reader = new FrameReader(true)
  const bytes = Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')
  reader.feed(bytes, bytes.length - 1)
  assert.equal(reader.next(), NO_FRAME)
  reader.keep()
  reader.feed(bytes.subarray(bytes.length - 1), 1)
  assert.equal(reader.next(), BAD_PREFACE)
})

test('what was dropped does not come out', () => {
  const reader = new FrameReader(false)
  const bytes = encode({ type: 6, flags: 0, streamId: 0, payload: '00' })
  reader.feed(bytes, bytes.length)
  reader.drop()
  assert.equal(reader.next(), NO_FRAME)
})

function encode({ type, flags, streamId, payload }: Frame): Buffer {
  const content = Buffer.from(payload, 'hex')
  const head = Buffer.alloc(9)
  writeFrameHead(type, flags, streamId, content.length, head, 0)
  return Buffer.concat([head, content])
}

function take({ type, flags, streamId, bytes, start, end }: FrameReader): Frame {
  return { type, flags, streamId, payload: Buffer.from(bytes.subarray(start, end)).toString('hex') }
}
