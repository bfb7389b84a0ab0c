import { readFileSync } from 'node:fs'
import { SCHEMA_UNIONS, type SchemaUnion } from './schema-union.ts'

/**
 * How a field's value stands on the wire and in JSON. The last six are messages on the wire: times are RFC 3339 text,
 * quantities text, `intorstring` is either, `raw` is whatever JSON its bytes hold, `strings` a list.
 */
export const TYPE = {
  string: 0,
  bytes: 1,
  bool: 2,
  int32: 3,
  int64: 4,
  double: 5,
  message: 6,
  time: 7,
  microtime: 8,
  quantity: 9,
  intorstring: 10,
  raw: 11,
  strings: 12,
} as const
export type FieldType = (typeof TYPE)[keyof typeof TYPE]

/** Whether a field has one value, a list of them, or a map from strings to them. */
export const SHAPE = { one: 0, list: 1, map: 2 } as const
export type Shape = (typeof SHAPE)[keyof typeof SHAPE]

/** One field of a message. Immutable, made on first use. */
export class Field {
  /** The key in JSON; empty for a field whose own fields stand among its parent's. */
  readonly name: string
  readonly number: number
  readonly type: FieldType
  readonly shape: Shape
  /** A zero value stands for none: Go writes one on the wire wherever the field is no pointer, and none in JSON. */
  readonly dropsZero: boolean
  readonly #reference: readonly [apiVersion: string, name: string] | undefined
  #message: Message | undefined

  /** `text` as in the table: `spec=2:PodSpec`, `+=1:VolumeSource`, `labels=11:{}string`, `phase=1:string?`. */
  constructor(home: string, text: string) {
    const [, name, number, shape, type, optional] = /^(.+?)=(\d+):(\[\]|\{\})?([^?]+)(\??)$/.exec(text)!
    this.name = name === '+' ? '' : name!
    this.number = Number(number)
    this.shape = shape === '[]' ? SHAPE.list : shape === '{}' ? SHAPE.map : SHAPE.one
    this.dropsZero = optional === '?'
    const scalar = Object.hasOwn(TYPE, type!) ? TYPE[type as keyof typeof TYPE] : undefined
    this.type = scalar ?? TYPE.message
    const dot = type!.lastIndexOf('.')
    this.#reference = scalar !== undefined ? undefined : [dot < 0 ? home : type!.slice(0, dot), type!.slice(dot + 1)]
    this.#message = undefined
  }

  /** Of a field of type `message`. */
  get message(): Message {
    if (this.#message === undefined) {
      const [apiVersion, name] = this.#reference!
      const found = messageOf(apiVersion, name)
      if (found === undefined) throw new Error(`no message ${apiVersion} ${name} in the table of field numbers`)
      this.#message = found
    }
    return this.#message
  }
}

/** A message: its fields by number, as the wire has them, and by key, as JSON has them. Immutable. */
export class Message {
  readonly name: string
  /** Ascending by number. */
  readonly fields: readonly Field[]
  /** Index into `fields` by field number; undefined where there is none. */
  readonly byNumber: readonly (Field | undefined)[]
  /** Index into `fields` by key; the keys of a field in line lead to that field. */
  readonly byKey: ReadonlyMap<string, number>
  /** Set where JSON has one of several forms instead of the fields. */
  readonly union: SchemaUnion | undefined

  constructor(apiVersion: string, name: string, text: string) {
    this.name = name
    this.union = SCHEMA_UNIONS.get(name)
    this.fields = text === '' ? [] : text.split(' ').map((part) => new Field(apiVersion, part))
    const byNumber: (Field | undefined)[] = new Array((this.fields.at(-1)?.number ?? 0) + 1).fill(undefined)
    const byKey = new Map<string, number>()
    for (const [index, field] of this.fields.entries()) {
      byNumber[field.number] = field
      if (field.name !== '') byKey.set(field.name, index)
    }
    for (const [index, field] of this.fields.entries()) {
      if (field.name !== '') continue
      for (const key of field.message.byKey.keys()) if (!byKey.has(key)) byKey.set(key, index)
    }
    this.byNumber = byNumber
    this.byKey = byKey
  }
}

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Options and answers of this group are kinds in every group. */
const META = 'meta.k8s.io/v1'

let table: Table | undefined
const messages = new Map<string, Message>()

/**
 * The message that a kind is on the wire; undefined when it has no such form, as all of groups that are not Kubernetes'
 * own. The table, `field-numbers.json`, is written by `scripts/generate-protobuf-fields.ts` and read on first use.
 */
export function messageOf(apiVersion: string, name: string): Message | undefined {
  const key = `${apiVersion} ${name}`
  const known = messages.get(key)
  if (known !== undefined) return known
  table ??= JSON.parse(readFileSync(new URL('./field-numbers.json', import.meta.url), 'utf8')) as Table
  if (!Object.hasOwn(table, apiVersion)) return undefined
  const group = table[apiVersion]!
  if (!Object.hasOwn(group, name)) return apiVersion === META ? undefined : messageOf(META, name)
  const message = new Message(apiVersion, name, group[name]!)
  messages.set(key, message)
  return message
}
