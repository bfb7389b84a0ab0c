import { TOKEN } from './byte-classes.ts'
import type { FieldLines } from './field-lines.ts'
import { bytesOf, equalsWord, itemEnd, itemStart, trimmedEnd } from './field-values.ts'
import { headerId, headerSet } from './header-ids.ts'
import { REFUSAL } from './refusal.ts'

const CLOSE = bytesOf('close')
const KEEP_ALIVE = bytesOf('keep-alive')
const UPGRADE = bytesOf('upgrade')
/** Nobody nominates more; each costs a comparison per header. */
const NOMINATED_MAX = 16

/** Options that name a header which goes no further anyway. */
const STRIPPED_ANYWAY = headerSet('keep-alive', 'te', 'upgrade', 'http2-settings', 'proxy-connection', 'proxy')
/** Headers that a sender may not have removed: they say where a message ends, where it goes, or who it came through. */
const NOT_NOMINABLE = headerSet(
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'expect',
  'trailer',
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
)

/** What the `Connection` headers of one message say (RFC 9110 §7.6.1). Reused from message to message. */
export class ConnectionOptions {
  close = false
  keepAlive = false
  upgrade = false
  /** Other headers named as hop-by-hop, as offsets of their names. */
  nominated = 0
  readonly #starts = new Int32Array(NOMINATED_MAX)
  readonly #ends = new Int32Array(NOMINATED_MAX)

  reset(): void {
    this.close = false
    this.keepAlive = false
    this.upgrade = false
    this.nominated = 0
  }

  /** Adds one header's value. Returns a refusal, or 0. */
  add(b: Uint8Array, start: number, end: number): number {
    let p = start
    for (;;) {
      p = itemStart(b, p, end)
      if (p >= end) return 0
      const next = itemEnd(b, p, end)
      const stop = trimmedEnd(b, p, next)
      if (equalsWord(b, p, stop, KEEP_ALIVE)) this.keepAlive = true
      else if (equalsWord(b, p, stop, CLOSE)) this.close = true
      else if (equalsWord(b, p, stop, UPGRADE)) this.upgrade = true
      else {
        for (let i = p; i < stop; i++) if (TOKEN[b[i]!] === 0) return REFUSAL['bad-connection']
        const bit = 1 << (headerId(b, p, stop) & 31)
        if ((bit & NOT_NOMINABLE) !== 0) return REFUSAL['bad-connection']
        if ((bit & STRIPPED_ANYWAY) === 0) {
          if (this.nominated === NOMINATED_MAX) return REFUSAL['bad-connection']
          this.#starts[this.nominated] = p
          this.#ends[this.nominated] = stop
          this.nominated++
        }
      }
      p = next
    }
  }

  /** Whether header `i` of `lines`, in the same buffer, was named. */
  isNominated(b: Uint8Array, lines: FieldLines, i: number): boolean {
    const start = lines.nameStart[i]!
    const end = lines.nameEnd[i]!
    for (let n = 0; n < this.nominated; n++) {
      if (this.#ends[n]! - this.#starts[n]! === end - start && sameWord(b, start, end, this.#starts[n]!)) return true
    }
    return false
  }
}

function sameWord(b: Uint8Array, start: number, end: number, other: number): boolean {
  for (let p = start, q = other; p < end; p++, q++) {
    const x = b[p]!
    const y = b[q]!
    if (x !== y && ((x ^ y) !== 32 || (x | 32) < 97 || (x | 32) > 122)) return false
  }
  return true
}
