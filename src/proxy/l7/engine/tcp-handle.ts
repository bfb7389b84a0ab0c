/**
 * What Node's sockets are made of: a connection as the event loop has it, with reads into a given buffer and writes that
 * the kernel mostly takes at once. `net.Socket` puts two streams on top, whose making and taking apart costs about 15 µs
 * a connection, and whose bookkeeping about 1 µs a request.
 */

/** Node's `TCP`, as `net.Server` gets it for each connection, and `Pipe`, which cannot be reset. */
export interface TcpHandle {
  /** Called by Node with the handle as `this`; what it returns is read into from then on. */
  onread: (this: TcpHandle) => Uint8Array | undefined
  /** From now on reads go to this memory, which must be kept as long as it may be read into. Once per handle. */
  useUserBuffer(buffer: Uint8Array): void
  readStart(): number
  readStop(): number
  /** 0 or an error. `request` is in use afterwards only if `wasWriteDeferred` says so. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  /** 0: `request.oncomplete` follows when all has been written. */
  shutdown(request: ShutdownRequest): number
  /** Nothing is called back any more, but for requests under way. */
  close(): void
  /** 0: closed, and the other side sees a reset; else nothing has happened. */
  reset?(): number
  getpeername(out: SocketName): number
  getsockname(out: SocketName): number
  setNoDelay(on: boolean): number
}

export interface SocketName {
  address?: string
  port?: number
}

export interface WriteRequest {
  oncomplete: (this: this, status: number) => void
  /** Kept for as long as the kernel has not taken all of it. */
  bytes?: Uint8Array
}

export interface ShutdownRequest {
  oncomplete: (this: this, status: number) => void
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  readonly ShutdownWrap: new () => ShutdownRequest
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

// Documented as deprecated (DEP0111), but there is no other way to these classes.
const { binding } = process as unknown as { readonly binding: (name: 'stream_wrap') => StreamBinding }
const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = binding('stream_wrap')

export const createWriteRequest = (): WriteRequest => new WriteWrap()

export const createShutdownRequest = (): ShutdownRequest => new ShutdownWrap()

/** In `onread`: how many bytes have arrived; below 0: an error, or the end. */
export const readCount = (): number => streamBaseState[kReadBytesOrError]!

/** After `writeBuffer`: the kernel has not taken all. */
export const wasWriteDeferred = (): boolean => streamBaseState[kLastWriteWasAsync] !== 0
