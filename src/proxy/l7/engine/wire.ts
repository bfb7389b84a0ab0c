import { Socket } from 'node:net'
import type { EngineContext } from './engine-context.ts'

/** Who a wire belongs to. */
export interface WireOwner {
  /** `b[0, count)` arrived and is there during this call only. False: read nothing more until `Wire.resume`. */
  onBytes(count: number, b: Uint8Array): boolean
  /** All that was written has gone to the kernel, after `isPending`. */
  onDrained(): void
  /** The other side will send nothing more. */
  onEnd(): void
  /** Once, at last. */
  onClose(): void
}

/** Never reached: how much may be pending is decided by the owners, and below the mark a stream spares a tick per write. */
const HIGH_WATER_MARK = 1 << 30
const NOTHING = new Uint8Array(0)
/** Of what TLS has taken, so much may be on its way to the kernel before who writes must wait. */
const ENCRYPTED_BYTES_MAX = 16 * 1024

const NOBODY: WireOwner = { onBytes: () => false, onDrained() {}, onEnd() {}, onClose() {} }

/** What a wire is made of. */
export interface EncryptedSocket {
  readonly encrypted: Socket
  /** The connection beneath. */
  readonly plain: Socket
}

/**
 * A socket without events per read or write. It reads into the engine's shared buffer, or, while `isBulk`, into a buffer
 * of its own whose bytes may be written on as they are, provided that nothing is read before they have gone.
 *
 * One that is encrypted brings each read in memory of its own, and has taken what is written to it when `write` returns;
 * who writes must wait only when much of it has not gone.
 */
export class Wire {
  readonly socket: Socket
  /** Only while the connection changes hands is it another than at first. */
  owner: WireOwner
  /** The kernel has not yet taken all that was written. */
  isPending = false
  /** From the next read on: read into memory of its own. */
  isBulk = false
  readonly #context: EngineContext
  readonly #plain: Socket | undefined
  #own: Uint8Array | undefined
  /** `#own` may still be written from. */
  #isLent = false

  /** `handle`: an accepted connection below `net.Socket`, not yet read from. Without it the socket is to be connected. */
  constructor(context: EngineContext, owner: WireOwner, handle: object | EncryptedSocket | undefined) {
    this.#context = context
    this.owner = owner
    if (handle !== undefined && 'encrypted' in handle) {
      this.#plain = handle.plain
      this.socket = handle.encrypted
      this.socket.pause()
      this.socket.on('data', (b: Buffer) => this.#onData(b))
    } else {
      this.#plain = undefined
      this.socket = new Socket({
        ...(handle === undefined ? {} : { handle, manualStart: true }),
        allowHalfOpen: true,
        highWaterMark: HIGH_WATER_MARK,
        onread: {
          buffer: () => this.#nextBuffer(),
          callback: (count: number, b: Uint8Array) => this.owner.onBytes(count, b),
        },
      } as ConstructorParameters<typeof Socket>[0])
      this.socket.setNoDelay(true)
    }
    const { socket } = this
    // Without listeners an error would end the process; what matters comes with 'close'.
    socket.on('error', ignore)
    socket.on('end', () => this.owner.onEnd())
    socket.on('close', () => {
      this.#own = undefined
      this.owner.onClose()
    })
  }

  /** What was written may still be read from where it stands. */
  get isHolding(): boolean {
    return this.isPending && this.#plain === undefined
  }

  get isDestroyed(): boolean {
    return this.socket.destroyed
  }

  resume(): void {
    if (!this.socket.destroyed) this.socket.resume()
  }

  /** The other side sees the connection break. */
  reset(): void {
    const plain = this.#plain
    if (plain === undefined) {
      this.socket.resetAndDestroy()
      return
    }
    plain.resetAndDestroy()
    this.socket.destroy()
  }

  /** Gives the connection away; what was read is put back. Nothing more comes from this wire. */
  release(unread: Uint8Array): Socket {
    const { socket } = this
    this.owner = NOBODY
    socket.pause()
    if (unread.length > 0) socket.unshift(Buffer.from(unread))
    return socket
  }

  /** Writes bytes that stay as they are until they have gone, see `isPending` and `isHolding`. */
  write(bytes: Uint8Array): void {
    const { socket } = this
    if (this.#plain !== undefined) {
      this.#encrypt(bytes)
      return
    }
    socket.write(bytes)
    if (socket.writableLength > 0 && !this.isPending) {
      this.isPending = true
      socket.write(NOTHING, this.#onDrained)
    }
  }

  /** Writes on what another wire has just read. When that leaves this one pending, the other must stop reading. */
  passOn(from: Wire, b: Uint8Array, start: number, end: number): void {
    if (from.#own === b) {
      this.write(b.subarray(start, end))
      if (this.isPending) from.#isLent = true
      return
    }
    const { arena } = this.#context
    if (this.isPending || arena.used > 0 || arena.room < end - start) {
      this.write(b.slice(start, end))
      return
    }
    arena.bytes.set(b.subarray(start, end))
    arena.used = end - start
    this.write(arena.take())
    if (this.isHolding) arena.replace()
  }

  /** Whether `b` is memory that this wire alone reads into. */
  owns(b: Uint8Array): boolean {
    return this.#own === b
  }

  /** What was read has gone; see `passOn`. */
  returned(): void {
    this.#isLent = false
  }

  /** TLS encrypts or copies what it gets before the call returns, but gets it only when what came before has gone. */
  #encrypt(bytes: Uint8Array): void {
    const { socket } = this
    const mustWait = socket.writableLength > 0 || socket.connecting
    socket.write(mustWait ? Buffer.from(bytes) : bytes)
    if (socket.writableLength < ENCRYPTED_BYTES_MAX || this.isPending) return
    this.isPending = true
    socket.write(NOTHING, this.#onDrained)
  }

  #onData(b: Buffer): void {
    this.#own = b
    const goesOn = this.owner.onBytes(b.length, b)
    this.#own = undefined
    if (!goesOn) this.socket.pause()
  }

  readonly #onDrained = (error?: Error | null): void => {
    if (error != null || this.socket.destroyed) return
    if (this.socket.writableLength > 0) {
      this.socket.write(NOTHING, this.#onDrained)
      return
    }
    this.isPending = false
    this.owner.onDrained()
  }

  #nextBuffer(): Uint8Array {
    const context = this.#context
    if (this.isBulk) {
      this.#own ??= context.bulk.take()
      return this.#own
    }
    if (this.#own !== undefined) {
      if (!this.#isLent) context.bulk.giveBack(this.#own)
      this.#own = undefined
      this.#isLent = false
    }
    return context.readBuffer
  }
}

function ignore(): void {}
