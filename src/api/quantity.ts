/** A quantity as an exact number of nano-units, with the notation it came in. */
export interface Quantity {
  readonly nano: bigint
  readonly format: 'BinarySI' | 'DecimalSI' | 'DecimalExponent'
}

/** Text that is no quantity, in Kubernetes' words. */
export class QuantityError extends Error {
  constructor(text: string) {
    const formed = /^[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*$/.test(text.slice(0, LENGTH_MAX + 1))
    super(
      formed
        ? "unable to parse quantity's suffix"
        : "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    )
    this.name = 'QuantityError'
  }
}

const LENGTH_MAX = 64
const NANO = 1_000_000_000n
/** Kubernetes keeps no more than 2^63-1 of the smallest unit it can show. */
const NANO_MAX = ((1n << 63n) - 1n) * NANO
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const DECIMAL: readonly (readonly [string, number])[] = [
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]
const PATTERN = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,4}))?$/

const cache = new Map<string, Quantity>()
const CACHE_MAX = 4_096

/** Divides rounding away from zero, as quantities round when they are finer than nano. */
function divideUp(value: bigint, by: bigint): bigint {
  return value >= 0n ? (value + by - 1n) / by : -((-value + by - 1n) / by)
}

function parse(text: string): Quantity {
  const match = PATTERN.exec(text)
  if (match === null) throw new QuantityError(text)
  const [, sign, digits, suffix, exponent] = match
  const [whole, fraction = ''] = digits!.split('.')
  let value = BigInt(`${whole}${fraction}`)
  let scale = 9 - fraction.length
  let format: Quantity['format'] = 'DecimalSI'
  const binary = suffix === undefined ? -1 : BINARY.indexOf(suffix)
  if (binary > 0) {
    value <<= BigInt(10 * binary)
    format = 'BinarySI'
  } else if (exponent !== undefined) {
    scale += Number(exponent)
    format = 'DecimalExponent'
  } else scale += DECIMAL.find(([name]) => name === (suffix ?? ''))![1]
  // Far beyond anything that can be kept: do not compute powers of ten for an attacker.
  if (scale > 400) value = value === 0n ? 0n : NANO_MAX
  else if (scale < -400) value = value === 0n ? 0n : 1n
  else value = scale >= 0 ? value * 10n ** BigInt(scale) : divideUp(value, 10n ** BigInt(-scale))
  if (value > NANO_MAX) value = NANO_MAX
  return { nano: sign === '-' ? -value : value, format }
}

/** Reads a quantity: decimal, SI suffix, binary suffix or exponent. Throws QuantityError. */
export function parseQuantity(text: string): Quantity {
  const known = cache.get(text)
  if (known !== undefined) return known
  if (text.length > LENGTH_MAX) throw new QuantityError(text)
  const quantity = parse(text)
  if (cache.size >= CACHE_MAX) cache.clear()
  cache.set(text, quantity)
  return quantity
}

/** Negative, zero or positive, as for sorting. */
export function compareQuantities(a: string, b: string): number {
  const difference = parseQuantity(a).nano - parseQuantity(b).nano
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** Thousandths, rounded up: CPU. */
export function quantityToMilli(text: string): number {
  return Number(divideUp(parseQuantity(text).nano, 1_000_000n))
}

/** Whole units, rounded up: bytes, pods, counts. */
export function quantityToNumber(text: string): number {
  return Number(divideUp(parseQuantity(text).nano, NANO))
}

/** The canonical text: no fraction, the largest suffix that keeps the value whole, binary only for whole numbers ≥ 1024. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0'
  const sign = nano < 0n ? '-' : ''
  const value = nano < 0n ? -nano : nano
  if (format === 'BinarySI' && value % NANO === 0n && value >= 1024n * NANO) {
    let whole = value / NANO
    let step = 0
    while (step < BINARY.length - 1 && whole % 1024n === 0n) {
      whole /= 1024n
      step += 1
    }
    return `${sign}${whole}${BINARY[step]}`
  }
  let digits = value
  let scale = -9
  while (scale < 18 && digits % 1000n === 0n) {
    digits /= 1000n
    scale += 3
  }
  if (format === 'DecimalExponent') return `${sign}${digits}${scale === 0 ? '' : `e${scale}`}`
  return `${sign}${digits}${DECIMAL.find(([, s]) => s === scale)![0]}`
}

/** The canonical form of a quantity's text. */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text))
}
