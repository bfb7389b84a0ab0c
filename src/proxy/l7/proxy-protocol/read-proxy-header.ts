import { parseProxyHeaderV1 } from './parse-v1.ts'
import { parseProxyHeaderV2 } from './parse-v2.ts'
import { INCOMPLETE, type ProxyHeaderReading, refused } from './proxy-header-reading.ts'

/** `PROXY`, and the 12 bytes that no other protocol begins with. */
const V1_START = Buffer.from('PROXY ', 'latin1')
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/**
 * Reads the header that a connection begins with (HAProxy's `proxy-protocol.txt`, versions 1 and 2) from all bytes that
 * have arrived so far. Once it is not `incomplete`, more bytes do not change what it says.
 */
export function readProxyHeader(b: Uint8Array): ProxyHeaderReading {
  if (b.length === 0) return INCOMPLETE
  const isV1 = b[0] === V1_START[0]
  const start = isV1 ? V1_START : V2_START
  const known = Math.min(b.length, start.length)
  for (let i = 0; i < known; i++) if (b[i] !== start[i]) return refused('no-proxy-header')
  if (known < start.length) return INCOMPLETE
  return isV1 ? parseProxyHeaderV1(b) : parseProxyHeaderV2(b)
}
