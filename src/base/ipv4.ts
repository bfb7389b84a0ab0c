/** An IPv4 address as a number; undefined for anything else, also for forms like `127.1` or leading zeros. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

/** A range of IPv4 addresses. */
export interface Ipv4Range {
  readonly first: number
  readonly size: number
}

/** Reads `127.70.0.0/16`; throws for anything that is no IPv4 CIDR. */
export function parseCidr(text: string): Ipv4Range {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text)
  const address = match === null ? undefined : parseIpv4(match[1]!)
  const bits = Number(match?.[2])
  if (address === undefined || bits > 32) throw new Error(`"${text}" is not an IPv4 range like 127.70.0.0/16`)
  const size = 2 ** (32 - bits)
  return { first: address - (address % size), size }
}

/** True for a well-formed IPv4 address inside the range. */
export function inRange(range: Ipv4Range, text: string): boolean {
  const address = parseIpv4(text)
  return address !== undefined && address >= range.first && address < range.first + range.size
}
