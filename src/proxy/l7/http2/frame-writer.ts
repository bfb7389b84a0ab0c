import type { FieldLines } from '../http1/field-lines.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  writeFrameHead,
  writeUint32,
} from './frames.ts'
import { BLOCK_EXTRA_BYTES_MAX, FIELD_EXTRA_BYTES_MAX, HpackEncoder } from './hpack/hpack-encoder.ts'
import { DATA_BYTES_MAX, type SessionOutput } from './session-output.ts'

const PING_BYTES = 8
const NO_PAYLOAD = new Uint8Array(PING_BYTES)

/** Writes the frames of one connection, as large as the other side takes them. It keeps no account of anything. */
export class FrameWriter {
  readonly output: SessionOutput
  readonly encoder = new HpackEncoder()
  /** What the other side takes in one frame. */
  frameBytesMax = FRAME_BYTES_MAX

  constructor(output: SessionOutput) {
    this.output = output
  }

  /** Room for a header block made of `textBytes` in `fields`; returns where the block begins, in `output.bytes`. */
  beginBlock(textBytes: number, fields: number): number {
    const bytes = FRAME_HEAD_BYTES + BLOCK_EXTRA_BYTES_MAX + textBytes + fields * FIELD_EXTRA_BYTES_MAX
    const at = this.output.room(bytes) + FRAME_HEAD_BYTES
    return this.encoder.begin(this.output.bytes, at)
  }

  /** The block, from `beginBlock` to `end`, goes out on a stream, in pieces if it has to. */
  endBlock(streamId: number, end: number, isLast: boolean): void {
    const { output } = this
    const at = output.room(0)
    const start = at + FRAME_HEAD_BYTES
    const flags = isLast ? END_STREAM : 0
    if (end - start <= this.frameBytesMax) {
      writeFrameHead(HEADERS, flags | END_HEADERS, streamId, end - start, output.bytes, at)
      output.commit(end)
      return
    }
    const block = output.bytes.slice(start, end)
    for (let p = 0; p < block.length; ) {
      const count = Math.min(block.length - p, this.frameBytesMax)
      const isEnd = p + count === block.length ? END_HEADERS : 0
      this.#write(p === 0 ? HEADERS : CONTINUATION, isEnd | (p === 0 ? flags : 0), streamId, block, p, p + count)
      p += count
    }
  }

  /** `lines`, found in `b`, as a head with `status`, or, with 0, as trailers. */
  lines(streamId: number, status: number, lines: FieldLines, b: Uint8Array, isLast: boolean): void {
    let p = this.beginBlock(b.length, lines.count)
    const out = this.output.bytes
    if (status > 0) p = this.encoder.status(status, out, p)
    const { ids, nameStart, nameEnd, valueStart, valueEnd, count } = lines
    for (let i = 0; i < count; i++) {
      p = this.encoder.field(b, nameStart[i]!, nameEnd[i]!, b, valueStart[i]!, valueEnd[i]!, ids[i]!, out, p)
    }
    this.endBlock(streamId, p, isLast)
  }

  data(streamId: number, b: Uint8Array, start: number, end: number): void {
    const frameBytesMax = Math.min(this.frameBytesMax, DATA_BYTES_MAX)
    for (let p = start; p < end; p += frameBytesMax) {
      const at = this.#write(DATA, 0, streamId, b, p, Math.min(end, p + frameBytesMax))
      this.output.noteData(at, streamId)
    }
  }

  /** Nothing more on this stream: said by its latest frame of data, if that has not left yet. */
  end(streamId: number): void {
    if (!this.output.endsWithData(streamId)) this.#write(DATA, END_STREAM, streamId, NO_PAYLOAD, 0, 0)
  }

  reset(streamId: number, code: number): void {
    this.#writeNumber(RST_STREAM, streamId, code)
  }

  windowUpdate(streamId: number, bytes: number): void {
    if (bytes > 0) this.#writeNumber(WINDOW_UPDATE, streamId, bytes)
  }

  ping(): void {
    this.#write(PING, 0, 0, NO_PAYLOAD, 0, PING_BYTES)
  }

  pong(b: Uint8Array, start: number): void {
    this.#write(PING, ACK, 0, b, start, start + PING_BYTES)
  }

  settingsAck(): void {
    this.#write(SETTINGS, ACK, 0, NO_PAYLOAD, 0, 0)
  }

  goAway(lastStreamId: number, code: number): void {
    const payload = new Uint8Array(8)
    writeUint32(lastStreamId, payload, 0)
    writeUint32(code, payload, 4)
    this.#write(GOAWAY, 0, 0, payload, 0, payload.length)
  }

  /** Returns where the frame begins in `output.bytes`. */
  #write(type: number, flags: number, streamId: number, b: Uint8Array, start: number, end: number): number {
    const { output } = this
    const at = output.room(FRAME_HEAD_BYTES + end - start)
    const p = writeFrameHead(type, flags, streamId, end - start, output.bytes, at)
    if (end > start) output.bytes.set(b.subarray(start, end), p)
    output.commit(p + end - start)
    return at
  }

  #writeNumber(type: number, streamId: number, value: number): void {
    const { output } = this
    const at = output.room(FRAME_HEAD_BYTES + 4)
    const p = writeFrameHead(type, 0, streamId, 4, output.bytes, at)
    writeUint32(value, output.bytes, p)
    output.commit(p + 4)
  }
}
