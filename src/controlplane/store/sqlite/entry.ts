import { crc32 } from 'node:zlib'
import type { Revision } from '../store.ts'

const NUMBER_BITS = 10n

/** A row of `entries`. */
export interface EntryRow {
  readonly id: bigint
  readonly key: string
  readonly created: bigint
  readonly sum: bigint
  readonly value: Uint8Array | null
}

/** The id of the `number`-th entry of a revision; with 0 the smallest of that revision. */
export function entryId(revision: Revision, number = 0): bigint {
  return (revision << NUMBER_BITS) | BigInt(number)
}

export function revisionOf(id: bigint): Revision {
  return id >> NUMBER_BITS
}

/** A checksum over everything in an entry, so that bit rot inside a page is found where it is read. */
export function entrySum(id: bigint, key: string, created: Revision, value: Uint8Array | null): number {
  const head = crc32(`${id}/${created}/${value === null ? 'x' : 'v'}/${key}`)
  return value === null ? head : crc32(value, head)
}
