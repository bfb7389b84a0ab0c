/** Nearest rank: the smallest value that at least this part (0 to 1) of them does not exceed; NaN if there is none. */
export function percentile(ascending: ArrayLike<number>, part: number): number {
  const rank = Math.max(1, Math.ceil(part * ascending.length))
  return ascending[rank - 1] ?? Number.NaN
}
