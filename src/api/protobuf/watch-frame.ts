import { lengthPrefix } from './length-prefix.ts'
import { WIRE } from './wire-reader.ts'

const TYPE_TAG = (1 << 3) | WIRE.bytes
const OBJECT_TAG = (2 << 3) | WIRE.bytes
const RAW_TAG = (1 << 3) | WIRE.bytes

/**
 * One event of a watch: its length in four bytes, most significant first, then a WatchEvent without an envelope whose
 * object has one.
 */
export function watchFrame(type: string, object: Uint8Array): Buffer {
  const typeBytes = Buffer.from(type)
  const raw = lengthPrefix(RAW_TAG, object.length)
  const parts = [
    Buffer.alloc(4),
    lengthPrefix(TYPE_TAG, typeBytes.length),
    typeBytes,
    lengthPrefix(OBJECT_TAG, raw.length + object.length),
    raw,
    object,
  ]
  const frame = Buffer.concat(parts)
  frame.writeUInt32BE(frame.length - 4)
  return frame
}
