/** The value with this number: it can be told from every other, and lengths differ from nothing to three pages. */
export function numberedValue(number: number): Buffer {
  return Buffer.from(`${number}|${'x'.repeat((number * 7_919) % 12_000)}`)
}
