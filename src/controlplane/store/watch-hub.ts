import type { Revision, StoreEvent } from './store.ts'

/** A watcher further behind than this is served from history again instead of from memory. */
const WAITING_EVENTS_MAX = 20_000

/** A page of the store's history: events of whole revisions. */
export interface History {
  readonly events: readonly StoreEvent[]
  /** Everything up to this revision is in `events`. */
  readonly upTo: Revision
  /** False when the page ended before the newest revision there was. */
  readonly complete: boolean
}

/** Reads a page of history from a revision on. Throws `CompactedError`. */
export type ReadHistory = (prefix: string, from: Revision) => Promise<History> | History

interface Watcher {
  readonly prefix: string
  waiting: StoreEvent[][]
  waitingCount: number
  /** What was waiting had to be dropped: history must be read again. */
  behind: boolean
  wake: (() => void) | undefined
}

/**
 * Hands each committed batch to those who watch its keys, in the order of commits. Memory is bounded: a watcher that
 * does not keep up reads what it missed from history, as one that starts in the past does.
 */
export class WatchHub {
  readonly #watchers = new Set<Watcher>()
  readonly #readHistory: ReadHistory
  #failure: Error | undefined

  constructor(readHistory: ReadHistory) {
    this.#readHistory = readHistory
  }

  /** Events of one or more whole revisions, in order. */
  publish(events: readonly StoreEvent[]): void {
    for (const watcher of this.#watchers) {
      const own = events.filter((event) => event.key.startsWith(watcher.prefix))
      if (own.length === 0 || watcher.behind) continue
      if (watcher.waitingCount > 0 && watcher.waitingCount + own.length > WAITING_EVENTS_MAX) {
        drop(watcher)
        watcher.behind = true
      } else {
        watcher.waiting.push(own)
        watcher.waitingCount += own.length
      }
      watcher.wake?.()
    }
  }

  /** Ends every watch with this error, now and from now on. */
  close(failure: Error): void {
    this.#failure = failure
    for (const watcher of this.#watchers) watcher.wake?.()
  }

  /** See `Store.watch`. History is read while live batches already gather, so nothing is missed; what is in both is dropped. */
  async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncGenerator<readonly StoreEvent[]> {
    const watcher: Watcher = { prefix, waiting: [], waitingCount: 0, behind: true, wake: undefined }
    const onAbort = (): void => watcher.wake?.()
    signal.addEventListener('abort', onAbort, { once: true })
    this.#watchers.add(watcher)
    let next = from
    try {
      while (!signal.aborted) {
        if (this.#failure !== undefined) throw this.#failure
        if (watcher.behind) {
          // From here on live batches wait, so that nothing falls between them and what history holds by then.
          drop(watcher)
          watcher.behind = false
          const { events, upTo, complete } = await this.#readHistory(prefix, next)
          if (signal.aborted) return
          if (upTo >= next) next = upTo + 1n
          if (!complete) watcher.behind = true
          if (events.length > 0) yield events
          continue
        }
        const batch = watcher.waiting.shift()
        if (batch === undefined) {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
          watcher.wake = undefined
          continue
        }
        watcher.waitingCount -= batch.length
        const fresh = batch.filter((event) => event.modRevision >= next)
        if (fresh.length === 0) continue
        next = fresh.at(-1)!.modRevision + 1n
        yield fresh
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#watchers.delete(watcher)
    }
  }
}

function drop(watcher: Watcher): void {
  watcher.waiting = []
  watcher.waitingCount = 0
}
