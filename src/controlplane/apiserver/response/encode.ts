import type { ResourceDefinition } from '../../../api/definition.ts'
import type { KubeObject } from '../../../api/object.ts'
import { encodeList as encodeProtobufList } from '../../../api/protobuf/encode-list.ts'
import { encodeObject, hasProtobuf } from '../../../api/protobuf/encode-object.ts'
import { encodeEnvelope } from '../../../api/protobuf/envelope.ts'
import { watchFrame } from '../../../api/protobuf/watch-frame.ts'
import { eventFrame, eventLine } from '../cache/cached-object.ts'
import type { CoreResponse, WatchItem } from '../core-request.ts'
import type { ServerResponse } from '../server-request.ts'
import { listBody } from './list-body.ts'
import { type Encoding, MEDIA_TYPE, type ResponseForm } from './negotiate.ts'
import { partialMetadata, table, tableRow } from './table.ts'

const JSON_TYPE = MEDIA_TYPE.json
/** Nobody in between keeps what belongs to whoever asked. */
const PRIVATE = { 'cache-control': 'no-cache, private' } as const

/** What a request without an object of its own answers when it went well. */
export const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } as const

export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): ServerResponse {
  return { status, headers: { 'content-type': JSON_TYPE, ...headers }, body: Buffer.from(`${JSON.stringify(value)}\n`) }
}

/** An object that is made for this answer: a Status, a review, a document of discovery. JSON where it has no other form. */
export function valueResponse(
  status: number,
  value: unknown,
  encoding: Encoding,
  headers: Readonly<Record<string, string>> = {},
): ServerResponse {
  if (encoding === 'json') return jsonResponse(status, value, headers)
  // Kinds of all groups, discovery's own among them, may say no version.
  const object = { apiVersion: 'v1', ...(value as KubeObject) }
  if (!hasProtobuf(object.apiVersion, object.kind ?? '')) return jsonResponse(status, value, headers)
  return { status, headers: { 'content-type': MEDIA_TYPE.protobuf, ...headers }, body: encodeObject(object) }
}

/** `299 - "text"` for each, as RFC 9111 had the Warning header; kubectl prints them. */
function warningHeaders(warnings: readonly string[]): Record<string, string> {
  const texts = [...new Set(warnings)]
    .slice(0, 20)
    .map((text) => `299 - ${JSON.stringify(text.slice(0, 256).replaceAll(/[^\x20-\x7e]/g, '?'))}`)
  return texts.length === 0 ? {} : { warning: texts.join(', ') }
}

function listMetadata(response: Extract<CoreResponse, { kind: 'list' }>): object {
  return {
    // What is made for the answer has no version.
    ...(response.revision === 0n ? {} : { resourceVersion: String(response.revision) }),
    ...(response.continue === undefined ? {} : { continue: response.continue }),
    ...(response.remaining === undefined ? {} : { remainingItemCount: response.remaining }),
  }
}

function apiVersion(definition: ResourceDefinition): string {
  return definition.group === '' ? definition.version : `${definition.group}/${definition.version}`
}

function encodeList(
  definition: ResourceDefinition,
  response: Extract<CoreResponse, { kind: 'list' }>,
  form: ResponseForm,
  nowMs: number,
): ServerResponse {
  const metadata = listMetadata(response)
  if (form.kind === 'table') {
    const rows = response.items.map(({ object }) => tableRow(definition, object, form.includeObject, nowMs))
    return jsonResponse(200, table(definition, rows, metadata))
  }
  if (form.kind === 'metadata') {
    const items = response.items.map(({ object }) => partialMetadata(object))
    const list = { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items }
    return valueResponse(200, list, form.encoding)
  }
  if (form.encoding === 'protobuf') {
    const items = response.items.map((item) => item.protobufOnce())
    const body = encodeProtobufList(apiVersion(definition), definition.listKind, metadata, items)
    return { status: 200, headers: { 'content-type': MEDIA_TYPE.protobuf, ...PRIVATE }, body }
  }
  const head = `{"kind":${JSON.stringify(definition.listKind)},"apiVersion":${JSON.stringify(apiVersion(definition))},"metadata":${JSON.stringify(metadata)},"items":[`
  return { status: 200, headers: { 'content-type': JSON_TYPE, ...PRIVATE }, body: listBody(head, response.items) }
}

