/** Other work gets its turn after this many. */
const SLICE = 250

/** What `make` makes of each, without those of which it makes nothing; a long list holds nothing else up. */
export async function inSlices<T, R>(all: readonly T[], make: (one: T) => R | undefined): Promise<readonly R[]> {
  const made: R[] = []
  for (const [i, one] of all.entries()) {
    if (i > 0 && i % SLICE === 0) await new Promise((resolve) => setImmediate(resolve))
    const result = make(one)
    if (result !== undefined) made.push(result)
  }
  return made
}
