import { JsonError, parseJson } from '../json.ts'
import { type Field, type Message, SHAPE, TYPE } from './message-table.ts'
import { ProtobufError } from './protobuf-error.ts'
import { WIRE, type WireReader } from './wire-reader.ts'
import { readTime } from './wire-time.ts'

type Fields = Record<string, unknown>

/** Messages in messages; only schemas of custom resources go deeper than twenty. */
const DEPTH_MAX = 200
const VALUE_TAG = (1 << 3) | WIRE.bytes

/** Of a field of each type that is present. */
const WIRE_OF: readonly number[] = Object.values(TYPE).map((type) =>
  type === TYPE.double
    ? WIRE.fixed64
    : type === TYPE.bool || type === TYPE.int32 || type === TYPE.int64
      ? WIRE.varint
      : WIRE.bytes,
)

/** Own data property, also for `__proto__`. */
function setOwn(object: Fields, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

function readJson(reader: WireReader, end: number): unknown {
  let bytes: Buffer | undefined
  while (reader.pos < end) {
    const tag = reader.tag(end)
    if (tag === VALUE_TAG) {
      const stop = reader.lengthEnd(end)
      bytes = reader.bytes.subarray(reader.pos, stop)
      reader.pos = stop
    } else reader.skip(tag, end)
  }
  if (bytes === undefined || bytes.length === 0) return undefined
  try {
    return parseJson(bytes).value ?? undefined
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new ProtobufError(`embedded value is no JSON: ${cause.message}`, { cause })
  }
}

function readQuantity(reader: WireReader, end: number): string {
  let text = '0'
  while (reader.pos < end) {
    const tag = reader.tag(end)
    if (tag === VALUE_TAG) text = reader.string(end)
    else reader.skip(tag, end)
  }
  return text
}

function readStrings(reader: WireReader, end: number): readonly string[] {
  const items: string[] = []
  while (reader.pos < end) {
    const tag = reader.tag(end)
    if (tag === VALUE_TAG) items.push(reader.string(end))
    else reader.skip(tag, end)
  }
  return items
}

function readIntOrString(reader: WireReader, end: number): number | string {
  let isString = false
  let number = 0
  let text = ''
  while (reader.pos < end) {
    const tag = reader.tag(end)
    if (tag === ((1 << 3) | WIRE.varint)) isString = reader.bool(end)
    else if (tag === ((2 << 3) | WIRE.varint)) number = reader.int32(end)
    else if (tag === ((3 << 3) | WIRE.bytes)) text = reader.string(end)
    else reader.skip(tag, end)
  }
  return isString ? text : number
}

/** The value of a field, whatever its shape, or undefined for what JSON does not show. */
function readValue(reader: WireReader, field: Field, end: number, depth: number): unknown {
  switch (field.type) {
    case TYPE.string:
      return reader.string(end)
    case TYPE.bytes:
      return reader.base64(end)
    case TYPE.bool:
      return reader.bool(end)
    case TYPE.int32:
      return reader.int32(end)
    case TYPE.int64:
      return reader.int64(end)
    case TYPE.double:
      return reader.double(end)
  }
  const stop = reader.lengthEnd(end)
  switch (field.type) {
    case TYPE.time:
      return readTime(reader, stop, 'seconds')
    case TYPE.microtime:
      return readTime(reader, stop, 'micros')
    case TYPE.quantity:
      return readQuantity(reader, stop)
    case TYPE.intorstring:
      return readIntOrString(reader, stop)
    case TYPE.raw:
      return readJson(reader, stop)
    case TYPE.strings:
      return readStrings(reader, stop)
    case TYPE.message: {
      const { message } = field
      const fields: Fields = {}
      readFields(reader, message, stop, fields, depth + 1)
      return message.union === undefined ? fields : message.union.fromFields(fields)
    }
  }
}

/** What an entry of a map or list holds when the wire says nothing of it. */
function zeroOf(field: Field): unknown {
  switch (field.type) {
    case TYPE.string:
    case TYPE.bytes:
      return ''
    case TYPE.bool:
      return false
    case TYPE.quantity:
      return '0'
    case TYPE.strings:
      return []
    case TYPE.message:
      return {}
    case TYPE.time:
    case TYPE.microtime:
    case TYPE.raw:
      return null
    default:
      return 0
  }
}

function readEntry(reader: WireReader, field: Field, end: number, entries: Fields, depth: number): void {
  let key = ''
  let value: unknown
  const valueTag = (2 << 3) | WIRE_OF[field.type]!
  while (reader.pos < end) {
    const tag = reader.tag(end)
    if (tag === VALUE_TAG) key = reader.string(end)
    else if (tag === valueTag) value = readValue(reader, field, end, depth)
    else reader.skip(tag, end)
  }
  setOwn(entries, key, value ?? zeroOf(field))
}

function readItems(reader: WireReader, field: Field, wire: number, end: number, items: unknown[], depth: number): void {
  if (wire === WIRE_OF[field.type]) {
    items.push(readValue(reader, field, end, depth) ?? zeroOf(field))
    return
  }
  // Numbers may come packed.
  const stop = reader.lengthEnd(end)
  while (reader.pos < stop) items.push(readValue(reader, field, stop, depth))
}

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false
}

/** Reads fields up to `end` into an object; of a value that comes twice the last counts, and messages come together. */
function readFields(reader: WireReader, message: Message, end: number, fields: Fields, depth: number): void {
  if (depth > DEPTH_MAX) throw new ProtobufError(`messages are nested more than ${DEPTH_MAX} deep`)
  const { byNumber } = message
  while (reader.pos < end) {
    const tag = reader.tag(end)
    const field = byNumber[tag >>> 3]
    if (field === undefined) {
      reader.skip(tag, end)
      continue
    }
    const { name } = field
    const wire = tag & 7
    const isPacked = wire === WIRE.bytes && field.shape === SHAPE.list
    if (wire !== (field.shape === SHAPE.map ? WIRE.bytes : WIRE_OF[field.type]) && !isPacked)
      throw new ProtobufError(`wrong wire type ${wire} for ${message.name}.${name || field.number}`)
    if (field.shape === SHAPE.list) {
      fields[name] ??= []
      readItems(reader, field, wire, end, fields[name] as unknown[], depth)
    } else if (field.shape === SHAPE.map) {
      fields[name] ??= {}
      const stop = reader.lengthEnd(end)
      readEntry(reader, field, stop, fields[name] as Fields, depth)
    } else if (name === '') readFields(reader, field.message, reader.lengthEnd(end), fields, depth + 1)
    else if (field.type === TYPE.message && fields[name] !== undefined && field.message.union === undefined)
      readFields(reader, field.message, reader.lengthEnd(end), fields[name] as Fields, depth + 1)
    else {
      const value = readValue(reader, field, end, depth)
      if (value !== undefined && !(field.dropsZero && isZero(value))) fields[name] = value
      else if (fields[name] !== undefined) delete fields[name]
    }
  }
}

/**
 * A message as the JSON value that Go would make of it: zero values left out where Go leaves them out, times, quantities
 * and embedded values in their own forms, integers beyond 2^53 as `parseJson` keeps them. Fields that the table does not
 * know are passed over. `fields` gets them. Throws ProtobufError.
 */
export function decodeMessage(reader: WireReader, message: Message, end: number, fields: Fields): void {
  readFields(reader, message, end, fields, 0)
}
