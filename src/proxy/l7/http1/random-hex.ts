const DIGITS = Uint8Array.from(Buffer.from('0123456789abcdef', 'latin1'))

/**
 * Random hexadecimal digits for request and trace ids, without allocation: xoshiro128** (Blackman and Vigna 2018).
 * Ids need to be unlikely to meet, not hard to guess.
 */
export class RandomHex {
  readonly #state = new Int32Array(4)

  /** Four words, not all zero. */
  constructor(seed: Int32Array) {
    this.#state.set(seed.subarray(0, 4))
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1
  }

  /** Writes `digits` of them (a multiple of 8), not all `0`; returns where they end. */
  write(out: Uint8Array, at: number, digits: number): number {
    let p = at
    for (let n = 0; n < digits; n += 8) {
      let word = this.#next()
      // Trace and span ids of zeros alone are invalid.
      if (n === 0 && word === 0) word = 1
      for (let shift = 28; shift >= 0; shift -= 4) out[p++] = DIGITS[(word >>> shift) & 15]!
    }
    return p
  }

  #next(): number {
    const s = this.#state
    const s1 = s[1]!
    const x = Math.imul(s1, 5)
    const result = Math.imul((x << 7) | (x >>> 25), 9)
    s[2] = s[2]! ^ s[0]!
    s[3] = s[3]! ^ s1
    s[1] = s1 ^ s[2]!
    s[0] = s[0]! ^ s[3]!
    s[2] = s[2]! ^ (s1 << 9)
    const s3 = s[3]!
    s[3] = (s3 << 11) | (s3 >>> 21)
    return result
  }
}
