import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Revision, Store } from './store.ts'

const EVERY_MS = 60_000
/** History of at least five minutes is kept, as kube-apiserver asks of etcd … */
const KEPT_STEPS = 5
/** … but never more than this many revisions, so that the file stays bounded under churn. */
const KEPT_REVISIONS = 50_000n

/** Compacts the store every minute until closed, the next time only after the last one ended. */
export function startAutoCompaction(store: Store, clock: Clock, logger: Logger): { close(): void } {
  const seen: Revision[] = []
  let timer: Timer | undefined
  let closed = false
  const step = async (): Promise<void> => {
    try {
      const now = await store.currentRevision()
      seen.push(now)
      const old = seen.length > KEPT_STEPS ? seen.shift()! : 0n
      const target = now - KEPT_REVISIONS > old ? now - KEPT_REVISIONS : old
      if (target > 0n) await store.compact(target)
    } catch (error) {
      if (!closed) logger.warn({ err: error }, 'compaction failed; trying again in a minute')
    }
    if (!closed) schedule()
  }
  const schedule = (): void => {
    timer = clock.setTimer(EVERY_MS, () => void step())
  }
  schedule()
  return {
    close() {
      closed = true
      timer?.cancel()
    },
  }
}
