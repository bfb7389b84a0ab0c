import { BlockList, isIP } from 'node:net'
import type { Container } from '../../api/types/core-v1.gen.ts'

/** A probe or hook that points where this agent does not go. */
export class ProbeTargetError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProbeTargetError'
  }
}

/**
 * Decides where probes and hooks may connect: the pod's own address by default, else an address of the cluster's range
 * or the machine's loopback when the probe names it. Names are not resolved, so nothing can change between the check
 * and the connection.
 */
export class ProbeTargets {
  readonly #cluster = new BlockList()

  constructor(clusterCidr: string) {
    const [base, bits] = clusterCidr.split('/')
    this.#cluster.addSubnet(base!, Number(bits), 'ipv4')
  }

  /** An address of the cluster's own range as it is; throws ProbeTargetError for any other. */
  clusterAddress(address: string): string {
    if (isIP(address) === 4 && this.#cluster.check(address, 'ipv4')) return address
    throw new ProbeTargetError(`address "${address}" is not of this cluster`)
  }

  host(asked: string | undefined, podIp: string): string {
    if (asked === undefined || asked === '' || asked === podIp) return podIp
    const host = asked === 'localhost' ? '127.0.0.1' : asked
    if (host === '127.0.0.1' || host === '::1' || (isIP(host) === 4 && this.#cluster.check(host, 'ipv4'))) return host
    throw new ProbeTargetError(
      `host "${asked}" is not allowed here: leave it out for the pod's own address, or give one of the cluster's range or localhost`,
    )
  }
}

/** A port by number or by the name of one of the container's ports. */
export function probePort(port: number | string, container: Container): number {
  const number = typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : undefined
  const found = number ?? container.ports?.find(({ name }) => name === port)?.containerPort
  if (found === undefined || !(found > 0 && found < 65_536))
    throw new ProbeTargetError(`couldn't find port: ${JSON.stringify(port)} of container ${container.name}`)
  return found
}
