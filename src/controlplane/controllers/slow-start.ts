/**
 * Runs `count` calls in batches of 1, 2, 4, … and stops after the first batch in which one fails, so that a hopeless
 * cause costs one call and not hundreds. Returns how many were started and what failed.
 */
export async function slowStart(
  count: number,
  call: () => Promise<void>,
): Promise<{ readonly started: number; readonly errors: readonly unknown[] }> {
  let started = 0
  for (let batch = 1; started < count; batch *= 2) {
    const size = Math.min(batch, count - started)
    started += size
    const results = await Promise.allSettled(Array.from({ length: size }, call))
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    if (errors.length > 0) return { started, errors }
  }
  return { started, errors: [] }
}
