import type { ResourceDefinition } from '../../../api/definition.ts'
import type { CoreResponse, WatchItem } from '../core-request.ts'
import type { ServerResponse } from '../server-request.ts'
import type { ResponseForm } from './negotiate.ts'
import { partialMetadata, table, tableRow } from './table.ts'

const JSON_TYPE = 'application/json'

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
export function bookmarkObject(definition: ResourceDefinition, item: Extract<WatchItem, { kind: 'bookmark' }>): object {
  return {
    kind: definition.kind,
    apiVersion: apiVersion(definition),
    metadata: {
      resourceVersion: String(item.revision),
      creationTimestamp: null,
      ...(item.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  }
}

async function* encodeWatch(
  definition: ResourceDefinition,
  items: AsyncIterable<WatchItem>,
  form: ResponseForm,
  now: () => number,
): AsyncGenerator<Uint8Array> {
  let first = true
  const line = (type: string, object: unknown): Uint8Array => Buffer.from(`${JSON.stringify({ type, object })}\n`)
  for await (const item of items) {
    if (item.kind === 'error') yield line('ERROR', item.status)
    else if (form.kind === 'plain') {
      if (item.kind === 'bookmark') yield line('BOOKMARK', bookmarkObject(definition, item))
      else if (item.event !== undefined) yield item.event.line(item.type, item.object)
      else yield Buffer.concat([Buffer.from(`{"type":"${item.type}","object":`), item.object.json, Buffer.from('}\n')])
    } else if (form.kind === 'table') {
      const isBookmark = item.kind === 'bookmark'
      const rows = isBookmark
        ? [
            {
              cells: definition.columns.map(() => ''),
              object: {
                ...bookmarkObject(definition, item),
                kind: 'PartialObjectMetadata',
                apiVersion: 'meta.k8s.io/v1',
              },
            },
          ]
        : [tableRow(definition, item.object.object, form.includeObject, now())]
      const metadata = { resourceVersion: String(isBookmark ? item.revision : item.object.revision) }
      yield line(isBookmark ? 'BOOKMARK' : item.type, table(definition, rows, metadata, first))
      first = false
    } else if (item.kind === 'bookmark') {
      yield line('BOOKMARK', {
        ...bookmarkObject(definition, item),
        kind: 'PartialObjectMetadata',
        apiVersion: 'meta.k8s.io/v1',
      })
    } else yield line(item.type, partialMetadata(item.object.object))
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
        body: encodeWatch(definition, response.items, form, now),
      }
    case 'stream':
      return { status: response.status, headers: { 'content-type': response.contentType }, body: response.body }
  }
}
