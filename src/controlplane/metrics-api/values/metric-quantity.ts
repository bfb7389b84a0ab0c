import { formatQuantity } from '../../../api/quantity.ts'

/** Quantities end at 2^63-1. */
const VALUE_MAX = 2 ** 62

/** A number as a quantity: in thousandths, below one in millionths. */
export function metricQuantity(value: number): string {
  const limited = Math.max(-VALUE_MAX, Math.min(VALUE_MAX, value))
  const nano =
    Math.abs(limited) < 1
      ? BigInt(Math.round(limited * 1e6)) * 1_000n
      : Math.abs(limited) < 1e12
        ? BigInt(Math.round(limited * 1e3)) * 1_000_000n
        : BigInt(Math.round(limited)) * 1_000_000_000n
  return formatQuantity({ nano, format: 'DecimalSI' })
}