/** A bookmark: an object of the watched kind that holds nothing but how far the watch has come. */
export function bookmarkObject(
  definition: ResourceDefinition,
  item: Extract<WatchItem, { kind: 'bookmark' }>,
): KubeObject {
  return {
    kind: definition.kind,
    apiVersion: apiVersion(definition),
    metadata: {
      resourceVersion: String(item.revision),
      ...(item.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  }
}

/** Turns the items of one watch into lines or frames, in the form its client asked for. */
class WatchEncoder {
  readonly #definition: ResourceDefinition
  readonly #form: ResponseForm
  readonly #now: () => number
  /** A table tells its columns once. */
  #columnsSent = false

  constructor(definition: ResourceDefinition, form: ResponseForm, now: () => number) {
    this.#definition = definition
    this.#form = form
    this.#now = now
  }

  encode(item: WatchItem): Uint8Array {
    const { kind, encoding } = this.#form
    if (item.kind === 'error') return madeEvent('ERROR', item.status, encoding)
    if (this.#form.kind === 'table') return this.#tableLine(item, this.#form.includeObject)
    if (item.kind === 'bookmark') {
      const bookmark = bookmarkObject(this.#definition, item)
      return madeEvent('BOOKMARK', kind === 'metadata' ? partialMetadata(bookmark) : bookmark, encoding)
    }
    const { type, object, event } = item
    if (kind === 'metadata') return madeEvent(type, partialMetadata(object.object), encoding)
    if (encoding === 'protobuf') return event?.frame(type) ?? eventFrame(type, object.object, object.protobufOnce())
    return event?.line(type) ?? eventLine(type, object.jsonOnce())
  }

  #tableLine(item: Exclude<WatchItem, { kind: 'error' }>, includeObject: 'None' | 'Metadata' | 'Object'): Uint8Array {
    const definition = this.#definition
    const isBookmark = item.kind === 'bookmark'
    const row = isBookmark
      ? { cells: definition.columns.map(() => ''), object: partialMetadata(bookmarkObject(definition, item)) }
      : tableRow(definition, item.object.object, includeObject, this.#now())
    const metadata = { resourceVersion: String(isBookmark ? item.revision : item.object.revision) }
    const object = table(definition, [row], metadata, !this.#columnsSent)
    this.#columnsSent = true
    return jsonLine(isBookmark ? 'BOOKMARK' : item.type, object)
  }
}

function jsonLine(type: string, object: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`)
}

/** An event whose object is made for this watch. */
function madeEvent(type: string, object: unknown, encoding: Encoding): Uint8Array {
  return encoding === 'json' ? jsonLine(type, object) : watchFrame(type, encodeObject(object as KubeObject))
}

/** A long batch goes out in pieces of about this size. */
const PIECE_BYTES = 128 * 1024

async function* encodeWatch(
  definition: ResourceDefinition,
  batches: AsyncIterable<readonly WatchItem[]>,
  form: ResponseForm,
  now: () => number,
): AsyncGenerator<Uint8Array> {
  const encoder = new WatchEncoder(definition, form, now)
  for await (const batch of batches) {
    let parts: Uint8Array[] = []
    let bytes = 0
    for (const item of batch) {
      const part = encoder.encode(item)
      parts.push(part)
      bytes += part.length
      if (bytes < PIECE_BYTES) continue
      yield parts.length === 1 ? part : Buffer.concat(parts, bytes)
      parts = []
      bytes = 0
    }
    if (parts.length > 0) yield parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes)
  }
}

/** A verb's answer as bytes, in the form the client asked for. */
export function encodeResponse(
  definition: ResourceDefinition,
  response: CoreResponse,
  form: ResponseForm,
  now: () => number,
): ServerResponse {
  switch (response.kind) {
    case 'object': {
      const headers = warningHeaders(response.warnings)
      const { object } = response.object
      if (form.kind === 'table') {
        const metadata = { resourceVersion: object.metadata?.resourceVersion ?? '' }
        return jsonResponse(
          response.status,
          table(definition, [tableRow(definition, object, form.includeObject, now())], metadata),
          headers,
        )
      }
      if (form.kind === 'metadata')
        return valueResponse(response.status, partialMetadata(object), form.encoding, headers)
      if (form.encoding === 'protobuf') {
        const body = encodeEnvelope(object.apiVersion ?? '', object.kind ?? '', response.object.protobufOnce())
        return {
          status: response.status,
          headers: { 'content-type': MEDIA_TYPE.protobuf, ...PRIVATE, ...headers },
          body,
        }
      }
      return {
        status: response.status,
        headers: { 'content-type': JSON_TYPE, ...headers },
        body: response.object.jsonOnce(),
      }
    }
    case 'value':
      return valueResponse(response.status, response.value, form.encoding, warningHeaders(response.warnings ?? []))
    case 'list':
      return encodeList(definition, response, form, now())
    case 'watch':
      return {
        status: 200,
        headers: {
          'content-type': form.encoding === 'json' ? JSON_TYPE : `${MEDIA_TYPE.protobuf};stream=watch`,
          ...PRIVATE,
        },
        body: encodeWatch(definition, response.batches, form, now),
      }
    case 'stream':
      return { status: response.status, headers: { 'content-type': response.contentType }, body: response.body }
    case 'tunnel':
      return { status: 101, headers: response.headers, body: undefined, tunnel: response.tunnel }
  }
}
