import type { EngineContext } from '../engine/engine-context.ts'
import type { Wire, WireOwner } from '../engine/wire.ts'
import type { FieldBlock } from './field-block.ts'
import { FloodGuard } from './flood-guard.ts'
import { Fragments } from './fragments.ts'
import { BAD_PREFACE, FRAME, FRAME_TOO_LONG, FrameReader } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import {
  ACK,
  CANCEL,
  COMPRESSION_ERROR,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  GOAWAY,
  HAS_PRIORITY,
  HEADER_TABLE_SIZE,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  MAX_FRAME_SIZE,
  NO_ERROR,
  PADDED,
  PING,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  REFUSED_STREAM,
  RST_STREAM,
  readUint32,
  SETTINGS,
  STREAM_CLOSED,
  WINDOW_BYTES,
  WINDOW_BYTES_MAX,
  WINDOW_UPDATE,
} from './frames.ts'
import { HpackDecoder } from './hpack/hpack-decoder.ts'
import type { Http2Settings } from './http2-settings.ts'
import type { KnownStream } from './known-stream.ts'
import { PeerSettings } from './peer-settings.ts'
import { ReceiveWindow } from './receive-window.ts'
import { RecentResets } from './recent-resets.ts'
import { SessionOutput } from './session-output.ts'
import type { SessionOwner } from './session-owner.ts'

const TABLE_BYTES = 4_096
const RESERVED_BIT = 0x7fff_ffff
/** Written but not taken by the other side: nothing more is read until it is. */
const HELD_BYTES_MAX = 256 * 1024

/**
 * One HTTP/2 connection (RFC 9113), either side of it: frames, header blocks, flow control, the states of streams, and
 * what is not put up with. What streams are about is their own affair.
 */
export class Http2Session implements WireOwner {
  readonly settings: Http2Settings
  readonly wire: Wire
  readonly writer: FrameWriter
  readonly guard: FloodGuard
  readonly peer: PeerSettings
  readonly streams = new Map<number, KnownStream>()
  /** Left of what may be sent on all streams together. */
  sendWindow = WINDOW_BYTES
  /** The other side's settings are there. */
  isSettled = false
  /** Nothing is read or written as HTTP/2 any more. */
  isOver = false
  lastPeerStream = 0
  /** The next stream that this side opens, as a client. */
  nextStreamId = 1
  readonly #context: EngineContext
  readonly #owner: SessionOwner
  readonly #isServer: boolean
  readonly #reader: FrameReader
  readonly #decoder = new HpackDecoder(TABLE_BYTES)
  readonly #waiting = new Set<KnownStream>()
  readonly #reset = new RecentResets()
  #isReadPaused = false
  readonly #receiveWindow: ReceiveWindow
  /** Of the header block whose rest is to come: its stream, 0: there is none. */
  #blockStream = 0
  #blockIsLast = false
  readonly #fragments: Fragments

  /** Says its settings at once. `isServer`: the other side opens the streams. */
  constructor(context: EngineContext, owner: SessionOwner, wire: Wire, isServer: boolean) {
    const { limits, http2 } = context.settings
    this.#context = context
    this.#owner = owner
    this.#isServer = isServer
    this.#reader = new FrameReader(isServer)
    this.peer = new PeerSettings(isServer)
    this.settings = http2
    this.wire = wire
    this.writer = new FrameWriter(new SessionOutput(context, wire))
    this.guard = new FloodGuard(http2.floods, () => context.clock.monotonic())
    const { connectionWindowBytes } = http2
    this.#receiveWindow = new ReceiveWindow(Math.max(connectionWindowBytes, WINDOW_BYTES), connectionWindowBytes)
    this.#fragments = new Fragments(limits.headBytesMax)
    const { serverGreeting, clientGreeting } = context.http2
    wire.write(isServer ? serverGreeting : clientGreeting)
  }

  get block(): FieldBlock {
    return this.#context.http2.block
  }

  get isBlocked(): boolean {
    return this.writer.output.isBlocked
  }

  /**
   * What has not gone on counts against the connection, too: a client that stalls holds up only itself. An endpoint's
   * connection serves many, so there each stream has its own window only.
   */
  get holdsConnection(): boolean {
    return this.#isServer
  }

  // What streams write.

