import { constants, createInflate, type Inflate } from 'node:zlib'
import { SPDY_DICTIONARY } from './spdy-dictionary.ts'
import { SpdyError } from './spdy-frame.ts'

/** What one block may be when it is unpacked; kubectl's have some 60 bytes. */
const BLOCK_BYTES_MAX = 64 * 1024
const HEADERS_MAX = 64

/**
 * Unpacks the header blocks of one direction: one zlib stream over the whole session, so every block has to come, in
 * its order, and each only after the one before was done.
 */
export class HeaderInflater {
  readonly #inflate: Inflate = createInflate({ dictionary: SPDY_DICTIONARY, flush: constants.Z_SYNC_FLUSH })
  #parts: Buffer[] = []
  #length = 0
  #failure: Error | undefined
  /** Of the block that is being unpacked. */
  #fail: (error: Error) => void = () => {}

  constructor() {
    const broken = (error: Error): void => {
      this.#failure ??= error
      this.#fail(error)
    }
    this.#inflate.on('data', (part: Buffer) => {
      this.#length += part.length
      this.#parts.push(part)
      if (this.#length > BLOCK_BYTES_MAX)
        this.#inflate.destroy(new SpdyError(`a header block unpacks to more than ${BLOCK_BYTES_MAX} bytes`))
    })
    this.#inflate.on('error', (error) => broken(new SpdyError(`a header block cannot be unpacked: ${error.message}`)))
    this.#inflate.on('end', () => broken(new SpdyError('the header blocks came to an end')))
    this.#inflate.on('close', () => broken(new SpdyError('the session is over')))
  }

  /** Headers of the next block. Rejects with SpdyError; after that the session cannot go on. */
  async read(block: Buffer): Promise<ReadonlyMap<string, string>> {
    this.#parts = []
    this.#length = 0
    await new Promise<void>((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#fail = reject
      this.#inflate.write(block, (error) => {
        if (error === null || error === undefined) resolve()
      })
    })
    return parseHeaderBlock(Buffer.concat(this.#parts, this.#length))
  }

  close(): void {
    this.#inflate.destroy()
  }
}

/** Names and values of an unpacked block (draft 3, §2.6.10). Throws SpdyError. */
export function parseHeaderBlock(block: Buffer): ReadonlyMap<string, string> {
  let at = 0
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('a header block is cut off')
    const value = block.readUInt32BE(at)
    at += 4
    return value
  }
  const text = (): string => {
    const length = number()
    if (at + length > block.length) throw new SpdyError('a header block is cut off')
    at += length
    return block.toString('utf8', at - length, at)
  }
  const count = number()
  if (count > HEADERS_MAX) throw new SpdyError(`${count} headers are more than ${HEADERS_MAX}`)
  const headers = new Map<string, string>()
  for (let i = 0; i < count; i++) {
    const name = text().toLowerCase()
    if (name === '' || headers.has(name)) throw new SpdyError('a header without a name, or twice the same one')
    headers.set(name, text())
  }
  return headers
}

/** A count of no headers. */
const NO_HEADERS = Buffer.alloc(4)
/** First bytes of a zlib stream: deflate with a window of 32 KiB, no dictionary asked for. */
const ZLIB_HEAD = Buffer.from([0x78, 0x01])
/** An empty stored block: what zlib writes to flush. Go's reader hands out what it has when it sees one, not before. */
const FLUSH = Buffer.from([0, 0, 0, 0xff, 0xff])

/**
 * Packs the only blocks a server has to send, those without headers: each a stored block of deflate (RFC 1951 §3.2.4),
 * which needs no compressor and ends on a byte, so that the other side can read it at once.
 */
export class EmptyHeaderPacker {
  #begun = false

  next(): Buffer {
    const { length } = NO_HEADERS
    const stored = Buffer.from([0, length, 0, 0xff - length, 0xff, ...NO_HEADERS, ...FLUSH])
    const block = this.#begun ? stored : Buffer.concat([ZLIB_HEAD, stored])
    this.#begun = true
    return block
  }
}
