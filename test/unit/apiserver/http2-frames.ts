import type { TLSSocket } from 'node:tls'

/** Types and flags of frames (RFC 9113 §6). */
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const END_STREAM = 1
export const END_HEADERS = 4

/** Raw frames, for what no client library would send. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A string as a header block holds it, without Huffman coding (RFC 7541 §5.2); up to 16,510 bytes. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const rest = bytes.length - 127
  return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes])
}

/** A header that is added to the dynamic table, by name and value. */
export function indexedHeader(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), literal(name), literal(value)])
}

/** The head of a GET: method, scheme, authority and path. */
export function getHead(path: string): Buffer {
  return Buffer.concat([Buffer.from([0x82, 0x87, 0x41]), literal('a'), Buffer.from([0x44]), literal(path)])
}

export const PREFACE: Buffer = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(FRAME.settings, 0, 0),
])

/** Resolves when the other side has ended the connection, with the bytes it sent in all. */
export function closed(socket: TLSSocket): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    socket.on('close', () => resolve(bytes))
    if (socket.destroyed) resolve(bytes)
  })
}
