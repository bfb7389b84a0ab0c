/** Bits of each byte's code, and of the end of string (RFC 7541 appendix B). The code is canonical: they say all of it. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
] as const

const END_OF_STRING = 256
const NONE = -1

/** Bits of a table entry: the next state in the lowest 8, a byte in the next 8. */
const EMITS = 1 << 16
const FAILS = 1 << 17
/** Four bits at a time: at `state * 16 + bits`. A state is an inner node of the tree. */
const STEPS = new Uint32Array(256 * 16)
/** States in which a string may end: all ones since the last byte, fewer than eight. */
const MAY_END = new Uint8Array(256)
build()

function build(): void {
  // Inner nodes as pairs: a next node, or `-2 - symbol` for a leaf, or `NONE`.
  const children: [number, number][] = [[NONE, NONE]]
  const symbols = LENGTHS.map((_, symbol) => symbol).sort((x, y) => LENGTHS[x]! - LENGTHS[y]! || x - y)
  let code = 0
  let length = LENGTHS[symbols[0]!]!
  for (const symbol of symbols) {
    code *= 2 ** (LENGTHS[symbol]! - length)
    length = LENGTHS[symbol]!
    let node = 0
    for (let i = length - 1; i >= 0; i--) {
      const bit = Math.floor(code / 2 ** i) & 1
      if (i === 0) children[node]![bit] = -2 - symbol
      else if (children[node]![bit] === NONE) {
        children.push([NONE, NONE])
        node = children[node]![bit] = children.length - 1
      } else node = children[node]![bit]!
    }
    code++
  }
  for (let state = 0; state < children.length; state++) {
    for (let bits = 0; bits < 16; bits++) STEPS[state * 16 + bits] = stepOf(children, state, bits)
  }
  let node = 0
  for (let depth = 0; depth < 8; depth++) {
    MAY_END[node] = 1
    node = children[node]![1]
  }
}

function stepOf(children: readonly (readonly [number, number])[], state: number, bits: number): number {
  let node = state
  let emitted = 0
  for (let i = 3; i >= 0; i--) {
    const next = children[node]![((bits >> i) & 1) as 0 | 1]
    if (next >= 0) node = next
    else {
      const symbol = -2 - next
      if (symbol === END_OF_STRING) return FAILS
      emitted = EMITS | (symbol << 8)
      node = 0
    }
  }
  return node | emitted
}

/**
 * Decodes `b[start, end)` to `out` from `at`, which has the room; returns where it ends there, -1 for what is no code:
 * an end of string within, padding of a byte or more, or of anything but ones (RFC 7541 §5.2).
 */
export function decodeHuffman(b: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let state = 0
  let q = at
  for (let p = start; p < end; p++) {
    const byte = b[p]!
    const first = STEPS[state * 16 + (byte >> 4)]!
    if ((first & EMITS) !== 0) out[q++] = (first >> 8) & 255
    const second = STEPS[(first & 255) * 16 + (byte & 15)]!
    if ((second & EMITS) !== 0) out[q++] = (second >> 8) & 255
    if (((first | second) & FAILS) !== 0) return -1
    state = second & 255
  }
  return MAY_END[state] === 1 ? q : -1
}
