import { encodeMessage } from './encode-message.ts'
import { encodeEnvelope } from './envelope.ts'
import { lengthPrefix } from './length-prefix.ts'
import { messageOf } from './message-table.ts'
import { WIRE } from './wire-reader.ts'

const METADATA_TAG = (1 << 3) | WIRE.bytes
const ITEM_TAG = (2 << 3) | WIRE.bytes

/** A list from its ListMeta and the messages of its items, which may have been encoded long before. */
export function encodeList(
  apiVersion: string,
  listKind: string,
  metadata: object,
  items: readonly Uint8Array[],
): Buffer {
  const meta = encodeMessage(messageOf('meta.k8s.io/v1', 'ListMeta')!, metadata)
  const parts: Uint8Array[] = [lengthPrefix(METADATA_TAG, meta.length), meta]
  for (const item of items) parts.push(lengthPrefix(ITEM_TAG, item.length), item)
  return encodeEnvelope(apiVersion, listKind, Buffer.concat(parts))
}
