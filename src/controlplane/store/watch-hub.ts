import type { Revision, StoreEvent } from './store.ts'

interface Watcher {
  readonly prefix: string
  readonly waiting: StoreEvent[][]
  wake: (() => void) | undefined
}

/** Hands each committed batch to those who watch a prefix, in the order of commits. */
export class WatchHub {
  readonly #watchers = new Set<Watcher>()
  #closed = false

  /** Events of one or more whole revisions, in order. */
  publish(events: readonly StoreEvent[]): void {
    for (const watcher of this.#watchers) {
      const own = events.filter((event) => event.key.startsWith(watcher.prefix))
      if (own.length === 0) continue
      watcher.waiting.push(own)
      watcher.wake?.()
    }
  }

  /** Ends every watch. */
  close(): void {
    this.#closed = true
    for (const watcher of this.#watchers) watcher.wake?.()
  }

  /**
   * Everything published from now on. `replay` gives what was committed before, read in the same turn as the watcher
   * is put in, so that nothing is missed or doubled; live events up to `replayed` are dropped.
   */
  async *watch(
    prefix: string,
    replay: () => { readonly events: readonly StoreEvent[]; readonly replayed: Revision },
    signal: AbortSignal,
  ): AsyncGenerator<readonly StoreEvent[]> {
    if (signal.aborted) return
    const watcher: Watcher = { prefix, waiting: [], wake: undefined }
    this.#watchers.add(watcher)
    const onAbort = (): void => watcher.wake?.()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const { events, replayed } = replay()
      if (events.length > 0) yield events
      while (!signal.aborted && !this.#closed) {
        const batch = watcher.waiting.shift()
        if (batch === undefined) {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
          watcher.wake = undefined
          continue
        }
        const fresh = batch.filter((event) => event.modRevision > replayed)
        if (fresh.length > 0) yield fresh
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#watchers.delete(watcher)
    }
  }
}
