import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { EtcdAccess } from './etcd-access.ts'

const HEAD_BYTES = 5
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024
/** What one connection may hold of requests and answers, in MB. */
const SESSION_MEMORY_MB = 512
/** gRPC's codes that mean something here; the others are told by their number. */
const CODE_NAMES: Readonly<Record<string, string>> = {
  3: 'INVALID_ARGUMENT',
  7: 'PERMISSION_DENIED',
  11: 'OUT_OF_RANGE',
  12: 'UNIMPLEMENTED',
  16: 'UNAUTHENTICATED',
}

interface Connection {
  readonly session: ClientHttp2Session
  isConnected: boolean
  /** Why it never came about. */
  failure: Error | undefined
  /** When something last came from the other side. */
  heardMs: number
}

export interface UnaryCall {
  readonly path: string
  readonly message: Uint8Array
  /** As `Date.now()` tells the time. */
  readonly deadline: number
  /** etcd's token, with user and password. */
  readonly token?: string | undefined
}

/**
 * gRPC's unary calls over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), for the calls that a busy store makes thousands of a
 * second: a call costs half of what it costs through a channel of grpc-js (83–157 against 218–290 µs of CPU). One
 * connection, made on first use and again after it broke. Errors are worded as `etcdFailure` reads them: whatever comes
 * before a connection says so, so that a write may be tried elsewhere.
 */
export class UnaryChannel {
  readonly #endpoint: string
  readonly #tls: EtcdAccess['tls']
  #connection: Connection | undefined
  #closed = false

  constructor(endpoint: string, tls: EtcdAccess['tls']) {
    this.#endpoint = endpoint
    this.#tls = tls
  }

  /** The answer's message. */
  call({ path, message, deadline, token }: UnaryCall): Promise<Buffer> {
    if (this.#closed) return Promise.reject(new Error('channel has been shut down'))
    const used = this.#open()
    const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length)
    frame[0] = 0
    frame.writeUInt32BE(message.length, 1)
    frame.set(message, HEAD_BYTES)
    const headers: Record<string, string> = {
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    }
    if (token !== undefined) headers.token = token
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new Error(used.isConnected ? `14 UNAVAILABLE: ${why}` : `No connection established. Last error: ${why}`))
      let stream: ClientHttp2Stream
      try {
        stream = used.session.request(headers)
      } catch (error) {
        // The session is just ending: nothing has been sent.
        return reject(new Error(`channel closed before call started: ${(error as Error).message}`))
      }
      const begunMs = performance.now()
      const timer = setTimeout(
        () => {
          fail('deadline exceeded')
          stream.close(constants.NGHTTP2_CANCEL)
          // A wire that is cut says nothing: the next call finds out on another one.
          if (used.heardMs < begunMs) this.#drop(used)
        },
        Math.max(0, deadline - Date.now()),
      )
      const chunks: Buffer[] = []
      let length = 0
      let status: string | undefined
      let words = ''
      const readStatus = (head: Readonly<Record<string, unknown>>): void => {
        used.heardMs = performance.now()
        if (head['grpc-status'] === undefined) return
        status = String(head['grpc-status'])
        words = decodeWords(String(head['grpc-message'] ?? ''))
      }
      const answer = (): Buffer | undefined => {
        const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)
        const isWhole = length >= HEAD_BYTES && whole[0] === 0 && whole.readUInt32BE(1) === length - HEAD_BYTES
        return isWhole ? whole.subarray(HEAD_BYTES) : undefined
      }
      stream.on('response', readStatus)
      stream.on('trailers', (head) => {
        readStatus(head)
        // The stream's own end comes turns of the event loop later and has nothing to add.
        const message = status === '0' ? answer() : undefined
        if (message === undefined) return
        clearTimeout(timer)
        resolve(message)
      })
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
      })
      let broke: Error | undefined
      stream.on('error', (error) => {
        broke = error
      })
      stream.on('close', () => {
        clearTimeout(timer)
        if (status === undefined) {
          if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM)
            return reject(new Error('channel closed before call started: the stream was refused'))
          return fail((used.failure ?? broke)?.message ?? 'the connection broke')
        }
        if (status !== '0') return reject(new Error(`${status} ${CODE_NAMES[status] ?? 'ERROR'}: ${words}`))
        const message = answer()
        if (message === undefined) return reject(new Error('14 UNAVAILABLE: the answer is no whole message'))
        resolve(message)
      })
      stream.end(frame)
    })
  }

  close(): void {
    this.#closed = true
    this.#connection?.session.destroy()
  }

  #open(): Connection {
    const known = this.#connection
    if (known !== undefined && !known.session.closed && !known.session.destroyed) return known
    const session = connect(this.#endpoint, {
      ...this.#tls,
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    })
    const next: Connection = { session, isConnected: false, failure: undefined, heardMs: performance.now() }
    session.once('connect', () => {
      next.isConnected = true
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
    session.on('error', (error) => {
      next.failure ??= error
    })
    session.on('goaway', () => this.#forget(next))
    session.on('close', () => this.#forget(next))
    this.#connection = next
    return next
  }

  #forget(connection: Connection): void {
    if (this.#connection === connection) this.#connection = undefined
  }

  #drop(connection: Connection): void {
    this.#forget(connection)
    connection.session.destroy()
  }
}

/** gRPC sends its words percent-encoded. */
function decodeWords(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
