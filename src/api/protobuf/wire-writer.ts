import { isRawInteger } from '../json.ts'
import { ProtobufError } from './protobuf-error.ts'

const START_BYTES = 16 * 1024
/** A buffer that one large object has blown up is not kept for the small ones. */
const KEEP_BYTES_MAX = 1024 * 1024
/** Up to here, writing characters one by one is faster than a call out of the engine. */
const SHORT_STRING = 32
const TWO_32 = 2 ** 32

/**
 * Writes protobuf's wire format from its end to its start, so that the length of a message is known when it is needed
 * and nothing is measured first or moved later. One writer serves for any number of messages, one after another.
 */
export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(START_BYTES)
  #pos = START_BYTES

  /** How much is written. */
  get size(): number {
    return this.#bytes.length - this.#pos
  }

  reset(): void {
    if (this.#bytes.length > KEEP_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(START_BYTES)
    this.#pos = this.#bytes.length
  }

  /** A copy of what was written. */
  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#pos))
  }

  #reserve(count: number): void {
    if (this.#pos >= count) return
    const { size } = this
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, size + count))
    this.#bytes.copy(grown, grown.length - size, this.#pos)
    this.#bytes = grown
    this.#pos = grown.length - size
  }

  /** A tag or a length: a whole number from 0 to 2^32 - 1. */
  uint32(value: number): void {
    this.#reserve(5)
    if (value < 0x80) {
      this.#pos -= 1
      this.#bytes[this.#pos] = value
      return
    }
    this.#varint(value >>> 0, 0)
  }

  int32(value: unknown): void {
    if (!Number.isInteger(value) || (value as number) < -TWO_32 / 2 || (value as number) >= TWO_32 / 2)
      throw new ProtobufError(`${String(value)} is no 32-bit integer`)
    const low = value as number
    if (low >= 0) this.uint32(low)
    else this.#varint(low >>> 0, TWO_32 - 1)
  }

  int64(value: unknown): void {
    if (Number.isSafeInteger(value)) {
      const number = value as number
      if (number >= 0 && number < TWO_32) this.uint32(number)
      else this.#varint(number >>> 0, Math.floor(number / TWO_32) >>> 0)
      return
    }
    const exact = isRawInteger(value) ? BigInt(value.rawJSON) : Number.isInteger(value) ? BigInt(value as number) : 0n
    if (exact === 0n || BigInt.asIntN(64, exact) !== exact)
      throw new ProtobufError(`${String(value)} is no 64-bit integer`)
    const bits = BigInt.asUintN(64, exact)
    this.#varint(Number(bits & 0xffffffffn), Number(bits >> 32n))
  }

  /** Both halves without a sign. */
  #varint(low: number, high: number): void {
    let count = 1
    for (let rest = high * TWO_32 + low; rest >= 0x80; rest = Math.floor(rest / 0x80)) count += 1
    this.#reserve(count)
    this.#pos -= count
    const bytes = this.#bytes
    let lower = low
    let upper = high
    for (let i = 0; i < count; i++) {
      bytes[this.#pos + i] = (lower & 0x7f) | (i === count - 1 ? 0 : 0x80)
      lower = ((lower >>> 7) | (upper << 25)) >>> 0
      upper >>>= 7
    }
  }

  double(value: unknown): void {
    if (typeof value !== 'number' && !isRawInteger(value)) throw new ProtobufError(`${String(value)} is no number`)
    this.#reserve(8)
    this.#pos -= 8
    this.#bytes.writeDoubleLE(typeof value === 'number' ? value : Number(value.rawJSON), this.#pos)
  }

  bool(value: unknown): void {
    if (typeof value !== 'boolean') throw new ProtobufError(`${String(value)} is no boolean`)
    this.uint32(value ? 1 : 0)
  }

  /** The text without its length. */
  string(value: unknown): void {
    if (typeof value !== 'string') throw new ProtobufError(`a ${typeof value} is no string`)
    const { length } = value
    this.#reserve(length * 3)
    if (length <= SHORT_STRING) {
      const bytes = this.#bytes
      const start = this.#pos - length
      let i = 0
      for (; i < length; i++) {
        const code = value.charCodeAt(i)
        if (code >= 0x80) break
        bytes[start + i] = code
      }
      if (i === length) {
        this.#pos = start
        return
      }
    }
    this.#pos -= Buffer.byteLength(value)
    this.#bytes.write(value, this.#pos)
  }

  /** Bytes without their length. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#pos -= value.length
    this.#bytes.set(value, this.#pos)
  }
}
