import { decodeMessage } from './decode-message.ts'
import { lengthPrefix } from './length-prefix.ts'
import { messageOf } from './message-table.ts'
import { ProtobufError } from './protobuf-error.ts'
import { WIRE, WireReader } from './wire-reader.ts'

/** What every object starts with, also in etcd: `k8s` and a zero. */
const MAGIC = Buffer.from('k8s\0')

const TYPE_META_TAG = (1 << 3) | WIRE.bytes
const RAW_TAG = (2 << 3) | WIRE.bytes
const API_VERSION_TAG = (1 << 3) | WIRE.bytes
const KIND_TAG = (2 << 3) | WIRE.bytes
/** Content encoding and content type, both empty. */
const TAIL = Buffer.from([(3 << 3) | WIRE.bytes, 0, (4 << 3) | WIRE.bytes, 0])
const ENCODING_TAG = (3 << 3) | WIRE.bytes

function lengthDelimited(tag: number, contents: Uint8Array): Buffer {
  return Buffer.concat([lengthPrefix(tag, contents.length), contents])
}

const heads = new Map<string, Buffer>()

/** The envelope's start as far as it depends on the kind alone: the prefix and the type. There are as many as kinds. */
function headOf(apiVersion: string, kind: string): Buffer {
  const key = `${apiVersion} ${kind}`
  let head = heads.get(key)
  if (head === undefined) {
    const typeMeta = Buffer.concat([
      lengthDelimited(API_VERSION_TAG, Buffer.from(apiVersion)),
      lengthDelimited(KIND_TAG, Buffer.from(kind)),
    ])
    head = Buffer.concat([MAGIC, lengthDelimited(TYPE_META_TAG, typeMeta)])
    heads.set(key, head)
  }
  return head
}

/** An object as it stands alone on the wire: `k8s\0` and a `runtime.Unknown` that names the kind, around its message. */
export function encodeEnvelope(apiVersion: string, kind: string, message: Uint8Array): Buffer {
  return Buffer.concat([headOf(apiVersion, kind), lengthPrefix(RAW_TAG, message.length), message, TAIL])
}

export interface DecodedEnvelope {
  readonly apiVersion: string
  readonly kind: string
  readonly [field: string]: unknown
}

/** Reads an object from its envelope, as JSON. Throws ProtobufError; whatever the bytes are, the work is bounded by them. */
export function decodeEnvelope(bytes: Uint8Array): DecodedEnvelope {
  const reader = new WireReader(bytes)
  const { length } = bytes
  if (!reader.bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw new ProtobufError('the data does not start as a protobuf object of Kubernetes does')
  reader.pos = MAGIC.length
  let apiVersion = ''
  let kind = ''
  let rawStart = 0
  let rawEnd = 0
  while (reader.pos < length) {
    const tag = reader.tag(length)
    if (tag === TYPE_META_TAG) {
      const end = reader.lengthEnd(length)
      while (reader.pos < end) {
        const inner = reader.tag(end)
        if (inner === API_VERSION_TAG) apiVersion = reader.string(end)
        else if (inner === KIND_TAG) kind = reader.string(end)
        else reader.skip(inner, end)
      }
    } else if (tag === RAW_TAG) {
      rawEnd = reader.lengthEnd(length)
      rawStart = reader.pos
      reader.pos = rawEnd
    } else if (tag === ENCODING_TAG) {
      const encoding = reader.string(length)
      if (encoding !== '') throw new ProtobufError(`content encoding ${JSON.stringify(encoding)} is not supported`)
    } else reader.skip(tag, length)
  }
  if (kind === '') throw new ProtobufError("Object 'Kind' is missing in the envelope")
  if (apiVersion === '') throw new ProtobufError("Object 'apiVersion' is missing in the envelope")
  const message = messageOf(apiVersion, kind)
  if (message === undefined)
    throw new ProtobufError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`)
  reader.pos = rawStart
  const fields: Record<string, unknown> & { apiVersion: string; kind: string } = { apiVersion, kind }
  decodeMessage(reader, message, rawEnd, fields)
  return fields
}
