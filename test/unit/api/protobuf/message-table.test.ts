import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Field, type Message, messageOf, SHAPE, TYPE } from '../../../../src/api/protobuf/message-table.ts'
import { definitionNames, kindsOf, type SchemaNode, schemaOf } from '../../../../src/api/schema/schema-table.ts'

/** Kinds that are no part of the Go modules' protobuf form. */
const WITHOUT = new Set(['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions'])

const KINDS = definitionNames().flatMap((name) =>
  kindsOf(name).map(({ group, version, kind }) => ({
    name,
    kind,
    apiVersion: group === '' ? version : `${group}/${version}`,
  })),
)

/** The field that holds a key, if need be in a message in line. */
function fieldOf(message: Message, key: string): Field | undefined {
  const index = message.byKey.get(key)
  if (index === undefined) return undefined
  const field = message.fields[index]!
  return field.name === '' ? fieldOf(field.message, key) : field
}

/** What the schema tables say of a key, in the words of the protobuf table. */
function expectedType(node: SchemaNode): readonly number[] {
  if (node.format === 'time') return [TYPE.time]
  if (node.format === 'micro-time') return [TYPE.microtime]
  if (node.format === 'quantity') return [TYPE.quantity]
  if (node.format === 'int-or-string') return [TYPE.intorstring]
  if (node.format === 'byte') return [TYPE.bytes]
  switch (node.type) {
    case 'string':
      return [TYPE.string]
    case 'boolean':
      return [TYPE.bool]
    case 'integer':
      return [node.format === 'int64' ? TYPE.int64 : TYPE.int32]
    case 'number':
      return [TYPE.double]
    case 'array':
      return [TYPE.strings]
    case 'object':
      return [TYPE.message]
    // FieldsV1, RawExtension, JSON, and the schemas that are one of several forms.
    default:
      return [TYPE.raw, TYPE.message]
  }
}

function disagreements(path: string, node: SchemaNode, message: Message, isRoot: boolean, seen: Set<string>): string[] {
  const found: string[] = []
  for (const [key, property] of node.properties ?? []) {
    if (isRoot && (key === 'apiVersion' || key === 'kind')) continue
    const field = fieldOf(message, key)
    const at = `${path}.${key}`
    if (field === undefined) {
      found.push(`${at} has no number`)
      continue
    }
    const isStrings = field.type === TYPE.strings && field.shape === SHAPE.one
    const isMany = (property.type === 'array' && !isStrings) || property.type === 'map'
    const shape = !isMany ? SHAPE.one : property.type === 'array' ? SHAPE.list : SHAPE.map
    const value = isMany ? property.items! : property
    if (field.shape !== shape) found.push(`${at} has shape ${field.shape}, not ${shape}`)
    if (!expectedType(value).includes(field.type)) found.push(`${at} has type ${field.type}`)
    if (field.type !== TYPE.message || value.properties === undefined || value.name === undefined) continue
    const pair = `${value.name} ${field.message.name}`
    if (seen.has(pair)) continue
    seen.add(pair)
    const isTyped = value.name.endsWith('.DeleteOptions') || kindsOf(value.name).length > 0
    found.push(...disagreements(at, value, field.message, isTyped, seen))
  }
  return found
}

test('every kind of the schema tables has a message, with all of its fields, of the same types', () => {
  const seen = new Set<string>()
  const missing: string[] = []
  let count = 0
  for (const { name, apiVersion, kind } of KINDS) {
    const message = messageOf(apiVersion, kind)
    if (message === undefined) {
      missing.push(`${apiVersion} ${kind}`)
      continue
    }
    count += 1
    assert.deepEqual(disagreements(`${apiVersion} ${kind}`, schemaOf(name)!, message, true, seen), [])
  }
  assert.deepEqual(
    missing.filter((name) => !WITHOUT.has(name.split(' ')[1]!) && !/v\d+(alpha|beta)\d+ /.test(name)),
    [],
  )
  assert.ok(count > 150, `only ${count} kinds were compared`)
})

test('fields in line lead to their parent’s field by each of their keys', () => {
  const volume = messageOf('v1', 'Volume')!
  const source = volume.byKey.get('configMap')
  assert.equal(source, volume.byKey.get('emptyDir'))
  assert.equal(volume.fields[source!]!.message.name, 'VolumeSource')
  assert.notEqual(source, volume.byKey.get('name'))
  assert.equal(volume.byKey.get('volumeSource'), undefined)
})
