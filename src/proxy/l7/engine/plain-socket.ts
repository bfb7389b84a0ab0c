import { Socket } from 'node:net'
import {
  createShutdownRequest,
  createWriteRequest,
  readCount,
  type SocketName,
  type TcpHandle,
  type WriteRequest,
  wasWriteDeferred,
} from './tcp-handle.ts'

/** Whom a socket calls. Never while it is itself called, but for `nextBuffer`. */
export interface PlainSocketListener {
  /** What is to be read into next. */
  nextBuffer(): Uint8Array
  /** So much stands in the buffer, during this call only. False: read nothing more until `resume`. */
  socketRead(count: number, buffer: Uint8Array): boolean
  /** All that was written has gone to the kernel, after `isPending`. */
  socketDrained(): void
  /** The other side will send nothing more. */
  socketEnded(): void
  /** Once, at last. */
  socketClosed(): void
}

/** libuv's UV_EOF, the same everywhere. */
const END_OF_FILE = -4095

/** Used by every write that the kernel takes at once, which is nearly each. */
let spareRequest: WriteRequest | undefined

const SOCKETS = Symbol('PlainSocket')
type OwnedHandle = TcpHandle & { [SOCKETS]: PlainSocket }
type SocketWrite = WriteRequest & { [SOCKETS]: PlainSocket }

/**
 * A connection on its handle, with what the engine needs of `net.Socket` and no streams: one buffer that is read into,
 * half-close, resets. Sides end by themselves; when both have, the socket closes. Errors close it.
 */
export class PlainSocket {
  destroyed = false
  /** The other side has ended, and all that came before has been read. */
  readableEnded = false
  /** The kernel has not yet taken all that was written. */
  isPending = false
  readonly #listener: PlainSocketListener
  #handle: TcpHandle | undefined
  /** Until it is connected. */
  #opening: Socket | undefined
  /** What was written before that. */
  #early: Uint8Array[] | undefined
  #buffer: Uint8Array | undefined
  #isReading = false
  #mayRead: boolean
  #deferredWrites = 0
  /** Nothing more is to be written; and the other side has been told. */
  #isEnding = false
  #isEnded = false
  #closesDrained = false
  #peer: SocketName | undefined

  /** `handle`: an accepted connection that nothing was read from; it is read from `resume` on. Else see `connect`. */
  constructor(listener: PlainSocketListener, handle: TcpHandle | undefined) {
    this.#listener = listener
    this.#mayRead = handle === undefined
    this.#handle = handle
    if (handle !== undefined) (handle as OwnedHandle)[SOCKETS] = this
  }

  get remoteAddress(): string | undefined {
    return this.#peerName().address
  }

  get remotePort(): number | undefined {
    return this.#peerName().port
  }

  get localAddress(): string | undefined {
    return this.#ownName().address
  }

  get localPort(): number | undefined {
    return this.#ownName().port
  }

