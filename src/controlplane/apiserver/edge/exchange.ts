import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** One request and its answer on a connection, in either version of HTTP. */
export interface Exchange {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  /** Lower-case names; repeated headers are joined with `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly socket: TLSSocket
  /** The client asks for another protocol, and `join` can give it. */
  readonly canUpgrade?: boolean
  /** The whole body; undefined when it is longer than this. Rejects when the client goes away or stops sending. */
  readBody(bytesMax: number): Promise<Uint8Array | undefined>
  /** Sends a whole answer. */
  answer(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | undefined): void
  /** Sends the head of an answer that is streamed. */
  begin(status: number, headers: Readonly<Record<string, string>>): void
  /** Sends some of it; false when the client is behind, and `drained` should be waited for. */
  write(chunk: Uint8Array): boolean
  /** Resolves when the client has caught up or gone. */
  drained(): Promise<void>
  end(): void
  /** Sends a 101 with these headers and joins the connection with the tunnel, which it owns from here on. */
  join?(headers: Readonly<Record<string, string>>, tunnel: Duplex): void
  /** Cuts the answer off so that the client knows it is not complete. */
  destroy(): void
  /** Calls back once when all is over: `complete` tells whether the whole answer was handed to the connection. */
  onClose(callback: (complete: boolean) => void): void
}

/** The client sent too little for too long. */
export class BodyTimeoutError extends Error {
  constructor(waitedMs: number) {
    super(`the body of the request did not come within ${waitedMs} ms`)
    this.name = 'BodyTimeoutError'
  }
}

/** What both versions of HTTP read bodies from. */
interface Readable {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end' | 'close' | 'aborted', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  pause(): unknown
}

/** How long a client may take to send a body. */
export const BODY_MS = 60_000

/** Gathers a stream up to a limit. Listeners instead of an iterator: this runs for every write. */
export function gather(stream: Readable, bytesMax: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => reject(new BodyTimeoutError(BODY_MS)), BODY_MS)
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length <= bytesMax) return void chunks.push(chunk)
      clearTimeout(timer)
      stream.off('data', onData)
      stream.pause()
      resolve(undefined)
    }
    stream.on('data', onData)
    stream.on('end', () => {
      clearTimeout(timer)
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length))
    })
    stream.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    stream.on('close', () => {
      clearTimeout(timer)
      reject(new Error('the client went away'))
    })
  })
}
