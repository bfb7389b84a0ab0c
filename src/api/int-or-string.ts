/** True for `0%` to any whole percentage. */
export function isPercent(value: number | string): value is string {
  return typeof value === 'string' && /^\d+%$/.test(value)
}

/** A number as it is, a percentage of `total` rounded up or down. Throws for any other string. */
export function scaledValue(value: number | string, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value
  if (!isPercent(value))
    throw new Error(`invalid value for IntOrString: "${value}" is neither a number nor a percentage`)
  const exact = (Number(value.slice(0, -1)) * total) / 100
  return roundUp ? Math.ceil(exact) : Math.floor(exact)
}
