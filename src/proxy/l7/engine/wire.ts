import type { Socket } from 'node:net'
import type { EngineContext } from './engine-context.ts'
import { PlainSocket, type PlainSocketListener } from './plain-socket.ts'
import type { TcpHandle } from './tcp-handle.ts'

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

const NOTHING = new Uint8Array(0)
/** Of what TLS has taken, so much may be on its way to the kernel before who writes must wait. */
const ENCRYPTED_BYTES_MAX = 16 * 1024

const NOBODY: WireOwner = { onBytes: () => false, onDrained() {}, onEnd() {}, onClose() {} }

/** What a wire is made of. */
export interface EncryptedSocket {
  readonly encrypted: Socket
  /** The connection beneath. */
  readonly plain: Socket
  /** Both sides have agreed to speak HTTP/2. */
  readonly isHttp2?: boolean
}

/**
 * A socket without events per read or write. It reads into the engine's shared buffer, or, while `isBulk`, into a buffer
 * of its own whose bytes may be written on as they are, provided that nothing is read before they have gone.
 *
 * One that is encrypted brings each read in memory of its own, and has taken what is written to it when `write` returns;
 * who writes must wait only when much of it has not gone.
 */
export class Wire implements PlainSocketListener {
  readonly socket: PlainSocket | Socket
  /** Only while the connection changes hands is it another than at first. */
  owner: WireOwner
  /** The kernel has not yet taken all that was written. */
  isPending = false
  /** From the next read on: read into memory of its own. */
  isBulk = false
  readonly #context: EngineContext
  readonly #plain: PlainSocket | undefined
  readonly #encrypted: EncryptedSocket | undefined
  #own: Uint8Array | undefined
  /** `#own` may still be written from. */
  #isLent = false

  /** `source`: an accepted connection below `net.Socket`, not yet read from. Without it there follows `connect`. */
  constructor(context: EngineContext, owner: WireOwner, source: object | EncryptedSocket | undefined) {
    this.#context = context
    this.owner = owner
    if (source !== undefined && 'encrypted' in source) {
      this.#plain = undefined
      this.#encrypted = source
      this.socket = source.encrypted
      this.#listen(source.encrypted)
    } else {
      this.#plain = new PlainSocket(this, source as TcpHandle | undefined)
      this.#encrypted = undefined
      this.socket = this.#plain
    }
  }

  #listen(socket: Socket): void {
    socket.pause()
    socket.on('data', (b: Buffer) => this.#onData(b))
    socket.setNoDelay(true)
    // Without listeners an error would end the process; what matters comes with 'close'.
    socket.on('error', ignore)
    socket.on('end', () => this.owner.onEnd())
    socket.on('close', () => this.socketClosed())
  }

  /** What was written may still be read from where it stands. */
  get isHolding(): boolean {
    return this.isPending && this.#plain !== undefined
  }

  get isDestroyed(): boolean {
    return this.socket.destroyed
  }

  /** Only one that is not encrypted. `onConnect` is called before what was written so far goes out. */
  connect(host: string, port: number, onConnect: () => void): void {
    this.#plain!.connect(host, port, onConnect)
  }

  resume(): void {
    if (!this.socket.destroyed) this.socket.resume()
  }

  /** The other side sees the connection break. */
  reset(): void {
    if (this.#encrypted === undefined) this.#plain!.resetAndDestroy()
    else {
      this.#encrypted.plain.resetAndDestroy()
      this.#encrypted.encrypted.destroy()
    }
  }

  /** All has been said on both sides: closes at once where the kernel has taken it, else when it has. */
  finish(): void {
    if (this.#plain === undefined) this.#encrypted!.encrypted.end()
    else this.#plain.destroySoon()
  }

  /** Gives the connection away; what was read is put back. Nothing more comes from this wire. */
  release(unread: Uint8Array): Socket {
    this.owner = NOBODY
    if (this.#plain !== undefined) return this.#plain.release(unread)
    const { encrypted } = this.#encrypted!
    encrypted.pause()
    if (unread.length > 0) encrypted.unshift(Buffer.from(unread))
    return encrypted
  }

  /** Writes bytes that stay as they are until they have gone, see `isPending` and `isHolding`. */
  write(bytes: Uint8Array): void {
    const plain = this.#plain
    if (plain === undefined) this.#encrypt(this.#encrypted!.encrypted, bytes)
    else {
      plain.write(bytes)
      this.isPending = plain.isPending
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
  #encrypt(socket: Socket, bytes: Uint8Array): void {
    const mustWait = socket.writableLength > 0 || socket.connecting
    socket.write(mustWait ? Buffer.from(bytes) : bytes)
    if (socket.writableLength < ENCRYPTED_BYTES_MAX || this.isPending) return
    this.isPending = true
    this.#awaitDrained(socket)
  }

  #awaitDrained(socket: Socket): void {
    socket.write(NOTHING, (error) => {
      if (error != null || socket.destroyed) return
      if (socket.writableLength > 0) this.#awaitDrained(socket)
      else this.socketDrained()
    })
  }

  #onData(b: Buffer): void {
    this.#own = b
    const goesOn = this.owner.onBytes(b.length, b)
    this.#own = undefined
    if (!goesOn) this.socket.pause()
  }

  // What the socket says.

  socketRead(count: number, buffer: Uint8Array): boolean {
    return this.owner.onBytes(count, buffer)
  }

  socketDrained(): void {
    this.isPending = false
    this.owner.onDrained()
  }

  socketEnded(): void {
    this.owner.onEnd()
  }

  socketClosed(): void {
    this.#own = undefined
    this.owner.onClose()
  }

  nextBuffer(): Uint8Array {
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
