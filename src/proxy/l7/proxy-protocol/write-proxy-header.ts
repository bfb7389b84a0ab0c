import { parseIpv4 } from '../../../base/ipv4.ts'
import type { ConnectionEnd, ConnectionEnds } from './connection-ends.ts'
import { formatIpv6 } from './format-ipv6.ts'
import { parseIpv6 } from './parse-ipv6.ts'

export type ProxyProtocolVersion = 'v1' | 'v2'

const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21', 'latin1')
const UNSPEC = Buffer.from([...V2_START, 0, 0, 0])
const UNKNOWN = Buffer.from('PROXY UNKNOWN\r\n', 'latin1')
const TCP4 = 0x11
const TCP6 = 0x21

/**
 * The header to begin a connection with that is made for a client's. Says that it knows nothing when `ends` is undefined
 * or holds something that is no address. Where only one end is IPv4, both are written as IPv6.
 */
export function writeProxyHeader(version: ProxyProtocolVersion, ends: ConnectionEnds | undefined): Buffer {
  const source = ends === undefined ? undefined : bytesOf(ends.source)
  const destination = ends === undefined ? undefined : bytesOf(ends.destination)
  if (ends === undefined || source === undefined || destination === undefined) {
    return version === 'v1' ? UNKNOWN : UNSPEC
  }
  const isV4 = source.length === 4 && destination.length === 4
  const from = isV4 ? source : asIpv6(source)
  const to = isV4 ? destination : asIpv6(destination)
  const ports = [ends.source.port, ends.destination.port] as const
  if (version === 'v1') {
    const text = (bytes: Uint8Array): string => (isV4 ? bytes.join('.') : formatIpv6(bytes))
    return Buffer.from(`PROXY ${isV4 ? 'TCP4' : 'TCP6'} ${text(from)} ${text(to)} ${ports.join(' ')}\r\n`, 'latin1')
  }
  return Buffer.from([
    ...V2_START,
    isV4 ? TCP4 : TCP6,
    0,
    from.length + to.length + 4,
    ...from,
    ...to,
    ...ports.flatMap((port) => [port >> 8, port & 255]),
  ])
}

/** 4 bytes for IPv4, also where a socket for both shows it as `::ffff:192.0.2.1`; else 16. */
function bytesOf({ address }: ConnectionEnd): Uint8Array | undefined {
  const value = parseIpv4(address)
  if (value !== undefined) return Uint8Array.of(value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255)
  const bytes = parseIpv6(address)
  if (bytes === undefined) return undefined
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  return isMapped ? bytes.subarray(12) : bytes
}

function asIpv6(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes
  return Uint8Array.of(...new Array<number>(10).fill(0), 255, 255, ...bytes)
}
