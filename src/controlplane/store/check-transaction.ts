import assert from 'node:assert/strict'
import type { StoreTransaction } from './store.ts'

/** More keys than any caller changes at once; the SQLite store numbers the entries of a revision with ten bits. */
export const TRANSACTION_KEYS_MAX = 1_024

/** Fails loudly on a transaction that no correct caller makes: the same key written twice, a key that is no text. */
export function checkTransaction({ puts, deletes }: StoreTransaction): void {
  if (puts.length + deletes.length === 1) {
    checkKey(puts[0]?.key ?? deletes[0]!)
    return
  }
  const written = new Set<string>()
  for (const { key } of puts) written.add(key)
  for (const key of deletes) written.add(key)
  assert(written.size === puts.length + deletes.length, 'a transaction writes each key once')
  assert(written.size <= TRANSACTION_KEYS_MAX, `a transaction writes at most ${TRANSACTION_KEYS_MAX} keys`)
  for (const key of written) checkKey(key)
}

function checkKey(key: string): void {
  assert(key !== '' && key.isWellFormed() && !key.includes('\0'), 'a key is text, not empty and without NUL')
}
