import { recordLine } from './record-line.ts'
import type { RecordSink, RequestFeed } from './request-feed.ts'

/** Lines handed on at once; those beyond are counted and told as one line. */
const LINES_MAX = 500

/** Hands requests on as JSON lines while somebody looks; costs nothing when nobody does. */
export class RequestTap {
  readonly #feed: RequestFeed
  readonly #write: (lines: string) => void

  constructor(feed: RequestFeed, write: (lines: string) => void) {
    this.#feed = feed
    this.#write = write
  }

  open(): void {
    this.#feed.add(this.#sink)
  }

  close(): void {
    this.#feed.delete(this.#sink)
  }

  readonly #sink: RecordSink = (records, dropped) => {
    const left = Math.max(0, records.length - LINES_MAX) + dropped
    const lines = records.slice(0, LINES_MAX).map(recordLine)
    if (left > 0) lines.push(`${JSON.stringify({ time: new Date().toISOString(), lost: left })}\n`)
    this.#write(lines.join(''))
  }
}
