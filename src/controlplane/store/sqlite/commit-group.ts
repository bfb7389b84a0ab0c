import { StoreError } from '../store.ts'
import { type Applied, apply, type EngineTransaction } from './apply.ts'
import { checkpointIfDue } from './checkpoint.ts'
import type { DiskReserve } from './disk-reserve.ts'
import type { EngineState } from './engine-state.ts'
import { fullError } from './store-error-of.ts'
import { write } from './write.ts'

/** What became of one transaction of a group: applied (or its expectation failed), or refused for want of space. */
export type Outcome = Applied | StoreError

/**
 * Commits transactions together: one SQLite transaction, one fsync, a revision each. When the disk is full, what only
 * deletes still goes through, on the reserve's space; the rest is refused until there is space again. Throws a
 * StoreError when the store can go on no more.
 */
export function commitGroup(
  state: EngineState,
  reserve: DiskReserve,
  transactions: readonly EngineTransaction[],
): readonly Outcome[] {
  const outcomes = commitAll(state, reserve, transactions)
  try {
    checkpointIfDue(state)
  } catch (error) {
    if (!isFull(error)) throw error
    // What was committed is safe in the log; it is folded in when there is space, and the reserve may be that space.
    reserve.spend()
  }
  return outcomes
}

function commitAll(
  state: EngineState,
  reserve: DiskReserve,
  transactions: readonly EngineTransaction[],
): readonly Outcome[] {
  if (!reserve.spent || reserve.refill()) {
    try {
      return together(state, transactions)
    } catch (error) {
      if (!isFull(error)) throw error
      reserve.spend()
    }
  }
  return transactions.map((transaction) => {
    if (transaction.puts.length > 0) return fullError(state.path)
    try {
      return together(state, [transaction])[0]!
    } catch (error) {
      if (isFull(error)) return error
      throw error
    }
  })
}

function together(state: EngineState, transactions: readonly EngineTransaction[]): readonly Applied[] {
  const before = state.revision
  let applied: readonly Applied[] = []
  try {
    write(state, () => {
      applied = transactions.map((transaction) => apply(state, transaction))
    })
    return applied
  } catch (error) {
    state.revision = before
    throw error
  }
}

function isFull(error: unknown): error is StoreError {
  return error instanceof StoreError && error.code === 'full'
}
