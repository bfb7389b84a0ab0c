import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Clock, Timer } from '../../../base/clock.ts'

/** Once the program is gone, what it left in the pipe comes at once; only what it started may still hold the pipe open. */
const QUIET_MS = 200

/**
 * What a program writes, with an end that always comes: at the end of the pipe, or after the program's own end as soon
 * as nothing more comes. A child that it left in the background is not waited for.
 */
export class ProgramOutput extends Readable {
  readonly #pipe: Socket
  readonly #clock: Clock
  #over = false
  #timer: Timer | undefined

  constructor(pipe: Socket, clock: Clock) {
    super({ highWaterMark: 64 * 1024 })
    this.#pipe = pipe
    this.#clock = clock
    pipe.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) pipe.pause()
      else if (this.#over) this.#wait()
    })
    pipe.once('close', () => this.#end())
    pipe.on('error', () => {})
    this.on('error', () => {})
  }

  /** The program has ended. */
  programEnded(): void {
    this.#over = true
    this.#wait()
  }

  override _read(): void {
    this.#pipe.resume()
    if (this.#over) this.#wait()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#timer?.cancel()
    this.#pipe.destroy()
    done(error)
  }

  #wait(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(QUIET_MS, () => {
      // A reader who is behind finds the rest when it goes on.
      if (!this.#pipe.isPaused()) this.#pipe.destroy()
    })
  }

  #end(): void {
    this.#timer?.cancel()
    if (!this.destroyed && !this.readableEnded) this.push(null)
  }
}