  /** The block, from `FrameWriter.beginBlock` to `end`, goes out as a head of `stream`. */
  endBlock(stream: KnownStream, end: number, isLast: boolean): void {
    if (isLast) stream.isLocalEnded = true
    this.guard.useful()
    this.writer.endBlock(stream.id, end, isLast)
  }

  /** Within all windows. */
  writeData(stream: KnownStream, b: Uint8Array, start: number, end: number): void {
    stream.sendWindow -= end - start
    this.sendWindow -= end - start
    this.guard.useful()
    this.writer.data(stream.id, b, start, end)
  }

  /** `trailers`: whole lines and an empty one. */
  writeEnd(stream: KnownStream, trailers: Uint8Array | undefined): void {
    if (trailers !== undefined && this.writeLines(stream, 0, trailers, true)) return
    this.writer.end(stream.id)
  }

  /**
   * Sends `lines`, header lines with an empty one at their end, as a head with `status`, or, with 0, as trailers. False:
   * there is nothing that could be sent.
   */
  writeLines(stream: KnownStream, status: number, lines: Uint8Array, isLast: boolean): boolean {
    const { trailerLines: fields } = this.#context.http2
    if (fields.scan(lines, 0, lines.length) <= 0 || (fields.count === 0 && status === 0)) return false
    if (isLast) stream.isLocalEnded = true
    this.guard.useful()
    this.writer.lines(stream.id, status, fields, lines, isLast)
    return true
  }

  /** Ends a stream before its time. */
  resetStream(stream: KnownStream, code: number): void {
    if (stream.isClosed || this.isOver) return
    this.#reset.add(stream.id)
    this.writer.reset(stream.id, code)
    this.#forget(stream)
  }

  /** This side of the stream, or both, have said all. */
  ended(stream: KnownStream): void {
    if (stream.isClosed || !stream.isLocalEnded) return
    if (stream.isRemoteEnded) this.#forget(stream)
    else if (this.#isServer && !stream.isTunnel) {
      // An answer that came early: what is still on its way is dropped for a moment, since some clients take a reset for
      // a failure even after a whole answer (RFC 9113 §8.1).
      stream.deadlineMs = this.#context.clock.monotonic() + this.#context.settings.lingerMs
    }
  }

  /** Has `sendQueued` called when there is room again. */
  waitToSend(stream: KnownStream): void {
    this.#waiting.add(stream)
  }

  creditConnection(bytes: number): void {
    if (this.isOver) return
    const grownBytes = this.#receiveWindow.credit(bytes)
    if (grownBytes > 0) this.writer.windowUpdate(0, grownBytes)
  }

  expireStreams(nowMs: number): void {
    for (const stream of this.streams.values()) if (nowMs >= stream.deadlineMs) stream.expire(nowMs)
  }

  // The connection as a whole.

  /** The connection cannot go on. */
  fail(code: number, reason: string): void {
    if (this.isOver) return
    this.writer.goAway(this.lastPeerStream, code)
    this.#end(code, reason)
  }

  /** Nothing more to be said. */
  finish(): void {
    if (!this.isOver) this.#end(NO_ERROR, '')
  }

  onBytes(count: number, b: Uint8Array): boolean {
    if (this.isOver) return true
    this.#reader.feed(b, count)
    this.#readFrames()
    this.#reader.keep()
    this.#isReadPaused = !this.isOver && this.isBlocked && this.writer.output.heldBytes > HELD_BYTES_MAX
    if (this.#isReadPaused) this.#owner.stuck()
    return !this.#isReadPaused
  }

  onDrained(): void {
    this.writer.output.drained()
    this.#sendWaiting()
    if (this.#isReadPaused) {
      this.#isReadPaused = false
      this.wire.resume()
    }
    this.#owner.drained()
  }

  onEnd(): void {
    // Nobody speaks HTTP/2 one way only.
    this.wire.finish()
  }

  onClose(): void {
    this.isOver = true
    for (const stream of [...this.streams.values()]) this.#abort(stream, CANCEL, false)
    this.#owner.closed()
  }

  #end(code: number, reason: string): void {
    this.isOver = true
    this.writer.output.flush()
    for (const stream of [...this.streams.values()]) this.#abort(stream, code, false)
    this.#reader.drop()
    this.#fragments.clear()
    this.#owner.broken(code, reason)
    this.wire.socket.end()
  }

