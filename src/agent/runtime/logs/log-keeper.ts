import { execFile } from 'node:child_process'
import { type FSWatcher, watch } from 'node:fs'
import { appendFile, rename, stat, truncate, writeFile } from 'node:fs/promises'
import type { Clock, Timer } from '../../../base/clock.ts'
import { formatMark, type LogMark, readIndex, thinMarks } from './log-index.ts'

export interface LogLimits {
  /** What is kept of one log: the size of one file times how many there would be. */
  readonly bytesMax: number
  /** How much is given up at once when it is more. */
  readonly bytesStep: number
}

/** Kubernetes' defaults: five files of 10 MiB. */
export const LOG_LIMITS: LogLimits = { bytesMax: 5 * 10 * 1024 * 1024, bytesStep: 10 * 1024 * 1024 }

/** A busy log is looked at this often; a quiet one not at all. */
const PAUSE_MS = 200
/** Where changes of files cannot be watched. */
const POLL_MS = 1_000
const BLOCK_BYTES = 4096
/** About half a megabyte of index. */
const MARKS_MAX = 16_384

/**
 * Watches one log that a container writes to directly: notes when output was seen, and gives back the disk space of
 * the oldest part once there is too much. That part becomes a hole in the file: the writer is neither stopped nor
 * reopened, nothing it writes meanwhile is lost, and offsets stay what they were. On file systems without holes the
 * whole log starts again instead.
 */
export class LogKeeper {
  readonly #log: string
  readonly #index: string
  readonly #clock: Clock
  readonly #limits: LogLimits
  readonly #listeners = new Set<() => void>()
  #size = 0
  #start = 0
  #marks: LogMark[] = []
  #watcher: FSWatcher | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #closed = false

  constructor(log: string, clock: Clock, limits: LogLimits = LOG_LIMITS) {
    this.#log = log
    this.#index = `${log}.index`
    this.#clock = clock
    this.#limits = limits
  }

  /** The first byte that is kept, or soon will be: what stands before it may read as zeros. */
  get start(): number {
    return this.#start
  }

  /** Takes up where an earlier agent stopped; what was written since gets the time of the last write. */
  async open(): Promise<void> {
    const marks = await readIndex(this.#index)
    this.#marks = [...marks]
    this.#start = marks[0]?.offset ?? 0
    this.#size = marks.at(-1)?.end ?? 0
    await this.#look()
  }

  /** Resolves when there is more than `position` bytes, when the log has ended, or when the signal aborts. */
  grown(position: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted || this.#size > position) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#listeners.add(done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  /** Looks a last time and lets go. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#rest()
    await this.#looking
    await this.#take()
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }

  #rest(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    this.#rest()
    this.#looking = this.#take()
    await this.#looking
    if (this.#closed) return
    for (const listener of this.#listeners) listener()
    this.#wait()
  }

  /** One event ends the watch until the pause is over: a container that writes without end costs five looks a second. */
  #wait(): void {
    const again = (): void => void this.#look()
    try {
      const watcher = watch(this.#log, { persistent: false }, () => {
        watcher.close()
        if (this.#watcher !== watcher) return
        this.#watcher = undefined
        void this.#seen()
      })
      watcher.on('error', () => watcher.close())
      this.#watcher = watcher
      // Whatever came between the look and the watch.
      void this.#sizeNow().then((size) => {
        if (size !== this.#size && this.#watcher === watcher) {
          watcher.close()
          this.#watcher = undefined
          this.#timer = this.#clock.setTimer(PAUSE_MS, again)
        }
      })
    } catch {
      this.#timer = this.#clock.setTimer(POLL_MS, again)
    }
  }

  /** The first bytes after a silence get their time at once, those that follow closely share one after the pause. */
  async #seen(): Promise<void> {
    this.#looking = this.#take()
    await this.#looking
    if (this.#closed) return
    for (const listener of this.#listeners) listener()
    this.#timer = this.#clock.setTimer(PAUSE_MS, () => void this.#look())
  }

  async #sizeNow(): Promise<number> {
    try {
      return (await stat(this.#log)).size
    } catch {
      return this.#size
    }
  }

  async #take(): Promise<void> {
    try {
      const { size, mtimeMs } = await stat(this.#log)
      if (size < this.#size) await this.#restart()
      if (size > this.#size) {
        const mark = { offset: this.#size, end: size, timeMs: Math.min(Math.floor(mtimeMs), this.#clock.now()) }
        this.#size = size
        this.#marks.push(mark)
        if (this.#marks.length > MARKS_MAX) {
          this.#marks = thinMarks(this.#marks)
          await this.#writeIndex()
        } else await appendFile(this.#index, formatMark(mark), { mode: 0o600 })
      }
      if (this.#size - this.#start > this.#limits.bytesMax) await this.#giveUpOldest()
    } catch {
      // The log is gone with its pod, or the disk is full: the container goes on, and so does the next look.
    }
  }

  async #restart(): Promise<void> {
    this.#size = 0
    this.#start = 0
    this.#marks = []
    await this.#writeIndex()
  }

  async #giveUpOldest(): Promise<void> {
    const kept = this.#limits.bytesMax - this.#limits.bytesStep
    const start = Math.floor((this.#size - kept) / BLOCK_BYTES) * BLOCK_BYTES
    // Told before it is done: who reads at this moment knows afterwards whether it was a hole that was read.
    this.#start = start
    if (!(await punchHole(this.#log, start))) {
      await truncate(this.#log, 0)
      return this.#restart()
    }
    this.#marks = this.#marks
      .filter((mark) => mark.end > start)
      .map((mark) => ({ ...mark, offset: Math.max(mark.offset, start) }))
    await this.#writeIndex()
  }

  async #writeIndex(): Promise<void> {
    await writeFile(`${this.#index}.new`, this.#marks.map(formatMark).join(''), { mode: 0o600 })
    await rename(`${this.#index}.new`, this.#index)
  }
}

/** Gives back the space of the first `bytes` bytes (a multiple of the block size) without moving the rest. */
function punchHole(file: string, bytes: number): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('fallocate', ['--punch-hole', '--offset', '0', '--length', String(bytes), file], (error) =>
      resolve(error === null),
    )
  })
}
