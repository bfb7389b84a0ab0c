import type { Duplex } from 'node:stream'
import { constants, createDeflate } from 'node:zlib'
import { SPDY_DICTIONARY } from '../../../../src/agent/kubelet/streaming/spdy-dictionary.ts'
import {
  dataFrame,
  type SpdyFrame,
  SpdyFrameReader,
  synStreamFrame,
} from '../../../../src/agent/kubelet/streaming/spdy-frame.ts'
import { HeaderInflater } from '../../../../src/agent/kubelet/streaming/spdy-headers.ts'

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Packs header blocks as clients do: with zlib and the dictionary, one stream for the whole session. */
export class HeaderDeflater {
  readonly #deflate = createDeflate({ dictionary: SPDY_DICTIONARY, level: 9 })

  pack(headers: Iterable<readonly [string, string]>): Promise<Buffer> {
    const pairs = [...headers]
    const texts = pairs.flat().flatMap((text) => [word(Buffer.byteLength(text)), Buffer.from(text)])
    const parts: Buffer[] = []
    const keep = (part: Buffer): void => void parts.push(part)
    this.#deflate.on('data', keep)
    this.#deflate.write(Buffer.concat([word(pairs.length), ...texts]))
    return new Promise((resolve) => {
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.#deflate.off('data', keep)
        resolve(Buffer.concat(parts))
      })
    })
  }

  close(): void {
    this.#deflate.destroy()
  }
}

/** The client's side of a session, frame by frame. */
export class SpdyClient {
  /** Everything the server sent. */
  readonly frames: SpdyFrame[] = []
  /** True once the server ended the connection. */
  ended = false
  readonly #connection: Duplex
  readonly #deflater = new HeaderDeflater()
  readonly #inflater = new HeaderInflater()
  #nextId = 1

  constructor(connection: Duplex) {
    this.#connection = connection
    const reader = new SpdyFrameReader()
    connection.on('data', (chunk: Buffer) => {
      // Copied: the bytes belong to the connection.
      for (const frame of reader.push(Buffer.from(chunk))) this.frames.push(frame)
    })
    connection.once('end', () => {
      this.ended = true
    })
    connection.on('error', () => {})
    connection.once('close', () => {
      this.ended = true
      this.#deflater.close()
      this.#inflater.close()
    })
  }

  async open(headers: Readonly<Record<string, string>>, fin = false): Promise<number> {
    const id = this.#nextId
    this.#nextId += 2
    const block = await this.#deflater.pack(Object.entries(headers))
    this.#connection.write(synStreamFrame(id, block, fin))
    return id
  }

  send(id: number, data: string | Uint8Array, fin = false): boolean {
    return this.#connection.write(dataFrame(id, Buffer.from(data), fin))
  }

  write(bytes: Buffer): void {
    this.#connection.write(bytes)
  }

  /** Data of one stream so far. */
  data(id: number): Buffer {
    return Buffer.concat(this.frames.flatMap((f) => (f.kind === 'data' && f.streamId === id ? [f.data] : [])))
  }

  hasEnded(id: number): boolean {
    return this.frames.some((f) => f.kind === 'data' && f.streamId === id && f.fin)
  }

  wasReset(id: number): boolean {
    return this.frames.some((f) => f.kind === 'rstStream' && f.streamId === id)
  }
}
