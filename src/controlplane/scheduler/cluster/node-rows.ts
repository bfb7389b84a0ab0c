/** Numbers of one node; so many that a row is one cache line. */
export const ROW_LENGTH = 8

/**
 * The numbers that every decision reads of hundreds of nodes, side by side instead of scattered over the heap: at 5,000
 * nodes, most of what a decision costs is waiting for memory. A slot is a node's place here.
 */
export class NodeRows {
  data = new Float64Array(64 * ROW_LENGTH)
  readonly #free: number[] = []
  #used = 0

  /** A slot of zeros. */
  allocate(): number {
    const slot = this.#free.pop() ?? this.#used++
    if ((slot + 1) * ROW_LENGTH > this.data.length) {
      const larger = new Float64Array(this.data.length * 2)
      larger.set(this.data)
      this.data = larger
    }
    return slot
  }

  free(slot: number): void {
    this.data.fill(0, slot * ROW_LENGTH, (slot + 1) * ROW_LENGTH)
    this.#free.push(slot)
  }
}
