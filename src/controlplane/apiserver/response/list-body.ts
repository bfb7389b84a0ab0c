import type { CachedObject } from '../cache/cached-object.ts'

/** A longer list is written piece by piece, so that it neither stands in memory whole nor holds up everybody else. */
const PIECE_ITEMS = 500

const COMMA = Buffer.from(',')
const END = Buffer.from(']}\n')

function piece(items: readonly CachedObject[], from: number, before: Uint8Array, after: Uint8Array): Buffer {
  const parts: Uint8Array[] = [before]
  for (let i = from; i < Math.min(items.length, from + PIECE_ITEMS); i++) {
    if (i > 0) parts.push(COMMA)
    parts.push(items[i]!.jsonOnce())
  }
  parts.push(after)
  return Buffer.concat(parts)
}

async function* pieces(head: Uint8Array, items: readonly CachedObject[]): AsyncGenerator<Uint8Array> {
  const nothing = new Uint8Array(0)
  for (let i = 0; i < items.length; i += PIECE_ITEMS) {
    if (i > 0) await new Promise((next) => setImmediate(next))
    yield piece(items, i, i === 0 ? head : nothing, i + PIECE_ITEMS < items.length ? nothing : END)
  }
}

/** A list as JSON: `head` up to and with the bracket that opens the items. */
export function listBody(head: string, items: readonly CachedObject[]): Uint8Array | AsyncIterable<Uint8Array> {
  const start = Buffer.from(head)
  return items.length <= PIECE_ITEMS ? piece(items, 0, start, END) : pieces(start, items)
}
