import { isIPv6 } from 'node:net'
import { parseIpv4 } from '../../../base/ipv4.ts'
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
  const isAddress = family === 'TCP4' ? isIpv4 : isPlainIpv6
  if (!isAddress(source) || !isAddress(destination)) return refused('bad-proxy-address')
  if (!isPort(sourcePort) || !isPort(destinationPort)) return refused('bad-proxy-port')
  return {
    kind: 'read',
    bytes,
    ends: {
      source: { address: source, port: Number(sourcePort) },
      destination: { address: destination, port: Number(destinationPort) },
    },
  }
}

function isIpv4(text: string): boolean {
  return parseIpv4(text) !== undefined
}

function isPlainIpv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]+$/.test(text) && isIPv6(text)
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}
