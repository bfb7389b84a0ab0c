import { closeSync, type FSWatcher, fstatSync, openSync, read, watch } from 'node:fs'
import { Readable } from 'node:stream'
import type { Clock, Timer } from '../../../base/clock.ts'

const CHUNK_BYTES = 64 * 1024
/** In case changes of the file cannot be watched, or one was missed. */
const LOOK_MS = 1_000

/** What is written to a log from now on, at once: for the eyes of somebody who types. Ends after `end` was called. */
export class LogTail extends Readable {
  readonly #file: number
  readonly #clock: Clock
  #watcher: FSWatcher | undefined
  #timer: Timer | undefined
  #position: number
  #reading = false
  /** The reader has room. */
  #asked = false
  #over = false

  /** Throws when there is no such file. */
  constructor(log: string, clock: Clock) {
    super({ highWaterMark: CHUNK_BYTES })
    this.#file = openSync(log, 'r')
    this.#clock = clock
    this.#position = fstatSync(this.#file).size
    try {
      this.#watcher = watch(log, { persistent: false }, () => this.#look()).on('error', () => {})
    } catch {
      // No watches left: the look once a second is enough.
    }
    this.on('error', () => {})
  }

  /** Nothing more will be written. */
  end(): void {
    this.#over = true
    this.#look()
  }

  override _read(): void {
    this.#asked = true
    this.#look()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#watcher?.close()
    this.#timer?.cancel()
    if (!this.#reading) closeSync(this.#file)
    done(error)
  }

  #look(): void {
    this.#timer?.cancel()
    if (this.#reading || !this.#asked || this.destroyed) return
    const wasOver = this.#over
    this.#reading = true
    read(this.#file, Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, this.#position, (error, length, buffer) => {
      this.#reading = false
      if (this.destroyed) return closeSync(this.#file)
      if (error !== null) return void this.destroy(error)
      if (length > 0) {
        this.#position += length
        this.#asked = this.push(buffer.subarray(0, length))
        return this.#look()
      }
      // A log that had to start again.
      if (fstatSync(this.#file).size < this.#position) this.#position = 0
      if (wasOver) return void this.push(null)
      if (this.#over) return this.#look()
      this.#timer = this.#clock.setTimer(LOOK_MS, () => this.#look())
    })
  }
}
