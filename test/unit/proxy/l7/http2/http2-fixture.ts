import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { FieldBlock } from '../../../../../src/proxy/l7/http2/field-block.ts'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  writeFrameHead,
} from '../../../../../src/proxy/l7/http2/frames.ts'
import { HpackDecoder } from '../../../../../src/proxy/l7/http2/hpack/hpack-decoder.ts'
import { eventually } from '../../../../harness/eventually.ts'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

export type Fields = readonly (readonly [string, string])[]

/** Where requests of tests go, if they say nothing else. */
export const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
]

export const POST: Fields = [[':method', 'POST'], ...GET.slice(1)]

/** `base` with fields of the same names replaced, and others added. */
export function fields(base: Fields, ...changes: Fields): Fields {
  const names = changes.map(([name]) => name)
  const pseudo = changes.filter(([name]) => name.startsWith(':'))
  const rest = changes.filter(([name]) => !name.startsWith(':'))
  return [...base.filter(([name]) => !names.includes(name)), ...pseudo, ...rest]
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(9 + payload.length)
  writeFrameHead(type, flags, streamId, payload.length, bytes, 0)
  bytes.set(payload, 9)
  return bytes
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A block of literals, without any table: whatever is to be said, well-formed or not. */
export function block(list: Fields): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1')
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
    const length: number[] = [127]
    let rest = bytes.length - 127
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128)
    return Buffer.concat([Buffer.from([...length, rest]), bytes])
  }
  return Buffer.concat(list.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

export const headers = (streamId: number, list: Fields, isLast = true): Buffer =>
  frame(HEADERS, END_HEADERS | (isLast ? END_STREAM : 0), streamId, block(list))

export const data = (streamId: number, payload: string | Uint8Array, isLast = false): Buffer =>
  frame(DATA, isLast ? END_STREAM : 0, streamId, typeof payload === 'string' ? Buffer.from(payload) : payload)

/** One side of a connection, frame by frame. */
export class FramePeer {
  readonly socket: Socket
  readonly frames: Frame[] = []
  isClosed = false
  readonly #decoder = new HpackDecoder(4_096)
  #rest = Buffer.alloc(0)
  readonly #heads = new Map<Frame, Record<string, string>>()

  constructor(socket: Socket, hasPreface = false) {
    this.socket = socket
    let left = hasPreface ? PREFACE.length : 0
    socket.on('data', (bytes: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, bytes])
      if (left > 0 && this.#rest.length >= left) {
        this.#rest = this.#rest.subarray(left)
        left = 0
      }
      if (left === 0) this.#read()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  #read(): void {
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < 9 + length) return
      const read = {
        type: this.#rest[3]!,
        flags: this.#rest[4]!,
        streamId: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(9, 9 + length)),
      }
      this.#rest = this.#rest.subarray(9 + length)
      this.frames.push(read)
      if (read.type === HEADERS) this.#readHead(read)
    }
  }

  #readHead(read: Frame): void {
    assert.ok((read.flags & END_HEADERS) !== 0, 'a head in one frame')
    const into = new FieldBlock(64 * 1024, 1_000)
    assert.ok(this.#decoder.decode(read.payload, 0, read.payload.length, into), 'a readable header block')
    const lines = Buffer.from(into.bytes.subarray(0, into.end)).toString('latin1').split('\r\n').slice(0, -1)
    const pairs = lines.map((line) => {
      const colon = line.indexOf(':', 1)
      return [line.slice(0, colon), line.slice(colon + 2)] as const
    })
    this.#heads.set(read, Object.fromEntries(pairs))
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** The first frame that fits, with all before it still there. */
  frame(what: string, fits: (read: Frame) => boolean): Promise<Frame> {
    return eventually(
      () => {
        const found = this.frames.find(fits)
        if (found === undefined && this.isClosed) assert.fail(`${what} did not come before the end: ${this.told()}`)
        return found
      },
      10_000,
      what,
    )
  }

  /** What came, for people. */
  told(): string {
    return this.frames
      .map(({ type, flags, streamId, payload }) => `${type}/${flags}@${streamId}+${payload.length}`)
      .join(' ')
  }

  /** The `n`-th head on the stream: the response's, then its trailers. */
  async head(streamId: number, n = 0): Promise<Record<string, string>> {
    const found = await eventually(
      () => {
        const all = this.frames.filter((read) => read.type === HEADERS && read.streamId === streamId)
        if (all[n] === undefined && this.isClosed) assert.fail(`no head before the end: ${this.told()}`)
        return all[n]
      },
      10_000,
      `head ${n} on stream ${streamId}`,
    )
    return this.#heads.get(found)!
  }

  body(streamId: number): string {
    const parts = this.frames.filter((read) => read.type === DATA && read.streamId === streamId)
    return Buffer.concat(parts.map(({ payload }) => payload)).toString('latin1')
  }

  /** The stream has been ended by the other side, in order. */
  async ended(streamId: number): Promise<void> {
    await this.frame(`the end of stream ${streamId}`, (read) => {
      return (
        read.streamId === streamId && (read.type === HEADERS || read.type === DATA) && (read.flags & END_STREAM) !== 0
      )
    })
  }

  /** The code of the stream's reset. */
  async reset(streamId: number): Promise<number> {
    const { payload } = await this.frame(`a reset of stream ${streamId}`, (read) => {
      return read.type === RST_STREAM && read.streamId === streamId
    })
    return payload.readUInt32BE(0)
  }

  /** The code with which the other side goes away for good. */
  async goneAway(): Promise<number> {
    const { payload } = await this.frame('GOAWAY', (read) => read.type === GOAWAY)
    return payload.readUInt32BE(4)
  }

  async closed(): Promise<void> {
    await eventually(() => (this.isClosed ? true : undefined), 10_000, 'the end of the connection')
  }
}

/** A client that has said and heard the settings. `settings`: payload of its own. */
export async function openFrames(t: TestContext, port: number, settings = Buffer.alloc(0)): Promise<FramePeer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  const peer = new FramePeer(socket)
  peer.send(PREFACE, frame(SETTINGS, 0, 0, settings))
  await peer.frame('settings', ({ type, flags }) => type === SETTINGS && flags === 0)
  peer.send(frame(SETTINGS, 1, 0))
  await peer.frame('settings acknowledged', ({ type, flags }) => type === SETTINGS && flags === 1)
  return peer
}