  /** Reads from then on; `onConnect` is called before what was written so far goes out. */
  connect(host: string, port: number, onConnect: () => void): void {
    // Names, several addresses of one and their time limits are Node's affair; the connection is taken from it.
    const opening = new Socket({ allowHalfOpen: true })
    this.#opening = opening
    opening.pause()
    opening.setNoDelay(true)
    opening.on('error', () => this.destroy())
    opening.once('connect', () => this.#connected(opening, onConnect))
    opening.connect({ host, port })
  }

  resume(): void {
    this.#mayRead = true
    const handle = this.#handle
    if (this.#isReading || this.readableEnded || this.destroyed || handle === undefined) return
    if (this.#buffer === undefined) {
      this.#buffer = this.#listener.nextBuffer()
      handle.onread = onRead
      handle.useUserBuffer(this.#buffer)
    }
    this.#isReading = true
    if (handle.readStart() !== 0) this.destroy()
  }

  pause(): void {
    this.#mayRead = false
    if (!this.#isReading || this.destroyed) return
    this.#isReading = false
    if (this.#handle!.readStop() !== 0) this.destroy()
  }

  /** Writes bytes that stay as they are until they have gone, see `isPending`. */
  write(bytes: Uint8Array): void {
    if (this.destroyed || this.#isEnding) return
    const handle = this.#handle
    if (handle !== undefined) {
      this.#send(handle, bytes)
      return
    }
    this.#early ??= []
    this.#early.push(bytes)
    this.isPending = true
  }

  #send(handle: TcpHandle, bytes: Uint8Array): void {
    spareRequest ??= createWriteRequest()
    const request = spareRequest
    if (handle.writeBuffer(request, bytes) !== 0) {
      this.destroy()
      return
    }
    if (!wasWriteDeferred()) return
    spareRequest = undefined
    ;(request as SocketWrite)[SOCKETS] = this
    request.bytes = bytes
    request.oncomplete = onWritten
    this.#deferredWrites++
    this.isPending = true
  }

  /** Nothing more will be written. */
  end(): void {
    if (this.#isEnding || this.destroyed) return
    this.#isEnding = true
    // Not before all has gone: a connection cannot be reset from the moment its handle is told.
    if (!this.isPending && this.#handle !== undefined) this.#shutDown(this.#handle)
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#isReading = false
    this.#handle?.close()
    this.#opening?.destroy()
    process.nextTick(notifyClosed, this)
  }

  /** Once all that was written has gone. */
  destroySoon(): void {
    if (this.isPending) this.#closesDrained = true
    else this.destroy()
  }

  /** The other side sees the connection break. */
  resetAndDestroy(): void {
    if (this.destroyed) return
    const isShuttingDown = this.#isEnding && !this.isPending && !this.#isEnded
    if (!isShuttingDown && this.#handle?.reset !== undefined) {
      this.#handle.reset()
      this.#handle = undefined
    }
    this.destroy()
  }

  /** Makes it a socket of Node's; `unread` is read from it first. Nothing is called back any more. */
  release(unread: Uint8Array): Socket {
    const handle = this.#handle
    this.pause()
    this.#handle = undefined
    this.destroyed = true
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true }
    const socket = new Socket(options as ConstructorParameters<typeof Socket>[0])
    socket.pause()
    if (unread.length > 0) socket.unshift(Buffer.from(unread))
    return socket
  }

  /** For the handle. */
  read(count: number): Uint8Array | undefined {
    if (this.destroyed || count === 0) return undefined
    if (count < 0) {
      this.#isReading = false
      if (count === END_OF_FILE) this.#onEnd()
      else this.destroy()
      return undefined
    }
    const listener = this.#listener
    if (!listener.socketRead(count, this.#buffer!)) this.pause()
    if (this.destroyed) return undefined
    const next = listener.nextBuffer()
    if (next === this.#buffer) return undefined
    this.#buffer = next
    return next
  }

  /** For the handle. */
  written(status: number): void {
    this.#deferredWrites--
    if (this.destroyed) return
    if (status !== 0) {
      this.destroy()
      return
    }
    if (this.#deferredWrites === 0) this.#drained()
  }

  /** For the event loop. */
  closed(): void {
    this.#buffer = undefined
    this.#listener.socketClosed()
  }

  #drained(): void {
    this.isPending = false
    if (this.#closesDrained) {
      this.destroy()
      return
    }
    this.#listener.socketDrained()
    if (this.#isEnding && !this.isPending && !this.destroyed) this.#shutDown(this.#handle!)
  }

  #onEnd(): void {
    this.readableEnded = true
    this.#listener.socketEnded()
    if (this.#isEnded) this.destroy()
  }

  #shutDown(handle: TcpHandle): void {
    const request = createShutdownRequest()
    request.oncomplete = (status): void => {
      this.#isEnded = true
      if (status !== 0 || this.readableEnded) this.destroy()
    }
    if (handle.shutdown(request) !== 0) this.destroy()
  }

  #connected(opening: Socket, onConnect: () => void): void {
    const owned = opening as unknown as { _handle: TcpHandle | null }
    const handle = owned._handle!
    owned._handle = null
    this.#opening = undefined
    this.#handle = handle
    ;(handle as OwnedHandle)[SOCKETS] = this
    if (this.#mayRead) this.resume()
    onConnect()
    const early = this.#early
    this.#early = undefined
    if (early === undefined) {
      if (this.#isEnding && !this.destroyed) this.#shutDown(handle)
      return
    }
    for (const bytes of early) if (!this.destroyed) this.#send(handle, bytes)
    if (this.#deferredWrites === 0 && !this.destroyed) this.#drained()
  }

  #peerName(): SocketName {
    if (this.#peer === undefined) {
      const name: SocketName = {}
      if (this.destroyed || this.#handle === undefined || this.#handle.getpeername(name) !== 0) return {}
      this.#peer = name
    }
    return this.#peer
  }

  #ownName(): SocketName {
    const name: SocketName = {}
    if (!this.destroyed) this.#handle?.getsockname(name)
    return name
  }
}

function onRead(this: TcpHandle): Uint8Array | undefined {
  return (this as OwnedHandle)[SOCKETS].read(readCount())
}

function onWritten(this: WriteRequest, status: number): void {
  const request = this as SocketWrite
  request.bytes = undefined
  request[SOCKETS].written(status)
}

function notifyClosed(socket: PlainSocket): void {
  socket.closed()
}
