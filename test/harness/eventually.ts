/** Tries until `probe` neither throws nor returns undefined; rethrows the last failure after `withinMs`. */
export async function eventually<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  withinMs = 30_000,
  what = 'it',
): Promise<T> {
  const deadline = performance.now() + withinMs
  let last: unknown
  while (performance.now() < deadline) {
    try {
      const result = await probe()
      if (result !== undefined) return result
      last = undefined
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw last ?? new Error(`${what} did not happen within ${withinMs} ms`)
}
