import { formatQuantity, parseQuantity, type Quantity } from '../../api/quantity.ts'

/** Resource → how much of it. */
export type Amounts = ReadonlyMap<string, Quantity>

/** Amounts as objects of the API hold them. */
export type AmountTexts = Readonly<Record<string, string>>

export const ZERO: Quantity = { nano: 0n, format: 'DecimalSI' }

/** So many pieces. */
export function pieces(count: number): Quantity {
  return { nano: BigInt(count) * 1_000_000_000n, format: 'DecimalSI' }
}

export function parseAmounts(texts: AmountTexts | undefined): Map<string, Quantity> {
  return new Map(Object.entries(texts ?? {}).map(([name, text]) => [name, parseQuantity(text)]))
}

/** The sum, in the notation of the first that is not nothing. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format }
}

/** Adds amounts onto others. */
export function addOnto(total: Map<string, Quantity>, more: Amounts): void {
  for (const [name, quantity] of more) total.set(name, addQuantities(total.get(name) ?? ZERO, quantity))
}

/** Raises amounts to at least others. */
export function raiseTo(total: Map<string, Quantity>, least: Amounts): void {
  for (const [name, quantity] of least) {
    const known = total.get(name)
    if (known === undefined || known.nano < quantity.nano) total.set(name, quantity)
  }
}

/** The texts of amounts, by name in order. */
export function formatAmounts(amounts: Amounts): Record<string, string> {
  const sorted = [...amounts].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([name, quantity]) => [name, formatQuantity(quantity)]))
}

/** `cpu=1,pods=3`, as Kubernetes words refusals. */
export function describeAmounts(amounts: Amounts): string {
  return Object.entries(formatAmounts(amounts))
    .map(([name, text]) => `${name}=${text}`)
    .join(',')
}
