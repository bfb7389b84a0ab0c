import { isReason } from '../api/status-error.ts'
import type { Logger } from '../base/logger.ts'
import type { WorkQueue } from './work-queue.ts'

export interface ReconcileResult {
  /** When to look at this key again even if nothing changes. */
  readonly requeueAfterMs?: number
}

export interface WorkersOptions {
  readonly name: string
  readonly queue: WorkQueue
  /** How many keys are worked on at once. */
  readonly workers: number
  /** Reads everything anew and brings one key closer to what is wanted. What it throws is tried again with back-off. */
  readonly reconcile: (key: string) => Promise<ReconcileResult | undefined>
  readonly logger: Logger
}

/** The one shell around every reconcile function: take a key, reconcile, look again when asked or after a failure. */
export function runWorkers(options: WorkersOptions): { close(): Promise<void> } {
  const { queue, reconcile, logger, name } = options
  const worker = async (): Promise<void> => {
    for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
      try {
        const result = await reconcile(key)
        queue.forget(key)
        if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs)
      } catch (error) {
        // A conflict says that the copy was a moment behind: common, and the next try reads the newer one.
        const level = isReason(error, 'Conflict') || queue.failures(key) === 0 ? 'debug' : 'warn'
        logger[level]({ err: error, controller: name, key }, 'reconcile failed; trying again')
        queue.addRateLimited(key)
      } finally {
        queue.done(key)
      }
    }
  }
  const running = Promise.all(Array.from({ length: options.workers }, worker))
  return {
    async close() {
      queue.close()
      await running
    },
  }
}
