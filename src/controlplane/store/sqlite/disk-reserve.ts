import { closeSync, existsSync, openSync, rmSync, statSync, writeSync } from 'node:fs'

const RESERVE_BYTES = 8 * 1024 * 1024
const REFILL_EVERY_MS = 1_000

/**
 * A file that only takes up space. When the disk is full it is removed, and its space lets deletions and compaction go
 * on; when it can be written again there is space for everything.
 */
export interface DiskReserve {
  /** True from `spend` until a `refill` succeeds. */
  readonly spent: boolean
  spend(): void
  /** Tries to take the space back, at most once a second; true when all is well. */
  refill(): boolean
}

export function createDiskReserve(path: string, monotonic: () => number): DiskReserve {
  let spent = existsSync(path) ? statSync(path).size < RESERVE_BYTES : true
  let triedAt = Number.NEGATIVE_INFINITY
  return {
    get spent() {
      return spent
    },
    spend() {
      rmSync(path, { force: true })
      spent = true
      triedAt = monotonic()
    },
    refill() {
      if (!spent) return true
      if (monotonic() - triedAt < REFILL_EVERY_MS) return false
      triedAt = monotonic()
      spent = !fill(path)
      return !spent
    },
  }
}

/** True when the whole file could be written; else nothing of it stays. */
function fill(path: string): boolean {
  let file: number | undefined
  try {
    file = openSync(path, 'w', 0o600)
    // Not zeros: some file systems keep no space for those.
    const block = Buffer.alloc(1024 * 1024, 'wherry ')
    for (let written = 0; written < RESERVE_BYTES; written += block.length) {
      if (writeSync(file, block) < block.length) throw new Error('short write')
    }
    return true
  } catch {
    rmSync(path, { force: true })
    return false
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
