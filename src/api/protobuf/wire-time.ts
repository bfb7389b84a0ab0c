import { canonicalTimestamp } from '../timestamp.ts'
import { ProtobufError } from './protobuf-error.ts'
import { WIRE, type WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

/** Year 1, which Go holds for no time at all, and the last second that RFC 3339 can say. */
const SECONDS_MIN = -62_135_596_800
const SECONDS_MAX = 253_402_300_799
const DAY_SECONDS = 86_400
const SECONDS_TAG = (1 << 3) | WIRE.varint
const NANOS_TAG = (2 << 3) | WIRE.varint
const TWO_DIGITS: readonly string[] = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'))

/** The last date seen, each way. Times of one object lie close together, and the calendar is the dear part. */
let read = { day: 0, text: '1970-01-01T' }
let written = { text: '1970-01-01T', seconds: 0 }

/** `YYYY-MM-DDTHH:MM:SS` */
function textOf(seconds: number): string {
  const day = Math.floor(seconds / DAY_SECONDS)
  if (day !== read.day) read = { day, text: new Date(day * DAY_SECONDS * 1_000).toISOString().slice(0, 11) }
  const rest = seconds - day * DAY_SECONDS
  const hour = Math.floor(rest / 3_600)
  const minute = Math.floor(rest / 60) - hour * 60
  return `${read.text}${TWO_DIGITS[hour]}:${TWO_DIGITS[minute]}:${TWO_DIGITS[rest % 60]}`
}

/** Two digits from `at`; beyond 59 when they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 0x30
  const ones = text.charCodeAt(at + 1) - 0x30
  return tens >= 0 && tens <= 5 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 99
}

/** The seconds since 1970 of a time that starts in the canonical form; NaN for others. */
function secondsOf(text: string): number {
  const date = text.slice(0, 11)
  if (date !== written.text) written = { text: date, seconds: Date.parse(`${date}00:00:00Z`) / 1_000 }
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)]
  return hour < 24 && minute < 60 && second < 60 ? written.seconds + hour * 3_600 + minute * 60 + second : Number.NaN
}

/** Reads a Timestamp that ends at `end`; undefined for none. Parts finer than the form are cut off, as in Go. */
export function readTime(reader: WireReader, end: number, form: 'seconds' | 'micros'): string | undefined {
  if (reader.pos === end) return undefined
  let seconds = 0
  let nanos = 0
  while (reader.pos < end) {
    const tag = reader.tag(end)
    if (tag === SECONDS_TAG) {
      const given = reader.int64(end)
      seconds = typeof given === 'number' ? given : Number(given.rawJSON)
    } else if (tag === NANOS_TAG) nanos = reader.int32(end)
    else reader.skip(tag, end)
  }
  const micros = form === 'micros' ? Math.trunc(nanos / 1_000) : 0
  const whole = seconds + Math.floor(micros / 1_000_000)
  if (whole < SECONDS_MIN || whole > SECONDS_MAX) throw new ProtobufError('time outside of the years 1 to 9999')
  const fraction = micros - Math.floor(micros / 1_000_000) * 1_000_000
  if (whole === SECONDS_MIN && fraction === 0) return undefined
  return form === 'seconds' ? `${textOf(whole)}Z` : `${textOf(whole)}.${String(fraction).padStart(6, '0')}Z`
}

/** Writes the contents of a Timestamp: nothing for the zero time. Throws ProtobufError for what is no RFC 3339 time. */
export function writeTime(writer: WireWriter, value: unknown, form: 'seconds' | 'micros'): void {
  if (typeof value !== 'string') throw new ProtobufError(`a ${typeof value} is no time`)
  let text = value
  // Stored times are canonical: 20 characters, or 27 with microseconds.
  const isCanonical = text.length === (form === 'seconds' ? 20 : 27) && text.endsWith('Z')
  let seconds = isCanonical ? secondsOf(text) : Number.NaN
  if (Number.isNaN(seconds)) {
    try {
      text = canonicalTimestamp(value, form)
    } catch (cause) {
      throw new ProtobufError(cause instanceof Error ? cause.message : String(cause), { cause })
    }
    seconds = secondsOf(text)
  }
  const nanos = form === 'micros' ? Number(text.slice(20, 26)) * 1_000 : 0
  if (seconds === SECONDS_MIN && nanos === 0) return
  writer.int32(nanos)
  writer.uint32(NANOS_TAG)
  writer.int64(seconds)
  writer.uint32(SECONDS_TAG)
}
