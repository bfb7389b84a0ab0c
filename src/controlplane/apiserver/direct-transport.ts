import type { ResourceDefinition } from '../../api/definition.ts'
import { StatusError } from '../../api/status-error.ts'
import type { ApiRequest, ApiResponse, Transport, WatchEvent } from '../../client/transport.ts'
import type { CoreResponse, WatchItem } from './core-request.ts'
import { bookmarkObject } from './response/encode.ts'

export interface Answer {
  readonly definition: ResourceDefinition
  readonly response: CoreResponse
}

/** Runs a request through the server; throws StatusError. */
export type Run = (request: ApiRequest) => Promise<Answer>

function bodyOf({ definition, response }: Answer, path: string): ApiResponse {
  switch (response.kind) {
    case 'object':
      return { status: response.status, body: response.object.object }
    case 'value':
      return { status: response.status, body: response.value }
    case 'list': {
      const metadata = {
        resourceVersion: String(response.revision),
        continue: response.continue,
        remainingItemCount: response.remaining,
      }
      const items = response.items.map(({ object }) => object)
      return { status: 200, body: { kind: definition.listKind, metadata, items } }
    }
    default:
      throw new StatusError('BadRequest', `${path} answers with a stream`)
  }
}

function eventOf(definition: ResourceDefinition, item: WatchItem): WatchEvent {
  if (item.kind === 'event') return { type: item.type, object: item.object.object }
  if (item.kind === 'bookmark') return { type: 'BOOKMARK', object: bookmarkObject(definition, item) }
  return { type: 'ERROR', object: item.status as WatchEvent['object'] }
}

async function* eventsOf(
  definition: ResourceDefinition,
  batches: AsyncIterable<readonly WatchItem[]>,
): AsyncGenerator<WatchEvent> {
  for await (const batch of batches) for (const item of batch) yield eventOf(definition, item)
}

/** Calls without a wire: objects instead of bytes, shared and frozen. `statusOf` turns what was thrown into a Status. */
export function createDirectTransport(run: Run, statusOf: (error: unknown, path: string) => StatusError): Transport {
  return {
    async request(request) {
      try {
        return bodyOf(await run(request), request.path)
      } catch (error) {
        const status = statusOf(error, request.path)
        return { status: status.code, body: status.toStatus() }
      }
    },
    async watch(request) {
      try {
        const { definition, response } = await run(request)
        if (response.kind !== 'watch') throw new StatusError('BadRequest', `${request.path} is no watch`)
        return eventsOf(definition, response.batches)
      } catch (error) {
        throw statusOf(error, request.path)
      }
    },
    async close() {},
  }
}
