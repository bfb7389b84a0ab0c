import type { ResourceDefinition } from '../../../api/definition.ts'
import type { KubeObject } from '../../../api/object.ts'
import { eventLine } from '../cache/cached-object.ts'
import type { CoreResponse, WatchItem } from '../core-request.ts'
import type { ServerResponse } from '../server-request.ts'
import type { ResponseForm } from './negotiate.ts'
import { partialMetadata, table, tableRow } from './table.ts'

const JSON_TYPE = 'application/json'

/** What a request without an object of its own answers when it went well. */
export const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } as const

export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): ServerResponse {
  return { status, headers: { 'content-type': JSON_TYPE, ...headers }, body: Buffer.from(`${JSON.stringify(value)}\n`) }
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
    resourceVersion: String(response.revision),
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
    return jsonResponse(200, { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items })
  }
  const parts: Buffer[] = [
    Buffer.from(
      `{"kind":${JSON.stringify(definition.listKind)},"apiVersion":${JSON.stringify(apiVersion(definition))},"metadata":${JSON.stringify(metadata)},"items":[`,
    ),
  ]
  const comma = Buffer.from(',')
  for (const [i, item] of response.items.entries()) {
    if (i > 0) parts.push(comma)
    parts.push(item.json)
  }
  parts.push(Buffer.from(']}\n'))
  return { status: 200, headers: { 'content-type': JSON_TYPE }, body: Buffer.concat(parts) }
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

/** Turns the items of one watch into lines, in the form its client asked for. */
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

  line(item: WatchItem): Uint8Array {
    if (item.kind === 'error') return jsonLine('ERROR', item.status)
    if (this.#form.kind === 'table') return this.#tableLine(item, this.#form.includeObject)
    if (this.#form.kind === 'metadata')
      return item.kind === 'bookmark'
        ? jsonLine('BOOKMARK', partialMetadata(bookmarkObject(this.#definition, item)))
        : jsonLine(item.type, partialMetadata(item.object.object))
    if (item.kind === 'bookmark') return jsonLine('BOOKMARK', bookmarkObject(this.#definition, item))
    return item.event === undefined ? eventLine(item.type, item.object.json) : item.event.line(item.type)
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

/** A long first batch goes out in pieces of about this many lines. */
const LINES_MAX = 200

async function* encodeWatch(
  definition: ResourceDefinition,
  batches: AsyncIterable<readonly WatchItem[]>,
  form: ResponseForm,
  now: () => number,
): AsyncGenerator<Uint8Array> {
  const encoder = new WatchEncoder(definition, form, now)
  for await (const batch of batches) {
    if (batch.length === 1) yield encoder.line(batch[0]!)
    else
      for (let i = 0; i < batch.length; i += LINES_MAX)
        yield Buffer.concat(batch.slice(i, i + LINES_MAX).map((item) => encoder.line(item)))
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
      if (form.kind === 'metadata') return jsonResponse(response.status, partialMetadata(object), headers)
      return { status: response.status, headers: { 'content-type': JSON_TYPE, ...headers }, body: response.object.json }
    }
    case 'value':
      return jsonResponse(response.status, response.value, warningHeaders(response.warnings ?? []))
    case 'list':
      return encodeList(definition, response, form, now())
    case 'watch':
      return {
        status: 200,
        headers: { 'content-type': JSON_TYPE, 'cache-control': 'no-cache, private' },
        body: encodeWatch(definition, response.batches, form, now),
      }
    case 'stream':
      return { status: response.status, headers: { 'content-type': response.contentType }, body: response.body }
  }
}
