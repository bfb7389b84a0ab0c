/**
 * Prequal's answers to probes, one per member at most, in columns so that nothing is allocated per answer. Order means
 * nothing; a place is valid until the next change.
 */
export class ProbePool {
  readonly #members: Uint32Array
  readonly #inFlight: Float64Array
  readonly #latencyMs: Float64Array
  readonly #atMs: Float64Array
  readonly #usesLeft: Int32Array
  #size = 0

  constructor(capacity: number) {
    this.#members = new Uint32Array(capacity)
    this.#inFlight = new Float64Array(capacity)
    this.#latencyMs = new Float64Array(capacity)
    this.#atMs = new Float64Array(capacity)
    this.#usesLeft = new Int32Array(capacity)
  }

  size(): number {
    return this.#size
  }

  memberAt(place: number): number {
    return this.#members[place]!
  }

  inFlightAt(place: number): number {
    return this.#inFlight[place]!
  }

  latencyMsAt(place: number): number {
    return this.#latencyMs[place]!
  }

  /** Takes the place of the member's last answer, else a free one, else that of the oldest. */
  add(member: number, inFlight: number, latencyMs: number, atMs: number, uses: number): void {
    let place = 0
    while (place < this.#size && this.#members[place] !== member) place += 1
    if (place === this.#members.length) {
      if (place === 0) return
      this.dropOldest()
      place = this.#size
    }
    if (place === this.#size) this.#size += 1
    this.#write(place, member, inFlight, latencyMs, atMs, uses)
  }

  /** The answer at `place` of another pool, under the number its member has here. */
  copy(from: ProbePool, place: number, member: number): void {
    this.add(member, from.#inFlight[place]!, from.#latencyMs[place]!, from.#atMs[place]!, from.#usesLeft[place]!)
  }

  /** A query goes to the member: one more in flight there, one use less left. */
  use(place: number): void {
    this.#inFlight[place]! += 1
    this.#usesLeft[place]! -= 1
    if (this.#usesLeft[place]! <= 0) this.#drop(place)
  }

  dropOlderThan(atMs: number): void {
    for (let place = this.#size - 1; place >= 0; place--) if (this.#atMs[place]! < atMs) this.#drop(place)
  }

  dropOldest(): void {
    let oldest = 0
    for (let place = 1; place < this.#size; place++) if (this.#atMs[place]! < this.#atMs[oldest]!) oldest = place
    if (this.#size > 0) this.#drop(oldest)
  }

  /** The one with most in flight of those with more than `hotAbove`; if there is none, the slowest. */
  dropWorst(hotAbove: number): void {
    let hottest = -1
    let slowest = 0
    for (let place = 0; place < this.#size; place++) {
      if (this.#latencyMs[place]! > this.#latencyMs[slowest]!) slowest = place
      const inFlight = this.#inFlight[place]!
      if (inFlight > hotAbove && (hottest < 0 || inFlight > this.#inFlight[hottest]!)) hottest = place
    }
    if (this.#size > 0) this.#drop(hottest >= 0 ? hottest : slowest)
  }

  #drop(place: number): void {
    this.#size -= 1
    const last = this.#size
    this.#write(
      place,
      this.#members[last]!,
      this.#inFlight[last]!,
      this.#latencyMs[last]!,
      this.#atMs[last]!,
      this.#usesLeft[last]!,
    )
  }

  #write(place: number, member: number, inFlight: number, latencyMs: number, atMs: number, usesLeft: number): void {
    this.#members[place] = member
    this.#inFlight[place] = inFlight
    this.#latencyMs[place] = latencyMs
    this.#atMs[place] = atMs
    this.#usesLeft[place] = usesLeft
  }
}
