import type { IWatchResponse } from 'etcd3'
import { type Clock, sleep } from '../../../base/clock.ts'
import { CompactedError, type Revision, type StoreEvent } from '../store.ts'
import type { KeySpace } from './key-space.ts'
import type { Members, WatchStream } from './members.ts'
import type { RecentWrites } from './recent-writes.ts'

const PAUSE_FIRST_MS = 50
const PAUSE_MAX_MS = 1_000

export interface WatchContext {
  readonly members: Members
  readonly keys: KeySpace
  readonly recent: RecentWrites
  readonly clock: Clock
  /** Aborts when the store closes or has failed. */
  readonly stopped: AbortSignal
  /** Throws why the store has stopped. */
  readonly assertOpen: () => void
  /** Called when a stream is open: `revision` is how far that member says to be. Rejects when the store has failed. */
  readonly onOpen: (revision: Revision) => Promise<void>
  /** Called when a stream ended and is about to be opened again. */
  readonly onBroken: (why: unknown) => void
}

/**
 * A watch that outlives its connections: each new stream begins where the last event left off. A stream begins one
 * revision early and what came before is dropped: etcd refuses a start before the compacted revision but takes the
 * compacted revision itself, whose deletions are gone; so it refuses exactly those starts that would miss something.
 */
export async function* resumingWatch(
  context: WatchContext,
  prefix: string,
  from: Revision,
  signal: AbortSignal,
): AsyncGenerator<readonly StoreEvent[]> {
  const { members, clock, stopped } = context
  const ended = AbortSignal.any([signal, stopped])
  const next = { revision: from }
  let pauseMs = PAUSE_FIRST_MS
  while (!signal.aborted) {
    context.assertOpen()
    let stream: WatchStream | undefined
    const cancel = (): void => stream?.cancel()
    try {
      stream = await members.openWatch()
      ended.addEventListener('abort', cancel, { once: true })
      if (ended.aborted) cancel()
      for await (const events of eventsOf(context, stream, prefix, next)) {
        pauseMs = PAUSE_FIRST_MS
        if (signal.aborted) return
        yield events
      }
      throw new Error('the stream ended')
    } catch (error) {
      if (signal.aborted) return
      context.assertOpen()
      if (error instanceof CompactedError) throw error
      context.onBroken(error)
      members.moveOn()
    } finally {
      ended.removeEventListener('abort', cancel)
      cancel()
    }
    await sleep(clock, pauseMs, ended)
    pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)
  }
}

/** The events of one stream; `next` says from where and is kept up to date with what was given out. */
async function* eventsOf(
  context: WatchContext,
  stream: WatchStream,
  prefix: string,
  next: { revision: Revision },
): AsyncGenerator<readonly StoreEvent[]> {
  const { keys, recent } = context
  const early = next.revision > 1n ? next.revision - 1n : 1n
  // `fragment`: a response larger than a message is cut into several, within a revision if need be.
  stream.write({ create_request: { ...keys.range(prefix), start_revision: String(early), fragment: true } })
  let held: StoreEvent[] = []
  for await (const response of stream) {
    if (response.canceled) throw cancelReason(response)
    if (response.created) await context.onOpen(BigInt(response.header.revision))
    for (const event of response.events) {
      const told = storeEvent(event, keys, recent)
      if (told.modRevision >= next.revision) held.push(told)
    }
    if (held.length === 0) continue
    let whole = held
    if (response.fragment) {
      const unfinished = held.at(-1)!.modRevision
      const cut = held.findIndex(({ modRevision }) => modRevision === unfinished)
      whole = held.slice(0, cut)
      held = held.slice(cut)
    } else held = []
    if (whole.length === 0) continue
    next.revision = whole.at(-1)!.modRevision + 1n
    yield whole
  }
}

function cancelReason({ compact_revision, cancel_reason }: IWatchResponse): Error {
  const compacted = BigInt(compact_revision)
  return compacted > 0n ? new CompactedError(compacted) : new Error(cancel_reason || 'etcd cancelled the watch')
}

function storeEvent(event: IWatchResponse['events'][number], keys: KeySpace, recent: RecentWrites): StoreEvent {
  const { kv } = event
  const key = keys.fromEtcd(kv.key)
  const modRevision = BigInt(kv.mod_revision)
  // Enums come as their names although the client's types say numbers.
  if (String(event.type) === 'Delete') return { type: 'delete', key, modRevision }
  return { type: 'put', key, value: recent.own(key, kv.value), createRevision: BigInt(kv.create_revision), modRevision }
}

/** The compacted revision, which etcd tells only a watch that asks for what is gone; undefined when it cannot be had. */
export async function compactedRevision(
  { members, keys }: Pick<WatchContext, 'members' | 'keys'>,
  withinMs: number,
): Promise<Revision | undefined> {
  let stream: WatchStream | undefined
  const timer = setTimeout(() => stream?.cancel(), withinMs)
  try {
    stream = await members.openWatch()
    stream.write({ create_request: { key: keys.toEtcd(keys.root), start_revision: '1' } })
    for await (const response of stream) {
      if (response.canceled) return BigInt(response.compact_revision)
    }
  } catch {
    // Falls through: the caller does without.
  } finally {
    clearTimeout(timer)
    stream?.cancel()
  }
  return undefined
}
