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
 *       ├── for `pauseMs`, doubled when it happens soon again ┼── latency worse: half the depth; below 4, or a stall
 *       └── for 256 answers ──────────────────────────────────┴── after `renewMs`, to measure anew
 *
 * "No worse" is 1.25 × the mean latency alone + `waitMs`. The very first answers, while connections are being made and
 * code is being compiled, count for nothing.
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
  #pauseMs: number

  constructor(settings: PipeliningSettings) {
    this.#settings = settings
    this.#pauseMs = settings.pauseMs
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
    if (this.#answers >= ANSWERS) this.#think(nowMs)
  }

  /** Requests waited behind one that was slow. */
  stalled(nowMs: number): void {
    this.#standAlone(nowMs)
  }

  #think(nowMs: number): void {
    const { depthMax, fastMs, renewMs, waitMs } = this.#settings
    const meanMs = this.#sumMs / this.#answers
    const isFast = this.#quickestMs <= fastMs
    const wasWarm = this.#isWarm
    this.#isWarm = true
    this.#forget()
    if (!wasWarm) return
    if (this.depth === 1) {
      this.#aloneMs = meanMs
      if (!isFast || nowMs < this.#tryAtMs || depthMax === 1) return
      this.depth = Math.min(this.#nextDepth, depthMax)
      this.#renewAtMs = nowMs + renewMs
    } else if (meanMs > this.#aloneMs * TOLERANCE + waitMs) {
      if (this.depth > FIRST_DEPTH) this.depth = Math.floor(this.depth / 2)
      else this.#standAlone(nowMs)
    } else if (nowMs >= this.#renewAtMs) {
      this.#nextDepth = this.depth
      this.depth = 1
    } else this.depth = Math.min(this.depth * 2, depthMax)
  }

  #standAlone(nowMs: number): void {
    const { pauseMs, pauseMaxMs } = this.#settings
    const isSoonAgain = nowMs - this.#tryAtMs < this.#pauseMs
    this.#pauseMs = isSoonAgain ? Math.min(this.#pauseMs * 2, pauseMaxMs) : pauseMs
    this.#tryAtMs = nowMs + this.#pauseMs
    this.#nextDepth = FIRST_DEPTH
    this.depth = 1
    this.#forget()
  }

  #forget(): void {
    this.#answers = 0
    this.#sumMs = 0
    this.#quickestMs = Number.POSITIVE_INFINITY
  }
}
