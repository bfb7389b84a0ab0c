import { isIPv6 } from 'node:net'
import { parseIpv4 } from '../../../base/ipv4.ts'

/** The 16 bytes of an IPv6 address, its zone left out; undefined for anything else. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const plain = text.split('%', 1)[0]!
  if (!isIPv6(plain)) return undefined
  const [head = '', tail] = plain.split('::')
  const front = groupsOf(head)
  const back = tail === undefined ? [] : groupsOf(tail)
  const groups = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]))
}

/** The last may be written like an IPv4 address, and is two then. */
function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const value = parseIpv4(group) ?? 0
    return [Math.floor(value / 65_536), value % 65_536]
  })
}
