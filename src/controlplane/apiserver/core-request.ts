import type { Duplex } from 'node:stream'
import type { ResourceDefinition } from '../../api/definition.ts'
import type { CachedEvent, CachedObject } from './cache/cached-object.ts'
import type { ResourceInfo } from './request-info.ts'
import type { User } from './user.ts'

/** A request on a resource, authorized and parsed; the same for callers over the wire and in the process. */
export interface CoreRequest {
  readonly info: ResourceInfo
  readonly definition: ResourceDefinition
  readonly query: URLSearchParams
  /** The media type of the body, without parameters. */
  readonly contentType: string
  /** The body as JSON; undefined when there was none. */
  readonly body: unknown
  /** Paths of keys that stood twice in an object of the body. */
  readonly duplicates: readonly string[]
  readonly user: User
  /** Aborts when the client goes away. */
  readonly gone: () => AbortSignal
  /** Headers of a request for another protocol; undefined when it asks for none, or cannot be given one. */
  readonly upgrade?: Readonly<Record<string, string | undefined>>
}

/** One line of a watch before it is encoded. `event` shares its encoding with all other watchers of the change. */
export type WatchItem =
  | {
      readonly kind: 'event'
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
      readonly object: CachedObject
      readonly event: CachedEvent | undefined
    }
  | { readonly kind: 'bookmark'; readonly revision: bigint; readonly initialEventsEnd: boolean }
  | { readonly kind: 'error'; readonly status: unknown }

/** What a verb answers with; the edge encodes it as asked. */
export type CoreResponse =
  | {
      readonly kind: 'object'
      readonly status: number
      readonly object: CachedObject
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'value'; readonly status: number; readonly value: unknown; readonly warnings?: readonly string[] }
  | {
      readonly kind: 'list'
      readonly items: readonly CachedObject[]
      readonly revision: bigint
      readonly continue: string | undefined
      readonly remaining: number | undefined
    }
  | { readonly kind: 'watch'; readonly batches: AsyncIterable<readonly WatchItem[]> }
  | {
      readonly kind: 'stream'
      readonly status: number
      readonly contentType: string
      readonly body: AsyncIterable<Uint8Array>
    }
  /** Goes on in another protocol: the client is joined with `tunnel`. */
  | { readonly kind: 'tunnel'; readonly headers: Readonly<Record<string, string>>; readonly tunnel: Duplex }
