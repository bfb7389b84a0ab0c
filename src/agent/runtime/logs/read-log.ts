import { type FileHandle, open } from 'node:fs/promises'
import type { LogOptions } from '../runtime.ts'
import { type LogIndex, offsetSince, readIndex, timeAt } from './log-index.ts'

export interface LogSource {
  readonly log: string
  /** True while more may be written. */
  isOpen(): boolean
  /** The first byte that is kept: what is read before it may be a hole already. */
  start(): number
  /** Resolves when there may be more than `position` bytes, when the log has ended, or when the signal aborts. */
  grown(position: number, signal: AbortSignal): Promise<void>
}

const CHUNK_BYTES = 64 * 1024
const LINE_FEED = 10

/** The log of one container attempt as `kubectl logs` wants it. Whole lines, but for the last one. */
export async function* readLog(
  source: LogSource,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let file: FileHandle
  try {
    file = await open(source.log, 'r')
  } catch {
    return
  }
  try {
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY
    for await (const bytes of lines(file, source, options, signal)) {
      if (bytes.length >= left) {
        yield bytes.subarray(0, left)
        return
      }
      left -= bytes.length
      yield bytes
    }
  } finally {
    await file.close()
  }
}

async function* lines(
  file: FileHandle,
  source: LogSource,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let index = await readIndex(`${source.log}.index`)
  let position = await firstOffset(file, Math.max(index[0]?.offset ?? 0, source.start()), index, options)
  let atLineStart = true
  while (!signal.aborted) {
    // Asked before reading: what the container wrote before its end is read even when it ends meanwhile.
    const open = source.isOpen()
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position)
    if (bytesRead > 0 && position < source.start()) {
      // The oldest part was given up under our eyes; the line that was cut is ended.
      position = await afterLineFeed(file, source.start(), (await file.stat()).size)
      if (!atLineStart) yield Buffer.of(LINE_FEED)
      atLineStart = true
      continue
    }
    if (bytesRead > 0) {
      const bytes = buffer.subarray(0, bytesRead)
      if (options.timestamps) {
        if (timeAt(index, position + bytesRead) === timeAt(index, Number.MAX_SAFE_INTEGER))
          index = await readIndex(`${source.log}.index`)
        yield withTimestamps(bytes, position, index, atLineStart)
      } else {
        yield bytes
      }
      atLineStart = bytes[bytesRead - 1] === LINE_FEED
      position += bytesRead
      continue
    }
    if (!options.follow || !open) return
    await source.grown(position, signal)
    // A log that had to start again.
    if ((await file.stat()).size < position) position = 0
  }
}

/** Where to start, from `begin` on: the later of `sinceMs` and `tailLines`, always at the start of a line. */
async function firstOffset(file: FileHandle, begin: number, index: LogIndex, options: LogOptions): Promise<number> {
  const { size } = await file.stat()
  let first = begin === 0 ? 0 : await afterLineFeed(file, begin, size)
  if (options.sinceMs !== undefined) {
    const since = offsetSince(index, options.sinceMs) ?? size
    if (since > first) first = since
  }
  if (options.tailLines !== undefined) first = await tailOffset(file, first, size, options.tailLines)
  return first
}

async function afterLineFeed(file: FileHandle, from: number, size: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let position = from; position < size; ) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position)
    if (bytesRead === 0) break
    const found = buffer.subarray(0, bytesRead).indexOf(LINE_FEED)
    if (found >= 0) return position + found + 1
    position += bytesRead
  }
  return size
}

/** The start of the last `count` lines at or after `from`; a last line without a line feed counts as one. */
async function tailOffset(file: FileHandle, from: number, size: number, count: number): Promise<number> {
  if (count <= 0) return size
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  let missing = count
  for (let end = size; end > from; ) {
    const start = Math.max(from, end - CHUNK_BYTES)
    const { bytesRead } = await file.read(buffer, 0, end - start, start)
    for (let i = bytesRead - 1; i >= 0; i--) {
      // The very last byte ends the last line rather than beginning another.
      if (buffer[i] !== LINE_FEED || start + i === size - 1) continue
      missing -= 1
      if (missing === 0) return start + i + 1
    }
    end = start
  }
  return from
}

function withTimestamps(bytes: Buffer, position: number, index: LogIndex, atLineStart: boolean): Uint8Array {
  const parts: Uint8Array[] = []
  let start = atLineStart ? 0 : bytes.indexOf(LINE_FEED) + 1
  if (start > 0) parts.push(bytes.subarray(0, start))
  if (!atLineStart && start === 0) return bytes
  while (start < bytes.length) {
    const next = bytes.indexOf(LINE_FEED, start) + 1
    const end = next === 0 ? bytes.length : next
    const timeMs = timeAt(index, position + start) ?? index[0]?.timeMs ?? 0
    parts.push(Buffer.from(`${new Date(timeMs).toISOString()} `), bytes.subarray(start, end))
    start = end
  }
  return Buffer.concat(parts)
}
