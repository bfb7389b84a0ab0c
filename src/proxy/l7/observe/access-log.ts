import { type DestinationStream, destination } from 'pino'
import { recordLine } from './record-line.ts'
import type { RecordSink } from './request-feed.ts'
import type { RequestRecord } from './request-observer.ts'

/** What waits for a file that does not take it; beyond that lines are lost, and the loss is told. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024

export interface AccessLogOptions {
  /** `-`: standard output. */
  readonly file: string
  /** Part of the requests, 0 to 1; those with an error are always written. */
  readonly sample: number
  readonly random: () => number
  /** A file that cannot be written; it is tried again. */
  onError(error: Error): void
}

type Destination = ReturnType<typeof destination> & DestinationStream

/** Requests as JSON lines in a file, appended, so that several processes may write to one. */
export class AccessLog {
  readonly #options: AccessLogOptions
  readonly #destination: Destination
  #lost = 0

  constructor(options: AccessLogOptions) {
    this.#options = options
    const dest = options.file === '-' ? 1 : options.file
    this.#destination = destination({ dest, sync: false, append: true, mode: 0o640, maxLength: WAITING_BYTES_MAX })
    this.#destination.on('error', (error: Error) => options.onError(error))
    this.#destination.on('drop', () => {
      this.#lost++
    })
  }

  readonly sink: RecordSink = (records, dropped) => {
    const lines = records.filter((record) => this.#isWanted(record)).map(recordLine)
    const lost = dropped + this.#lost
    this.#lost = 0
    if (lost > 0) lines.push(`${JSON.stringify({ time: new Date().toISOString(), lost })}\n`)
    if (lines.length > 0) this.#destination.write(lines.join(''))
  }

  /** After the file was moved away: begins a new one. */
  reopen(): void {
    if (this.#options.file !== '-') this.#destination.reopen()
  }

  /** Writes what waits. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#destination.once('close', () => resolve())
      this.#destination.once('error', () => resolve())
      if (this.#options.file === '-') this.#destination.flush(() => resolve())
      else this.#destination.end()
    })
  }

  #isWanted({ error }: RequestRecord): boolean {
    const { sample, random } = this.#options
    return sample >= 1 || error !== '' || random() < sample
  }
}
