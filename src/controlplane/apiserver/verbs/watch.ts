import { StatusError } from '../../../api/status-error.ts'
import type { CachedEvent, CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse, WatchItem } from '../core-request.ts'
import type { Registry } from '../registry.ts'
import { storageKey } from '../request-info.ts'
import { selectionOf } from '../selection.ts'
import { revisionParameter } from './list.ts'

/** A watcher that lets this many events pile up is ended rather than buffered for without end. */
const WAITING_MAX = 2_000
const BOOKMARK_MS = 60_000
/** As kube-apiserver: between 30 and 60 minutes when the client names no time. */
const TIMEOUT_MS_MIN = 30 * 60_000

function slow(): WatchItem {
  return {
    kind: 'error',
    status: new StatusError('Expired', 'the watcher is too slow and has missed events; list again').toStatus(),
  }
}

/** GET with `watch`: what is there, if asked for, then every change that the selectors choose, until the client goes. */
export async function watch(registry: Registry, request: CoreRequest, random: () => number): Promise<CoreResponse> {
  const { definition, info, query, signal } = request
  const prefix =
    info.name !== ''
      ? storageKey(definition, info.namespace, info.name)
      : info.namespace === ''
        ? `${definition.storagePrefix}/`
        : storageKey(definition, info.namespace, '')
  const concerns = (key: string): boolean => (info.name === '' ? key.startsWith(prefix) : key === prefix)
  const selects = selectionOf(definition, query)
  const asked = revisionParameter(query)
  const initial = query.get('sendInitialEvents') === 'true'
  const bookmarks = ['true', '1'].includes(query.get('allowWatchBookmarks') ?? '')
  if (query.has('sendInitialEvents') && query.get('resourceVersionMatch') !== 'NotOlderThan') {
    throw new StatusError(
      'Invalid',
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    )
  }
  const fromNow = asked === undefined || asked === 0n
  if (asked === undefined) await registry.cache.fresh()
  else if (asked > 0n && (initial || asked > registry.cache.revision)) await registry.cache.reach(asked)
  const seconds = Number(query.get('timeoutSeconds') ?? 0)
  const timeoutMs = seconds > 0 ? seconds * 1000 : TIMEOUT_MS_MIN * (1 + random())

  const cache = registry.cacheOf(definition)
  // What waits to be sent; the stream takes it whole and leaves an empty one.
  let items: WatchItem[] = []
  const added = (object: CachedObject): WatchItem => ({
    kind: 'event',
    type: 'ADDED',
    object: registry.served(definition, object),
    event: undefined,
  })
  if (initial || fromNow) {
    for (const object of cache.range(prefix))
      if (concerns(object.key) && selects(registry.served(definition, object).object)) items.push(added(object))
    if (initial && bookmarks)
      items.push({ kind: 'bookmark', revision: registry.cache.revision, initialEventsEnd: true })
  } else {
    const missed = cache.since(asked)
    if (missed === undefined) {
      const why = new StatusError(
        'Expired',
        `too old resource version: ${asked} (${registry.cache.revision})`,
      ).toStatus()
      return {
        kind: 'watch',
        items: (async function* (): AsyncGenerator<WatchItem> {
          yield { kind: 'error', status: why }
        })(),
      }
    }
    for (const event of missed) {
      const item = concerns(event.current.key) ? itemOf(event) : undefined
      if (item !== undefined) items.push(item)
    }
  }

  /** The change as this watcher's selectors see it: an object that comes to fit is added, one that no longer fits is deleted. */
  function itemOf(event: CachedEvent): WatchItem | undefined {
    const current = registry.served(definition, event.current)
    const fits = event.type !== 'DELETED' && selects(current.object)
    const fitted = event.previous !== undefined && selects(registry.served(definition, event.previous).object)
    if (!fits && !fitted) return undefined
    const type = fits ? (fitted ? 'MODIFIED' : 'ADDED') : 'DELETED'
    return { kind: 'event', type, object: current, event: definition.storage === undefined ? event : undefined }
  }

  let wake: (() => void) | undefined
  let ended = false
  const end = (last?: WatchItem): void => {
    if (ended) return
    ended = true
    if (last !== undefined) {
      items = [last]
    }
    wake?.()
  }
  const stopListening = cache.listen((event) => {
    if (ended || !concerns(event.current.key)) return
    const item = itemOf(event)
    if (item === undefined) return
    if (items.length >= WAITING_MAX) end(slow())
    else items.push(item)
    wake?.()
  })
  const stopResets = registry.cache.onReset(() =>
    end({ kind: 'error', status: new StatusError('Expired', 'the cache was rebuilt; list again').toStatus() }),
  )
  const onAbort = (): void => end()
  signal.addEventListener('abort', onAbort, { once: true })
  const timeout = registry.clock.setTimer(timeoutMs, () => end())
  let bookmarkTimer = bookmarks ? registry.clock.setTimer(BOOKMARK_MS * (0.75 + random() / 2), bookmark) : undefined
  function bookmark(): void {
    if (items.length === 0) items.push({ kind: 'bookmark', revision: registry.cache.revision, initialEventsEnd: false })
    wake?.()
    bookmarkTimer = registry.clock.setTimer(BOOKMARK_MS, bookmark)
  }

  async function* stream(): AsyncGenerator<WatchItem> {
    try {
      for (;;) {
        const batch = items
        items = []
        yield* batch
        if (items.length > 0) continue
        if (ended || signal.aborted) return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = undefined
      }
    } finally {
      stopListening()
      stopResets()
      signal.removeEventListener('abort', onAbort)
      timeout.cancel()
      bookmarkTimer?.cancel()
    }
  }
  return { kind: 'watch', items: stream() }
}
