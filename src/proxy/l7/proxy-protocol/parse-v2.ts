import type { ConnectionEnd } from './connection-ends.ts'
import { formatIpv6 } from './format-ipv6.ts'
import { INCOMPLETE, PROXY_HEADER_BYTES_MAX, type ProxyHeaderReading, refused } from './proxy-header-reading.ts'

const FIXED_BYTES = 16
const VERSION = 2
const LOCAL = 0
const PROXY = 1
const UNSPEC = 0
const IPV4 = 1
const IPV6 = 2
const UNIX = 3
/** What two addresses (and ports, where there are any) of each family take. */
const ADDRESS_BYTES = { [UNSPEC]: 0, [IPV4]: 12, [IPV6]: 36, [UNIX]: 216 } as const
const TLV_HEAD_BYTES = 3

/** Reads the binary header; its first 12 bytes have been seen. */
export function parseProxyHeaderV2(b: Uint8Array): ProxyHeaderReading {
  if (b.length < 13) return INCOMPLETE
  const command = b[12]! & 15
  if (b[12]! >> 4 !== VERSION || (command !== LOCAL && command !== PROXY)) return refused('bad-proxy-command')
  if (b.length < 14) return INCOMPLETE
  const family = (b[13]! >> 4) as 0 | 1 | 2 | 3
  // A family goes with a stream or datagrams, and no family with no transport. With LOCAL all of this is passed over.
  const transport = b[13]! & 15
  const isKnown = family === UNSPEC ? transport === 0 : family <= UNIX && (transport === 1 || transport === 2)
  if (command === PROXY && !isKnown) return refused('bad-proxy-family')
  if (b.length < FIXED_BYTES) return INCOMPLETE
  const bytes = FIXED_BYTES + b[14]! * 256 + b[15]!
  if (bytes > PROXY_HEADER_BYTES_MAX) return refused('proxy-header-too-long')
  const addressEnd = FIXED_BYTES + (command === PROXY ? ADDRESS_BYTES[family] : 0)
  if (bytes < addressEnd) return refused('bad-proxy-length')
  if (b.length < bytes) return INCOMPLETE
  if (command === LOCAL || family === UNSPEC) return { kind: 'read', bytes, ends: undefined }
  if (!areTlvs(b, addressEnd, bytes)) return refused('bad-proxy-tlv')
  if (family === UNIX) return { kind: 'read', bytes, ends: undefined }
  const size = family === IPV4 ? 4 : 16
  const ports = FIXED_BYTES + 2 * size
  return {
    kind: 'read',
    bytes,
    ends: {
      source: endAt(b, FIXED_BYTES, size, ports),
      destination: endAt(b, FIXED_BYTES + size, size, ports + 2),
    },
  }
}

function endAt(b: Uint8Array, at: number, size: number, portAt: number): ConnectionEnd {
  const bytes = b.subarray(at, at + size)
  return {
    address: size === 4 ? bytes.join('.') : formatIpv6(bytes),
    port: b[portAt]! * 256 + b[portAt + 1]!,
  }
}

/** Type, length in two bytes, value: they are passed over, but have to end where the header does. */
function areTlvs(b: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    if (end - at < TLV_HEAD_BYTES) return false
    at += TLV_HEAD_BYTES + b[at + 1]! * 256 + b[at + 2]!
  }
  return at === end
}
