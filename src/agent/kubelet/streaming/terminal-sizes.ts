import type { TerminalSize } from '../../runtime/runtime.ts'

/** A size is about 30 bytes; what is longer is none. */
const PENDING_MAX = 1024
const CELLS_MAX = 65_535

function toSize(text: string): TerminalSize | undefined {
  let value: { readonly Width?: unknown; readonly Height?: unknown } | null
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const { Width: columns, Height: rows } = value ?? {}
  const isCells = (cells: unknown): cells is number => Number.isInteger(cells) && Number(cells) > 0
  if (!isCells(columns) || !isCells(rows)) return undefined
  return { columns: Math.min(columns, CELLS_MAX), rows: Math.min(rows, CELLS_MAX) }
}

/** Reads the resize stream: JSON objects `{"Width":80,"Height":24}` one after the other, cut anywhere. */
export class TerminalSizes {
  #pending = ''

  /** The sizes that these bytes complete. What is no size is passed over. */
  push(bytes: Uint8Array): readonly TerminalSize[] {
    const parts = (this.#pending + Buffer.from(bytes).toString('latin1')).split('}')
    const rest = parts.pop()!
    this.#pending = rest.length > PENDING_MAX ? '' : rest
    return parts.map((part) => toSize(`${part}}`)).filter((size) => size !== undefined)
  }
}
