import type { PipeliningSettings } from './engine-settings.ts'

/** Answers after which the depth is thought over. */
const ANSWERS = 256
const FIRST_DEPTH = 4
/** Latency while sharing may be this much above that without. */
const TOLERANCE = 1.25
/** An answer is slow that takes so many times as long as the average. */
const STALL_FACTOR = 8

/**
 * How many requests one connection to an endpoint may hold. Its server answers them one after another, so sharing pays
 * where answers come fast, and how fast cannot be seen from latency under load alone: a busy server that needs 20 µs a
 * request looks like an idle one that needs a millisecond. So it is tried:
 *
 *     alone ──256 answers, the quickest within `fastMs`──▶ depth 4 ──256 answers, latency no worse──▶ depth 8 … `depthMax`
 *       ▲                                                    │
 *       ├── for `pauseMs`, doubled when it happens soon again ┼── latency worse, or a stall: half the depth; below 4
 *       └── for 256 answers ──────────────────────────────────┴── after `renewMs`, to measure anew
 *
 * "No worse" is 1.25 × the mean latency alone + `waitMs`; worse is known as soon as fewer answers have taken as long as
 * 256 may. After a stall, and after a pause, the depth grows no further than to half of where that was, or to 8, twice as
 * far every `renewMs`: a server that stalls often is not shared, while one whose machine pauses now and then is. The very
 * first answers, while connections are being made and code is being compiled, count for nothing. Figures:
 * docs/decisions/0008-sharing-of-upstream-connections.md.
 */
export class SharingRule {
  /** 1: connections are not shared. */
  depth = 1
  readonly #settings: PipeliningSettings
  #answers = 0
  #sumMs = 0
  #quickestMs = Number.POSITIVE_INFINITY
  #aloneMs = 0
  #isWarm = false
  #tryAtMs = Number.NEGATIVE_INFINITY
  #renewAtMs = Number.NEGATIVE_INFINITY
  /** Where sharing goes on after the latency was measured anew. */
  #nextDepth = FIRST_DEPTH
  /** Lower than `depthMax` after a stall or a pause. */
  #ceiling: number
  #pauseMs: number

  constructor(settings: PipeliningSettings) {
    this.#settings = settings
    this.#pauseMs = settings.pauseMs
    this.#ceiling = settings.depthMax
  }

  /** Mean latency without sharing when it was last measured; 0: not yet. */
  get aloneMs(): number {
    return this.#aloneMs
  }

  /** An answer that takes longer holds up those behind it: `stallMs`, more where all answers take long. */
  get stallAfterMs(): number {
    return Math.max(this.#settings.stallMs, this.#aloneMs * STALL_FACTOR)
  }

  /** A request was answered `latencyMs` after it was sent. */
  answered(latencyMs: number, nowMs: number): void {
    this.#answers++
    this.#sumMs += latencyMs
    if (latencyMs < this.#quickestMs) this.#quickestMs = latencyMs
    if (this.#answers >= ANSWERS || (this.depth > 1 && this.#sumMs > ANSWERS * this.#boundMs())) this.#think(nowMs)
  }

  /** Requests waited behind one that was slow. */
  stalled(nowMs: number): void {
    if (this.depth <= FIRST_DEPTH) {
      this.#standAlone(nowMs)
      return
    }
    this.depth = Math.floor(this.depth / 2)
    this.#ceiling = this.depth
    this.#forget()
  }

  /** What the mean latency while sharing may be. */
  #boundMs(): number {
    return this.#aloneMs * TOLERANCE + this.#settings.waitMs
  }

  #think(nowMs: number): void {
    const { depthMax, fastMs, renewMs } = this.#settings
    const meanMs = this.#sumMs / this.#answers
    const isFast = this.#quickestMs <= fastMs
    const wasWarm = this.#isWarm
    this.#isWarm = true
    this.#forget()
    if (!wasWarm) return
    if (this.depth === 1) {
      this.#aloneMs = meanMs
      if (!isFast || nowMs < this.#tryAtMs || depthMax === 1) return
      this.depth = Math.min(this.#nextDepth, this.#ceiling)
      this.#renewAtMs = nowMs + renewMs
    } else if (meanMs > this.#boundMs()) {
      if (this.depth > FIRST_DEPTH) this.depth = Math.floor(this.depth / 2)
      else this.#standAlone(nowMs)
    } else if (nowMs >= this.#renewAtMs) {
      this.#nextDepth = this.depth
      this.#ceiling = Math.min(this.#ceiling * 2, depthMax)
      this.depth = 1
    } else this.depth = Math.min(this.depth * 2, this.#ceiling)
  }

  #standAlone(nowMs: number): void {
    const { pauseMs, pauseMaxMs } = this.#settings
    const isSoonAgain = nowMs - this.#tryAtMs < this.#pauseMs
    this.#pauseMs = isSoonAgain ? Math.min(this.#pauseMs * 2, pauseMaxMs) : pauseMs
    this.#tryAtMs = nowMs + this.#pauseMs
    this.#nextDepth = FIRST_DEPTH
    this.#ceiling = Math.min(FIRST_DEPTH * 2, this.#settings.depthMax)
    this.depth = 1
    this.#forget()
  }

  #forget(): void {
    this.#answers = 0
    this.#sumMs = 0
    this.#quickestMs = Number.POSITIVE_INFINITY
  }
}
