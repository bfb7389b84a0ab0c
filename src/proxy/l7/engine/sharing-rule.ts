import type { PipeliningSettings } from './engine-settings.ts'

/** Answers after which the depth is thought over: alone, and shared. */
const ALONE_ANSWERS = 64
const SHARED_ANSWERS = 256
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
 *     alone ──64 answers, the quickest within `fastMs`──▶ depth 4 ──256 answers, latency no worse──▶ depth 8 … `depthMax`
 *       ▲                                                    │
 *       └── for `pauseMs`, doubled when it happens soon again ┴── latency worse: half the depth; below 4, or a stall
 *
 * "No worse" is 1.25 × the latency alone + `waitMs`. The latency alone is measured anew after each return to it, so that
 * the rule follows the load.
 */
export class SharingRule {
  /** 1: connections are not shared. */
  depth = 1
  readonly #settings: PipeliningSettings
  #answers = 0
  #sumMs = 0
  #quickestMs = Number.POSITIVE_INFINITY
  #aloneMs = 0
  /** Of the latest count of answers. */
  #meanMs = 0
  #tryAtMs = Number.NEGATIVE_INFINITY
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
    return Math.max(this.#settings.stallMs, this.#meanMs * STALL_FACTOR)
  }

  /** A request was answered `latencyMs` after it was sent. */
  answered(latencyMs: number, nowMs: number): void {
    this.#answers++
    this.#sumMs += latencyMs
    if (latencyMs < this.#quickestMs) this.#quickestMs = latencyMs
    if (this.#answers >= (this.depth === 1 ? ALONE_ANSWERS : SHARED_ANSWERS)) this.#think(nowMs)
  }

  /** Requests waited behind one that was slow. */
  stalled(nowMs: number): void {
    this.#standAlone(nowMs)
  }

  #think(nowMs: number): void {
    const { depthMax, fastMs, waitMs } = this.#settings
    const meanMs = this.#sumMs / this.#answers
    this.#meanMs = meanMs
    const isFast = this.#quickestMs <= fastMs
    this.#answers = 0
    this.#sumMs = 0
    this.#quickestMs = Number.POSITIVE_INFINITY
    if (this.depth === 1) {
      this.#aloneMs = meanMs
      if (isFast && nowMs >= this.#tryAtMs && depthMax > 1) this.depth = Math.min(FIRST_DEPTH, depthMax)
    } else if (meanMs <= this.#aloneMs * TOLERANCE + waitMs) this.depth = Math.min(this.depth * 2, depthMax)
    else if (this.depth > FIRST_DEPTH) this.depth = Math.floor(this.depth / 2)
    else this.#standAlone(nowMs)
  }

  #standAlone(nowMs: number): void {
    const { pauseMs, pauseMaxMs } = this.#settings
    const isSoonAgain = nowMs - this.#tryAtMs < this.#pauseMs
    this.#pauseMs = isSoonAgain ? Math.min(this.#pauseMs * 2, pauseMaxMs) : pauseMs
    this.#tryAtMs = nowMs + this.#pauseMs
    this.depth = 1
    this.#answers = 0
    this.#sumMs = 0
    this.#quickestMs = Number.POSITIVE_INFINITY
  }
}
