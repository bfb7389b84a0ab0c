import { forbidden } from '../../../api/field-error.ts'
import { invalidError, StatusError } from '../../../api/status-error.ts'
import type { CachedEvent } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse, WatchItem } from '../core-request.ts'
import { flag } from '../query-values.ts'
import type { Registry } from '../registry.ts'
import { storageKey } from '../request-info.ts'
import { type Selection, selectionOf } from '../selection.ts'
import { LIST_OPTIONS, revisionParameter } from './list.ts'
import { WatchStream } from './watch-stream.ts'

const BOOKMARK_MS = 60_000
/** As kube-apiserver: between 30 and 60 minutes when the client names no time. */
const TIMEOUT_MS_MIN = 30 * 60_000
/** Longer waits than a timer can hold. */
const TIMEOUT_MS_MAX = 24 * 3_600_000

interface WatchQuery {
  /** Undefined: from now. */
  readonly revision: bigint | undefined
  /** Undefined: not said. */
  readonly sendInitialEvents: boolean | undefined
  readonly bookmarks: boolean
  readonly timeoutMs: number
}

function readQuery(query: URLSearchParams, random: () => number): WatchQuery {
  const sendInitialEvents = flag(query, 'sendInitialEvents')
  const match = query.get('resourceVersionMatch') ?? ''
  const path = 'resourceVersionMatch'
  const error =
    sendInitialEvents !== undefined && match !== 'NotOlderThan'
      ? forbidden(path, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
      : sendInitialEvents === undefined && match !== ''
        ? forbidden(path, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')
        : match !== '' && query.has('continue')
          ? forbidden(path, 'resourceVersionMatch is forbidden when continue is provided')
          : undefined
  if (error !== undefined) throw invalidError(LIST_OPTIONS, '', [error])
  const seconds = query.get('timeoutSeconds') ?? '0'
  if (!/^\d{1,10}$/.test(seconds))
    throw new StatusError('BadRequest', `invalid timeoutSeconds ${JSON.stringify(seconds)}`)
  return {
    revision: revisionParameter(query),
    sendInitialEvents,
    bookmarks: flag(query, 'allowWatchBookmarks') ?? false,
    timeoutMs: seconds === '0' ? TIMEOUT_MS_MIN * (1 + random()) : Math.min(Number(seconds) * 1000, TIMEOUT_MS_MAX),
  }
}

/** The change as one watcher sees it: an object that comes to fit its selectors is added, one that no longer fits is deleted. */
function itemOf(
  { definition }: CoreRequest,
  registry: Registry,
  selects: Selection,
  event: CachedEvent,
): WatchItem | undefined {
  const fits = event.type !== 'DELETED' && selects(registry.served(definition, event.current).object)
  const fitted = event.previous !== undefined && selects(registry.served(definition, event.previous).object)
  if (!fits && !fitted) return undefined
  const type = fits ? (fitted ? 'MODIFIED' : 'ADDED') : 'DELETED'
  const object = registry.served(definition, event.toldAs(type))
  return { kind: 'event', type, object, event: definition.storage === undefined ? event : undefined }
}

function tooOld(asked: bigint, oldest: bigint): WatchItem {
  const why = new StatusError('Expired', `too old resource version: ${asked} (${oldest})`)
  return { kind: 'error', status: why.toStatus() }
}

/** GET with `watch`: what is there, if asked for, then every change that the selectors choose, until the client goes. */
export async function watch(registry: Registry, request: CoreRequest, random: () => number): Promise<CoreResponse> {
  const { definition, info, query } = request
  const signal = request.gone()
  const prefix = info.namespace === '' ? undefined : storageKey(definition, info.namespace, '')
  const concerns = (key: string): boolean => prefix === undefined || key.startsWith(prefix)
  const selects = selectionOf(definition, query)
  const { revision: asked, sendInitialEvents, bookmarks, timeoutMs } = readQuery(query, random)
  const { cache } = registry
  if (asked === undefined) await cache.fresh()
  else if (asked > cache.revision) await cache.reach(asked)

  // From here to the listener nothing waits: no change can come between.
  const source = registry.cacheOf(definition)
  const first: WatchItem[] = []
  const stream = new WatchStream(first)
  if (sendInitialEvents ?? (asked === undefined || asked === 0n)) {
    for (const stored of source.range(prefix ?? source.prefix)) {
      const object = registry.served(definition, stored)
      if (selects(object.object)) first.push({ kind: 'event', type: 'ADDED', object, event: undefined })
    }
    if (sendInitialEvents && bookmarks)
      first.push({ kind: 'bookmark', revision: cache.revision, initialEventsEnd: true })
  } else if (asked !== undefined && asked > 0n) {
    const missed = source.since(asked)
    if (missed === undefined) {
      stream.end(tooOld(asked, source.oldest))
      return { kind: 'watch', batches: stream }
    }
    for (const event of missed) {
      const item = concerns(event.current.key) ? itemOf(request, registry, selects, event) : undefined
      if (item !== undefined) first.push(item)
    }
  }

  const { clock } = registry
  const onAbort = (): void => stream.end()
  const bookmark = (): void => {
    stream.bookmark(cache.revision)
    bookmarkTimer = clock.setTimer(BOOKMARK_MS, bookmark)
  }
  let bookmarkTimer = bookmarks ? clock.setTimer(BOOKMARK_MS * (0.75 + random() / 2), bookmark) : undefined
  const timeout = clock.setTimer(timeoutMs, () => {
    // The client resumes from here, and not from before what it did not choose to see.
    if (bookmarks) stream.bookmark(cache.revision)
    stream.end()
  })
  const stopListening = source.listen((event) => {
    const item = concerns(event.current.key) ? itemOf(request, registry, selects, event) : undefined
    if (item !== undefined) stream.push(item)
  })
  const rebuilt = new StatusError('Expired', 'the cache of the API server was rebuilt; list again')
  const stopResets = cache.onReset(() => stream.end({ kind: 'error', status: rebuilt.toStatus() }))
  signal.addEventListener('abort', onAbort, { once: true })
  stream.onEnd(() => {
    stopListening()
    stopResets()
    signal.removeEventListener('abort', onAbort)
    timeout.cancel()
    bookmarkTimer?.cancel()
  })
  if (signal.aborted) stream.end()
  return { kind: 'watch', batches: stream }
}
