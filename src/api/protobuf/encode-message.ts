import { isRawInteger } from '../json.ts'
import { type Field, type Message, SHAPE, TYPE } from './message-table.ts'
import { ProtobufError } from './protobuf-error.ts'
import { WIRE } from './wire-reader.ts'
import { writeTime } from './wire-time.ts'
import { WireWriter } from './wire-writer.ts'

type Fields = Readonly<Record<string, unknown>>

const KEY_TAG = (1 << 3) | WIRE.bytes

const writer = new WireWriter()
/** A stack of indexes into messages' fields: those that the objects being written have, ascending in each. */
const present: number[] = []

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One string as a message of a single field. */
function writeText(text: string): void {
  const mark = writer.size
  writer.string(text)
  writer.uint32(writer.size - mark)
  writer.uint32(KEY_TAG)
}

function writeQuantity(value: unknown): void {
  if (typeof value === 'string') writeText(value)
  else if (typeof value === 'number') writeText(String(value))
  else if (isRawInteger(value)) writeText(value.rawJSON)
  else throw new ProtobufError(`a ${typeof value} is no quantity`)
}

function writeIntOrString(value: unknown): void {
  const isString = typeof value === 'string'
  const mark = writer.size
  writer.string(isString ? value : '')
  writer.uint32(writer.size - mark)
  writer.uint32((3 << 3) | WIRE.bytes)
  writer.int32(isString ? 0 : value)
  writer.uint32((2 << 3) | WIRE.varint)
  writer.uint32(isString ? 1 : 0)
  writer.uint32((1 << 3) | WIRE.varint)
}

/** The contents of a length-delimited value. */
function writeContents(field: Field, value: unknown): void {
  switch (field.type) {
    case TYPE.string:
      writer.string(value)
      break
    case TYPE.bytes:
      if (typeof value !== 'string') throw new ProtobufError(`a ${typeof value} is no base64`)
      writer.raw(Buffer.from(value, 'base64'))
      break
    case TYPE.time:
      writeTime(writer, value, 'seconds')
      break
    case TYPE.microtime:
      writeTime(writer, value, 'micros')
      break
    case TYPE.quantity:
      writeQuantity(value)
      break
    case TYPE.intorstring:
      writeIntOrString(value)
      break
    case TYPE.raw:
      writeText(JSON.stringify(value))
      break
    case TYPE.strings:
      if (!Array.isArray(value)) throw new ProtobufError(`a ${typeof value} is no list`)
      for (let i = value.length - 1; i >= 0; i--) writeText(value[i])
      break
    default: {
      const { message } = field
      writeFields(message, message.union === undefined ? value : message.union.toFields(value))
      break
    }
  }
}

/** One value with its tag, whatever the field's shape. */
function writeValue(field: Field, number: number, value: unknown): void {
  const tag = number << 3
  switch (field.type) {
    case TYPE.bool:
      writer.bool(value)
      writer.uint32(tag | WIRE.varint)
      return
    case TYPE.int32:
      writer.int32(value)
      writer.uint32(tag | WIRE.varint)
      return
    case TYPE.int64:
      writer.int64(value)
      writer.uint32(tag | WIRE.varint)
      return
    case TYPE.double:
      writer.double(value)
      writer.uint32(tag | WIRE.fixed64)
      return
    default: {
      const mark = writer.size
      writeContents(field, value)
      writer.uint32(writer.size - mark)
      writer.uint32(tag | WIRE.bytes)
    }
  }
}

function writeMap(field: Field, value: unknown): void {
  if (!isFields(value)) throw new ProtobufError(`a ${typeof value} is no map`)
  const keys = Object.keys(value)
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i]!
    const mark = writer.size
    // A null stands for the type's zero value, which is what an absent one is read as.
    if (value[key] !== null && value[key] !== undefined) writeValue(field, 2, value[key])
    writeText(key)
    writer.uint32(writer.size - mark)
    writer.uint32((field.number << 3) | WIRE.bytes)
  }
}

function writeField(field: Field, object: Fields): void {
  if (field.name === '') {
    writeValue(field, field.number, object)
    return
  }
  const value = object[field.name]
  if (field.shape === SHAPE.map) writeMap(field, value)
  else if (field.shape === SHAPE.list) {
    if (!Array.isArray(value)) throw new ProtobufError(`a ${typeof value} is no list`)
    for (let i = value.length - 1; i >= 0; i--) writeValue(field, field.number, value[i])
  } else if (!field.dropsZero || (value !== '' && value !== 0 && value !== false))
    writeValue(field, field.number, value)
}

function writeFields(message: Message, object: unknown): void {
  if (!isFields(object)) throw new ProtobufError(`a ${typeof object} is no object`)
  const base = present.length
  // Found by the object's keys, of which there are few, and kept ascending by insertion.
  for (const key in object) {
    const index = message.byKey.get(key)
    const value = object[key]
    if (index === undefined || value === undefined || value === null) continue
    let at = present.length
    while (at > base && present[at - 1]! > index) at -= 1
    if (at > base && present[at - 1] === index) continue
    present.push(index)
    for (let i = present.length - 1; i > at; i--) present[i] = present[i - 1]!
    present[at] = index
  }
  while (present.length > base) {
    const field = message.fields[present.pop()!]!
    try {
      writeField(field, object)
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error
      throw new ProtobufError(`${message.name}.${field.name || field.number}: ${error.message}`, { cause: error })
    }
  }
}

/**
 * An object in its protobuf form, without the envelope; keys that the message does not have are left out, `apiVersion`
 * and `kind` of the whole among them. Throws ProtobufError for a value of the wrong type.
 */
export function encodeMessage(message: Message, object: unknown): Buffer {
  writer.reset()
  present.length = 0
  writeFields(message, object)
  return writer.take()
}