  #sendWaiting(): void {
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const stream of waiting) {
      if (this.isOver) return
      if (!stream.isClosed) stream.sendQueued()
    }
  }

  #forget(stream: KnownStream): void {
    if (stream.isClosed) return
    this.streams.delete(stream.id)
    this.#waiting.delete(stream)
    stream.forget()
    this.#owner.left(stream)
  }

  #abort(stream: KnownStream, code: number, isSafe: boolean): void {
    this.#forget(stream)
    stream.onReset(code, isSafe)
  }

  /** The other side must not do that with this stream; too much of it, and the connection goes. */
  streamFault(stream: KnownStream, code: number): void {
    if (stream.isClosed) return
    this.resetStream(stream, code)
    stream.onReset(code, false)
    this.faulted()
  }

  /** It has done something that cost more than it should. */
  faulted(): void {
    if (!this.guard.fault()) this.fail(ENHANCE_YOUR_CALM, 'http2-fault-flood')
  }

  // Frames.

  #readFrames(): void {
    const reader = this.#reader
    while (!this.isOver) {
      const event = reader.next()
      if (event === FRAME)
        this.#readFrame(reader.type, reader.flags, reader.streamId, reader.bytes, reader.start, reader.end)
      else if (event === FRAME_TOO_LONG) this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
      else if (event === BAD_PREFACE) this.fail(PROTOCOL_ERROR, 'http2-preface')
      else return
    }
  }

  #readFrame(type: number, flags: number, streamId: number, b: Uint8Array, start: number, end: number): void {
    if (!this.isSettled && (type !== SETTINGS || (flags & ACK) !== 0)) {
      this.fail(PROTOCOL_ERROR, 'http2-preface')
      return
    }
    if (this.#blockStream !== 0 && (type !== CONTINUATION || streamId !== this.#blockStream)) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    switch (type) {
      case DATA:
        this.#readData(flags, streamId, b, start, end)
        return
      case HEADERS:
        this.#readHeaders(flags, streamId, b, start, end)
        return
      case CONTINUATION:
        if (this.#blockStream === 0) this.fail(PROTOCOL_ERROR, 'http2-protocol')
        else this.#readFragment(flags, b, start, end)
        return
      case RST_STREAM:
        this.#readReset(streamId, b, start, end)
        return
      case SETTINGS:
        this.#readSettings(flags, streamId, b, start, end)
        return
      case PING:
        this.#readPing(flags, streamId, b, start, end)
        return
      case GOAWAY:
        if (streamId !== 0) this.fail(PROTOCOL_ERROR, 'http2-protocol')
        else if (end - start < 8) this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
        else if (this.#isIdleAllowed()) this.#readGoAway(readUint32(b, start) & RESERVED_BIT, readUint32(b, start + 4))
        return
      case WINDOW_UPDATE:
        this.#readWindowUpdate(streamId, b, start, end)
        return
      case PRIORITY:
        this.#readPriority(streamId, b, start, end)
        return
      case PUSH_PROMISE:
        this.fail(PROTOCOL_ERROR, 'http2-protocol')
        return
      default:
        // Extensions that nobody here knows (RFC 9113 §5.5).
        this.#isIdleAllowed()
    }
  }

  #isIdleAllowed(): boolean {
    if (this.guard.idle()) return true
    this.fail(ENHANCE_YOUR_CALM, 'http2-frame-flood')
    return false
  }

  /** A stream that nobody has opened yet. */
  #isIdle(streamId: number): boolean {
    if ((streamId & 1) === 0) return true
    return this.#isServer ? streamId > this.lastPeerStream : streamId >= this.nextStreamId
  }

  #readData(flags: number, streamId: number, b: Uint8Array, start: number, end: number): void {
    if (streamId === 0 || this.#isIdle(streamId)) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    const bytes = end - start
    if (!this.#receiveWindow.take(bytes)) {
      this.fail(FLOW_CONTROL_ERROR, 'http2-flow-control')
      return
    }
    let from = start
    let to = end
    if ((flags & PADDED) !== 0) {
      if (from === to || b[from]! >= to - from) {
        this.fail(PROTOCOL_ERROR, 'http2-protocol')
        return
      }
      to -= b[from]!
      from++
    }
    const stream = this.streams.get(streamId)
    if (stream === undefined) {
      this.creditConnection(bytes)
      if (!this.#reset.has(streamId)) this.#refuseFrame(streamId, STREAM_CLOSED)
      else this.#isIdleAllowed()
      return
    }
    if (stream.isRemoteEnded) {
      this.creditConnection(bytes)
      this.streamFault(stream, STREAM_CLOSED)
      return
    }
    if (!stream.received(bytes)) {
      this.streamFault(stream, FLOW_CONTROL_ERROR)
      return
    }
    const isLast = (flags & END_STREAM) !== 0
    if (from === to && !isLast && !this.#isIdleAllowed()) return
    if (from < to) this.guard.useful()
    if (isLast) stream.isRemoteEnded = true
    // Padding has gone nowhere.
    if (bytes > to - from) stream.credit(bytes - (to - from))
    stream.onData(b, from, to, isLast)
    this.#whenRemoteEnded(stream)
  }

  #whenRemoteEnded(stream: KnownStream): void {
    if (stream.isRemoteEnded && stream.isLocalEnded) this.#forget(stream)
  }

  /** For a stream that is over, longer ago than what was on its way explains. */
  #refuseFrame(streamId: number, code: number): void {
    this.#reset.add(streamId)
    this.writer.reset(streamId, code)
    this.faulted()
  }

  #readHeaders(flags: number, streamId: number, b: Uint8Array, start: number, end: number): void {
    if (streamId === 0 || (streamId & 1) === 0) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    let from = start
    let to = end
    if ((flags & PADDED) !== 0) {
      const padding = from < to ? b[from]! : Number.POSITIVE_INFINITY
      from++
      to -= padding
    }
    let dependsOnItself = false
    if ((flags & HAS_PRIORITY) !== 0) {
      if (to - from >= 5) dependsOnItself = (readUint32(b, from) & RESERVED_BIT) === streamId
      from += 5
    }
    if (from > to) {
      this.fail(end - start === 0 ? FRAME_SIZE_ERROR : PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    if (dependsOnItself) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    this.#blockStream = streamId
    this.#blockIsLast = (flags & END_STREAM) !== 0
    if ((flags & END_HEADERS) !== 0) this.#readBlock(b, from, to)
    else this.#keepFragment(b, from, to)
  }

  #readFragment(flags: number, b: Uint8Array, start: number, end: number): void {
    if (!this.#keepFragment(b, start, end) || (flags & END_HEADERS) === 0) return
    const block = this.#fragments.take()
    this.#readBlock(block, 0, block.length)
  }

  #keepFragment(b: Uint8Array, start: number, end: number): boolean {
    if (this.#fragments.add(b, start, end)) return true
    this.fail(ENHANCE_YOUR_CALM, 'http2-header-flood')
    return false
  }

  #readBlock(b: Uint8Array, start: number, end: number): void {
    const streamId = this.#blockStream
    this.#blockStream = 0
    if (!this.#decoder.decode(b, start, end, this.block)) {
      this.fail(COMPRESSION_ERROR, 'http2-compression')
      return
    }
    const stream = this.streams.get(streamId)
    if (stream === undefined) {
      this.#openOrRefuse(streamId)
      return
    }
    if (stream.isRemoteEnded) {
      this.streamFault(stream, STREAM_CLOSED)
      return
    }
    this.guard.useful()
    if (this.#blockIsLast) stream.isRemoteEnded = true
    stream.onHead(this.#blockIsLast)
    this.#whenRemoteEnded(stream)
  }

  #openOrRefuse(streamId: number): void {
    if (!this.#isIdle(streamId)) {
      if (this.#reset.has(streamId)) this.#isIdleAllowed()
      else this.fail(STREAM_CLOSED, 'http2-protocol')
      return
    }
    if (!this.#isServer) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    this.lastPeerStream = streamId
    if (this.streams.size >= this.settings.streamsMax) {
      this.#refuseFrame(streamId, REFUSED_STREAM)
      return
    }
    this.guard.useful()
    this.#owner.opened(streamId, this.#blockIsLast)
  }

  #readReset(streamId: number, b: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
      return
    }
    if (streamId === 0 || this.#isIdle(streamId)) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    const code = readUint32(b, start)
    const stream = this.streams.get(streamId)
    if (stream === undefined) {
      this.#isIdleAllowed()
      return
    }
    this.#abort(stream, code, code === REFUSED_STREAM)
    if (this.#isServer && !this.guard.reset()) this.fail(ENHANCE_YOUR_CALM, 'http2-reset-flood')
  }

  #readPing(flags: number, streamId: number, b: Uint8Array, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    if (end - start !== 8) {
      this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
      return
    }
    if ((flags & ACK) !== 0) {
      if (this.#isIdleAllowed()) this.#owner.ponged()
      return
    }
    if (!this.#isIdleAllowed()) return
    this.writer.pong(b, start)
  }

  #readGoAway(lastStreamId: number, code: number): void {
    this.#owner.goneAway(lastStreamId, code)
    if (this.#isServer) return
    for (const stream of [...this.streams.values()]) {
      if (stream.id > lastStreamId) this.#abort(stream, REFUSED_STREAM, true)
    }
  }

  #readPriority(streamId: number, b: Uint8Array, start: number, end: number): void {
    if (streamId === 0) this.fail(PROTOCOL_ERROR, 'http2-protocol')
    else if (end - start !== 5) this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
    else if ((readUint32(b, start) & RESERVED_BIT) === streamId) this.fail(PROTOCOL_ERROR, 'http2-protocol')
    else this.#isIdleAllowed()
  }

  #readWindowUpdate(streamId: number, b: Uint8Array, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
      return
    }
    const bytes = readUint32(b, start) & RESERVED_BIT
    if (streamId === 0) {
      this.sendWindow += bytes
      if (bytes === 0) this.fail(PROTOCOL_ERROR, 'http2-protocol')
      else if (this.sendWindow > WINDOW_BYTES_MAX) this.fail(FLOW_CONTROL_ERROR, 'http2-flow-control')
      else if (this.#isIdleAllowed()) this.#sendWaiting()
      return
    }
    if (this.#isIdle(streamId)) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    const stream = this.streams.get(streamId)
    if (!this.#isIdleAllowed() || stream === undefined) return
    stream.sendWindow += bytes
    if (bytes === 0) this.streamFault(stream, PROTOCOL_ERROR)
    else if (stream.sendWindow > WINDOW_BYTES_MAX) this.streamFault(stream, FLOW_CONTROL_ERROR)
    else if (this.#waiting.delete(stream)) stream.sendQueued()
  }

  #readSettings(flags: number, streamId: number, b: Uint8Array, start: number, end: number): void {
    const bytes = end - start
    if (streamId !== 0) {
      this.fail(PROTOCOL_ERROR, 'http2-protocol')
      return
    }
    if ((flags & ACK) !== 0) {
      if (bytes !== 0) this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
      else this.#isIdleAllowed()
      return
    }
    if (bytes % 6 !== 0) {
      this.fail(FRAME_SIZE_ERROR, 'http2-frame-size')
      return
    }
    if (!this.#isIdleAllowed()) return
    for (let p = start; p < end; p += 6) {
      const code = this.#apply(b[p]! * 256 + b[p + 1]!, readUint32(b, p + 2))
      if (code === NO_ERROR) continue
      this.fail(code, 'http2-settings')
      return
    }
    this.isSettled = true
    this.writer.settingsAck()
    this.#sendWaiting()
    this.#owner.settled()
  }

  #apply(name: number, value: number): number {
    const { windowBytes } = this.peer
    const code = this.peer.take(name, value)
    if (code !== NO_ERROR) return code
    if (name === HEADER_TABLE_SIZE) this.writer.encoder.limitTable(value)
    else if (name === MAX_FRAME_SIZE) this.writer.frameBytesMax = value
    else if (name === INITIAL_WINDOW_SIZE) return this.#growSendWindows(value - windowBytes)
    return NO_ERROR
  }

  /** By less than nothing, too. */
  #growSendWindows(bytes: number): number {
    for (const stream of this.streams.values()) {
      stream.sendWindow += bytes
      if (stream.sendWindow > WINDOW_BYTES_MAX) return FLOW_CONTROL_ERROR
    }
    return NO_ERROR
  }
}
