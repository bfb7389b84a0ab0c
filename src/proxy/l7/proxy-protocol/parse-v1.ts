import { parseIpv4 } from '../../../base/ipv4.ts'
import { formatIpv6 } from './format-ipv6.ts'
import { parseIpv6 } from './parse-ipv6.ts'
import { INCOMPLETE, type ProxyHeaderReading, refused } from './proxy-header-reading.ts'

/** With CRLF; §2.1 of the specification counts what the longest line can be. */
const LINE_BYTES_MAX = 107
const CR = 13
const LF = 10

/** Reads `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80` CR LF; `PROXY ` has been seen. */
export function parseProxyHeaderV1(b: Uint8Array): ProxyHeaderReading {
  const known = Math.min(b.length, LINE_BYTES_MAX)
  let end = 0
  while (end < known && b[end] !== CR && b[end] !== LF) end++
  if (end === known || (b[end] === CR && end + 1 === known)) {
    return known === LINE_BYTES_MAX ? refused('proxy-header-too-long') : INCOMPLETE
  }
  if (b[end] !== CR || b[end + 1] !== LF) return refused('bad-proxy-protocol')
  const bytes = end + 2
  const words = Buffer.from(b.buffer, b.byteOffset, end).toString('latin1').split(' ')
  // The sender does not know, and whatever else it says is to be passed over.
  if (words[1] === 'UNKNOWN') return { kind: 'read', bytes, ends: undefined }
  if (words.length !== 6 || (words[1] !== 'TCP4' && words[1] !== 'TCP6')) return refused('bad-proxy-protocol')
  const [, family, source, destination, sourcePort, destinationPort] = words as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const addressOf = family === 'TCP4' ? ipv4Of : ipv6Of
  const from = addressOf(source)
  const to = addressOf(destination)
  if (from === undefined || to === undefined) return refused('bad-proxy-address')
  if (!isPort(sourcePort) || !isPort(destinationPort)) return refused('bad-proxy-port')
  return {
    kind: 'read',
    bytes,
    ends: {
      source: { address: from, port: Number(sourcePort) },
      destination: { address: to, port: Number(destinationPort) },
    },
  }
}

function ipv4Of(text: string): string | undefined {
  return parseIpv4(text) === undefined ? undefined : text
}

/** In one spelling, without a zone. */
function ipv6Of(text: string): string | undefined {
  const bytes = text.includes('%') ? undefined : parseIpv6(text)
  return bytes === undefined ? undefined : formatIpv6(bytes)
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}
