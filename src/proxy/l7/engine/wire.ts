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

/**
 * A socket without events per read or write. It reads into the engine's shared buffer, or, while `isBulk`, into a buffer
 * of its own whose bytes may be written on as they are, provided that nothing is read before they have gone.
 */
export class Wire {
  readonly socket: Socket
  /** The kernel has not yet taken all that was written. */
  isPending = false
  /** From the next read on: read into memory of its own. */
  isBulk = false
  readonly #context: EngineContext
  readonly #owner: WireOwner
  #own: Uint8Array | undefined
  /** `#own` may still be written from. */
  #isLent = false

  /** `handle`: an accepted connection below `net.Socket`, not yet read from. Without it the socket is to be connected. */
  constructor(context: EngineContext, owner: WireOwner, handle: object | undefined) {
    this.#context = context
    this.#owner = owner
    const socket = new Socket({
      ...(handle === undefined ? {} : { handle, manualStart: true }),
      allowHalfOpen: true,
      highWaterMark: HIGH_WATER_MARK,
      onread: {
        buffer: () => this.#nextBuffer(),
        callback: (count: number, b: Uint8Array) => owner.onBytes(count, b),
      },
    } as ConstructorParameters<typeof Socket>[0])
    this.socket = socket
    // Without listeners an error would end the process; what matters comes with 'close'.
    socket.on('error', ignore)
    socket.on('end', () => owner.onEnd())
    socket.on('close', () => {
      this.#own = undefined
      owner.onClose()
    })
    socket.setNoDelay(true)
  }

  get isDestroyed(): boolean {
    return this.socket.destroyed
  }

  resume(): void {
    if (!this.socket.destroyed) this.socket.resume()
  }

  /** Writes bytes that stay as they are until they have gone, see `isPending`. */
  write(bytes: Uint8Array): void {
    const { socket } = this
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
    if (this.isPending) arena.replace()
  }

  /** Whether `b` is memory that this wire alone reads into. */
  owns(b: Uint8Array): boolean {
    return this.#own === b
  }

  /** What was read has gone; see `passOn`. */
  returned(): void {
    this.#isLent = false
  }

  readonly #onDrained = (error?: Error | null): void => {
    if (error != null || this.socket.destroyed) return
    if (this.socket.writableLength > 0) {
      this.socket.write(NOTHING, this.#onDrained)
      return
    }
    this.isPending = false
    this.#owner.onDrained()
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
