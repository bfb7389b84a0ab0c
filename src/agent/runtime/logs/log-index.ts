import { readFile } from 'node:fs/promises'

/** The bytes from `offset` up to `end` of a log were seen at this time (milliseconds since the epoch). */
export interface LogMark {
  readonly offset: number
  readonly end: number
  readonly timeMs: number
}

/** The times of a log's bytes, in order of offset. The first mark is where the kept part begins. */
export type LogIndex = readonly LogMark[]

export function formatMark(mark: LogMark): string {
  return `${mark.offset} ${mark.end} ${mark.timeMs}\n`
}

/** Reads what `formatMark` wrote; a last line cut short by a crash is left out. */
export function parseIndex(text: string): LogIndex {
  const marks: LogMark[] = []
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [offset, end, timeMs] = line.split(' ').map(Number)
    if (offset === undefined || end === undefined || timeMs === undefined) continue
    if (Number.isFinite(offset + end + timeMs)) marks.push({ offset, end, timeMs })
  }
  return marks
}

export async function readIndex(path: string): Promise<LogIndex> {
  try {
    return parseIndex(await readFile(path, 'latin1'))
  } catch {
    return []
  }
}

/**
 * Half as many marks for the older half of a log: neighbours become one with the later time. A log that is written to
 * slowly for weeks has a bounded index, at the price of coarser times for what is old.
 */
export function thinMarks(marks: LogIndex): LogMark[] {
  const older = (marks.length >> 1) & ~1
  const kept: LogMark[] = []
  for (let i = 0; i < older; i += 2) {
    const [one, other] = [marks[i]!, marks[i + 1]!]
    kept.push({ offset: one.offset, end: other.end, timeMs: other.timeMs })
  }
  return [...kept, ...marks.slice(older)]
}

/** The time of the byte at `offset`: that of the last mark at or before it. */
export function timeAt(index: LogIndex, offset: number): number | undefined {
  let low = 0
  let high = index.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (index[middle]!.offset <= offset) low = middle + 1
    else high = middle
  }
  return index[low - 1]?.timeMs
}

/** The first byte that was seen at or after `timeMs`; undefined when there is none yet. */
export function offsetSince(index: LogIndex, timeMs: number): number | undefined {
  return index.find((mark) => mark.timeMs >= timeMs)?.offset
}
