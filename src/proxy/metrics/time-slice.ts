/** Work is put aside for what else waits in the event loop when it has gone on for so long. */
const SLICE_MS = 5

/** Cuts long work into slices: ask `isOver` often, and then wait for `next`. */
export class TimeSlice {
  #untilMs = performance.now() + SLICE_MS

  get isOver(): boolean {
    return performance.now() >= this.#untilMs
  }

  /** Resolves when everything else has had its turn. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#untilMs = performance.now() + SLICE_MS
  }
}
