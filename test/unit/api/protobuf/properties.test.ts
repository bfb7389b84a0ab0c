import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { LongInteger, parseJson } from '../../../../src/api/json.ts'
import { encodeObject } from '../../../../src/api/protobuf/encode-object.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../../src/api/protobuf/envelope.ts'
import { type Field, type Message, messageOf, SHAPE, TYPE } from '../../../../src/api/protobuf/message-table.ts'
import { ProtobufError } from '../../../../src/api/protobuf/protobuf-error.ts'

const TABLE: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON.parse(
  readFileSync(new URL('../../../../src/api/protobuf/field-numbers.json', import.meta.url), 'utf8'),
)
/** All that can be told of a whole object: those with fields of the names that the envelope takes cannot. */
const TYPES = Object.entries(TABLE)
  .flatMap(([apiVersion, messages]) => Object.keys(messages).map((kind) => ({ apiVersion, kind })))
  .filter(({ apiVersion, kind }) => {
    const { byKey, union } = messageOf(apiVersion, kind)!
    return !byKey.has('kind') && !byKey.has('apiVersion') && union === undefined
  })

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant('__proto__'))
const int64 = fc.oneof(
  fc.maxSafeInteger(),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .filter((value) => !Number.isSafeInteger(Number(value)))
    .map((value) => new LongInteger(String(value))),
)
const time = fc
  .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString())
const json = fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null)

/** Values as they stand in JSON when they are there: a zero where that means none is not. */
function singleValue(field: Field, depth: number): fc.Arbitrary<unknown> {
  switch (field.type) {
    case TYPE.string:
      return text
    case TYPE.bytes:
      return fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64'))
    case TYPE.bool:
      return fc.boolean()
    case TYPE.int32:
      return fc.integer()
    case TYPE.int64:
      return int64
    case TYPE.double:
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
    case TYPE.time:
      return time.map((value) => `${value.slice(0, 19)}Z`)
    case TYPE.microtime:
      return time.map((value) => `${value.slice(0, 23)}123Z`)
    case TYPE.quantity:
      return fc.constantFrom('0', '1', '250m', '1Gi', '1e3')
    case TYPE.intorstring:
      return fc.oneof(fc.integer(), text)
    case TYPE.raw:
      return json.map((value) => parseJson(JSON.stringify(value)).value)
    case TYPE.strings:
      return fc.array(text)
    case TYPE.message:
      return messageValue(field.message, depth - 1)
  }
}

const isZero = (value: unknown): boolean => value === '' || value === 0 || value === false

function fieldValue(field: Field, depth: number): fc.Arbitrary<unknown> {
  const value = singleValue(field, depth)
  if (field.shape === SHAPE.list) return fc.array(value, { minLength: 1, maxLength: 3 })
  // As the codec makes it: an own property, whatever the key.
  if (field.shape === SHAPE.map) return fc.dictionary(text, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true })
  return field.dropsZero ? value.filter((candidate) => !isZero(candidate)) : value
}

function messageValue(message: Message, depth: number): fc.Arbitrary<object> {
  if (message.union !== undefined) {
    const { union } = message
    const isSchemaOrBool = message.name === 'JSONSchemaPropsOrBool'
    if (isSchemaOrBool && depth <= 0) return fc.boolean() as fc.Arbitrary<unknown> as fc.Arbitrary<object>
    const schema = messageValue(messageOf('apiextensions.k8s.io/v1', 'JSONSchemaProps')!, depth)
    return schema.map((value) => union.fromFields({ schema: value }) as object)
  }
  const models: Record<string, fc.Arbitrary<unknown>> = {}
  const inLine: fc.Arbitrary<object>[] = []
  for (const field of message.fields) {
    if (field.type === TYPE.message && depth <= 0) continue
    if (field.name === '') inLine.push(messageValue(field.message, depth - 1))
    else models[field.name] = fieldValue(field, depth)
  }
  // A few of the keys at a time, so that the sizes stay small.
  const keys = Object.keys(models)
  const own = fc
    .subarray(keys, { maxLength: Math.min(keys.length, 4) })
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((key) => [key, models[key]!])), { noNullPrototype: true }),
    )
  return fc.tuple(own, ...inLine).map((parts) => Object.assign({}, ...parts.toReversed()))
}

const typedObject = fc
  .constantFrom(...TYPES)
  .chain(({ apiVersion, kind }) =>
    messageValue(messageOf(apiVersion, kind)!, 3).map((fields) => ({ fields, apiVersion, kind })),
  )

test('property: decode(encode(x)) = x, for every message of the table', () => {
  fc.assert(
    fc.property(typedObject, ({ fields, apiVersion, kind }) => {
      const object = { ...fields, apiVersion, kind }
      assert.deepEqual(decodeEnvelope(encodeObject(object)), object)
    }),
    { numRuns: 1_500 },
  )
})

/** Whatever comes, it is an object or a ProtobufError. */
function isCalm(bytes: Uint8Array): void {
  try {
    JSON.stringify(decodeEnvelope(bytes))
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error
  }
}

test('property: random bytes in an envelope are decoded or refused, never a crash', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), fc.uint8Array({ maxLength: 200 }), ({ apiVersion, kind }, bytes) =>
      isCalm(encodeEnvelope(apiVersion, kind, bytes)),
    ),
    { numRuns: 3_000 },
  )
})

test('property: random bytes after the prefix are decoded or refused, never a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => isCalm(Buffer.concat([Buffer.from('k8s\0'), bytes]))),
    { numRuns: 3_000 },
  )
})

test('property: real objects with bytes changed, cut or doubled are decoded or refused, never a crash', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), how: fc.constantFrom('set', 'cut', 'double') })
  fc.assert(
    fc.property(typedObject, fc.array(change, { minLength: 1, maxLength: 4 }), ({ fields, ...type }, changes) => {
      let bytes = encodeObject({ ...fields, ...type })
      for (const { at, byte, how } of changes) {
        const index = at % Math.max(bytes.length, 1)
        if (how === 'set') bytes[index] = byte
        else if (how === 'cut') bytes = bytes.subarray(0, index)
        else bytes = Buffer.concat([bytes, bytes.subarray(index)])
      }
      isCalm(bytes)
    }),
    { numRuns: 1_500 },
  )
})
