const SHARES_PER_CPU = 1024
const SHARES_MIN = 2
const SHARES_MAX = 262_144
export const QUOTA_PERIOD_US = 100_000
const QUOTA_MIN_US = 1_000

/** The kubelet's cpu.shares for a request; what asks for nothing gets the least there is. */
export function cpuShares(milliRequest: number | undefined): number {
  const shares = Math.floor(((milliRequest ?? 0) * SHARES_PER_CPU) / 1000)
  return Math.min(Math.max(shares, SHARES_MIN), SHARES_MAX)
}

/** The kubelet's CFS quota for a limit, in microseconds of each period; undefined without a limit. */
export function cpuQuotaUs(milliLimit: number | undefined): number | undefined {
  if (milliLimit === undefined || milliLimit === 0) return undefined
  return Math.max(Math.floor((milliLimit * QUOTA_PERIOD_US) / 1000), QUOTA_MIN_US)
}
