import { createHash } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { ClusterNetwork } from '../../agent/runtime/docker/cluster-network.ts'
import { type Ipv4Range, parseCidr } from '../../base/ipv4.ts'
import { UserError } from '../user-error.ts'

/** What marks this cluster's containers on an engine: also clusters of one name are told apart, by where they are kept. */
export function engineClusterId(name: string, dataDir: string): string {
  return `${name}-${createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 12)}`
}

function overlaps(a: Ipv4Range, b: Ipv4Range): boolean {
  return a.first < b.first + b.size && b.first < a.first + a.size
}

/** The ranges of a routing table as /proc/net/route shows it (numbers in the machine's byte order), but for default routes. */
export function routedRanges(table: string): readonly Ipv4Range[] {
  const number = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE()
  return (
    table
      .split('\n')
      .slice(1)
      .map((line) => line.split('\t'))
      .filter((fields) => fields.length > 7)
      .map((fields) => ({ first: number(fields[1]!), size: 2 ** 32 - number(fields[7]!) }))
      // Half of everything is how VPNs say default; what is that wide is no network that we would hide.
      .filter(({ size }) => size < 2 ** 24)
  )
}

/** Whether nothing that this machine is connected to has addresses in the range. */
export function isUnusedRange(cidr: string): boolean {
  const range = parseCidr(cidr)
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, cidr: text }) => family === 'IPv4' && text !== null)
    .map(({ cidr: text }) => parseCidr(text!))
  let table = ''
  try {
    table = readFileSync('/proc/net/route', 'latin1')
  } catch {
    // Then the interfaces have to do.
  }
  return ![...own, ...routedRanges(table)].some((used) => overlaps(used, range))
}

/** Has the engine ready for a cluster's pods: its network, and the image of their sandboxes. Throws UserError. */
export async function prepareDocker(host: string, network: ClusterNetwork): Promise<void> {
  const { prepareEngine } = await import('../../agent/runtime/docker/prepare-engine.ts')
  try {
    await prepareEngine(host, network)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UserError(
      `the Docker engine cannot be used: ${why}`,
      'start it (sudo systemctl start docker), give the address of another with --docker-host or DOCKER_HOST, or start a cluster without it: --runtime process',
      { cause },
    )
  }
}
