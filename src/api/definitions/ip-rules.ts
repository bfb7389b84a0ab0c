import { BlockList, isIP, isIPv4 } from 'node:net'

const NOT_AN_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const NOT_A_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

/** A range as `127.64.0.0/10`; throws for anything that is none. */
function rangeOf(...cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address, bits] = cidr.split('/')
    list.addSubnet(address!, Number(bits), isIPv4(address!) ? 'ipv4' : 'ipv6')
  }
  return list
}

const LOOPBACK = rangeOf('127.0.0.0/8', '::1/128')
const LINK_LOCAL = rangeOf('169.254.0.0/16', 'fe80::/10')
const LINK_LOCAL_MULTICAST = rangeOf('224.0.0.0/24', 'ff02::/16')
const UNSPECIFIED = rangeOf('0.0.0.0/32', '::/128')
const ranges = new Map<string, BlockList>()

/** BlockList sees IPv4 addresses mapped into IPv6 as what they are. */
function within(range: BlockList, address: string): boolean {
  return range.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

function knownRange(cidr: string): BlockList {
  let range = ranges.get(cidr)
  if (range === undefined) {
    range = rangeOf(cidr)
    ranges.set(cidr, range)
  }
  return range
}

export function ipErrors(value: string): readonly string[] {
  // A zone (`fe80::1%eth0`) means something on one machine only.
  return isIP(value) === 0 || value.includes('%') ? [NOT_AN_IP] : []
}

export function cidrErrors(value: string): readonly string[] {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(value)
  const family = match === null ? 0 : isIP(match[1]!)
  return family === 0 || Number(match![2]) > (family === 4 ? 32 : 128) ? [NOT_A_CIDR] : []
}

/** What is wrong with an address that traffic would be sent to: special addresses belong to whoever dials them. */
export function specialAddressErrors(address: string): readonly string[] {
  if (within(UNSPECIFIED, address)) return [`may not be unspecified (${address})`]
  if (within(LOOPBACK, address)) return ['may not be in the loopback range (127.0.0.0/8, ::1/128)']
  if (within(LINK_LOCAL, address)) return ['may not be in the link-local range (169.254.0.0/16, fe80::/10)']
  if (within(LINK_LOCAL_MULTICAST, address))
    return ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)']
  return []
}

/**
 * What is wrong with an endpoint's address. wherry's pods live in loopback, so the part of it that clusters own
 * (`allowedLoopback`, an IPv4 CIDR) is let through; every other special address is refused (CVE-2021-25737).
 */
export function validateEndpointAddress(address: string, allowedLoopback: string): readonly string[] {
  const errors = ipErrors(address)
  if (errors.length > 0) return errors
  // Only the plain form: a mapped one would be dialled as IPv4 behind the back of whoever compares text.
  if (isIPv4(address) && within(knownRange(allowedLoopback), address)) return []
  return specialAddressErrors(address)
}

/** Where the clusters of a machine have their ranges: `127.64.0.0` to `127.127.255.255`. */
export const CLUSTER_LOOPBACK = '127.64.0.0/10'
