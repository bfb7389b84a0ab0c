import { encodeMessage } from './encode-message.ts'
import { encodeEnvelope } from './envelope.ts'
import { messageOf } from './message-table.ts'
import { ProtobufError } from './protobuf-error.ts'

interface Typed {
  readonly apiVersion?: string
  readonly kind?: string
}

/** Whether objects of this kind have a protobuf form: those built into Kubernetes do, custom resources don't. */
export function hasProtobuf(apiVersion: string, kind: string): boolean {
  return messageOf(apiVersion, kind) !== undefined
}

/** An object's message without its envelope, as lists hold it. Throws ProtobufError for a kind that has none. */
export function encodeBareObject(object: Typed): Buffer {
  const { apiVersion = '', kind = '' } = object
  const message = messageOf(apiVersion, kind)
  if (message === undefined) throw new ProtobufError(`${kind} (${apiVersion}) has no protobuf form`)
  return encodeMessage(message, object)
}

/** An object as it stands alone on the wire. Throws ProtobufError for a kind that has no such form. */
export function encodeObject(object: Typed): Buffer {
  return encodeEnvelope(object.apiVersion ?? '', object.kind ?? '', encodeBareObject(object))
}
