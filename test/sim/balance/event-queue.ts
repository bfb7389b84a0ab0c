/** What happens when, on virtual time: in order of time, then of planning. A binary heap. */
export class EventQueue {
  readonly #times: number[] = []
  readonly #orders: number[] = []
  readonly #events: (() => void)[] = []
  #planned = 0
  #nowMs = 0

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, event: () => void): void {
    let at = this.#times.length
    const time = this.#nowMs + delayMs
    const order = this.#planned++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#times[parent]! <= time) break
      this.#move(parent, at)
      at = parent
    }
    this.#times[at] = time
    this.#orders[at] = order
    this.#events[at] = event
  }

  /** Until nothing is planned any more. */
  run(): void {
    while (this.#times.length > 0) {
      this.#nowMs = this.#times[0]!
      this.#take()()
    }
  }

  #take(): () => void {
    const first = this.#events[0]!
    const time = this.#times.pop()!
    const order = this.#orders.pop()!
    const event = this.#events.pop()!
    const size = this.#times.length
    if (size === 0) return first
    let at = 0
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#isBefore(child + 1, this.#times[child]!, this.#orders[child]!)) child += 1
      if (!this.#isBefore(child, time, order)) break
      this.#move(child, at)
      at = child
    }
    this.#times[at] = time
    this.#orders[at] = order
    this.#events[at] = event
    return first
  }

  #isBefore(i: number, time: number, order: number): boolean {
    return this.#times[i]! < time || (this.#times[i]! === time && this.#orders[i]! < order)
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from]!
    this.#orders[to] = this.#orders[from]!
    this.#events[to] = this.#events[from]!
  }
}
