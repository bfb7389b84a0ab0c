import { parseCidr } from '../../../base/ipv4.ts'

const RTM_NEWROUTE = 24
/** Request, acknowledge, create, or replace what is there. */
const FLAGS = 0x1 | 0x4 | 0x400 | 0x100
const AF_INET = 2
const TABLE_LOCAL = 255
const PROTOCOL_STATIC = 4
const SCOPE_HOST = 254
const TYPE_LOCAL = 2
const RTA_DST = 1
const RTA_OIF = 4
/** The loopback interface is the first one of every network namespace. */
const LOOPBACK_INDEX = 1

/**
 * The netlink message (rtnetlink(7)) of `ip route replace local <cidr> dev lo`: every address of the range
 * belongs to this machine then, and programs can listen on each of them without an interface that names it.
 */
export function localRouteMessage(cidr: string): Buffer {
  const bits = Number(cidr.split('/')[1])
  const message = Buffer.alloc(16 + 12 + 8 + 8)
  message.writeUInt32LE(message.length, 0)
  message.writeUInt16LE(RTM_NEWROUTE, 4)
  message.writeUInt16LE(FLAGS, 6)
  message.writeUInt32LE(1, 8) // sequence
  message.set([AF_INET, bits, 0, 0, TABLE_LOCAL, PROTOCOL_STATIC, SCOPE_HOST, TYPE_LOCAL], 16)
  message.writeUInt16LE(8, 28)
  message.writeUInt16LE(RTA_DST, 30)
  message.writeUInt32BE(parseCidr(cidr).first, 32)
  message.writeUInt16LE(8, 36)
  message.writeUInt16LE(RTA_OIF, 38)
  message.writeUInt32LE(LOOPBACK_INDEX, 40)
  return message
}
