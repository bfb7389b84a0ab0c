import { type FieldError, invalid } from '../../api/field-error.ts'
import type { Draft } from '../../api/object.ts'
import { invalidError, StatusError } from '../../api/status-error.ts'
import type { Service, ServicePort } from '../../api/types/core-v1.gen.ts'
import { formatIpv4, inRange, parseCidr, parseIpv4 } from '../../base/ipv4.ts'
import type { AdmissionEffect, AdmissionPlugin } from '../apiserver/admission.ts'
import { bandSize, NumberPool } from './number-pool.ts'

export interface ServiceAddressOptions {
  readonly serviceCidr: string
  readonly nodePorts: { readonly first: number; readonly last: number }
  /** Every Service there is, read from the API's own copy. */
  readonly list: () => Promise<readonly Service[]>
  readonly random: () => number
}

export interface ServiceAddresses extends AdmissionPlugin {
  /**
   * Makes the pools agree with the stored Services: takes what they have, and gives back what nobody has had at two
   * repairs in a row (a write may have been under way at the first). Returns addresses that two Services claim.
   */
  repair(): Promise<readonly string[]>
}

/** What one Service holds: its cluster IP as a number, node ports as `port/protocol` slots. */
interface Claim {
  readonly ip: number | undefined
  readonly ports: readonly { readonly port: number; readonly path: string }[]
}

const SERVICE_KIND = { group: '', kind: 'Service' }

function ownerOf(service: { readonly metadata?: { readonly namespace?: string; readonly name?: string } }): string {
  return `${service.metadata?.namespace}/${service.metadata?.name}`
}

function usesClusterIp(service: Draft<Service> | Service): boolean {
  return service.spec?.type !== 'ExternalName' && service.spec?.clusterIP !== 'None'
}

function usesNodePorts(service: Draft<Service> | Service): boolean {
  const { type, allocateLoadBalancerNodePorts } = service.spec ?? {}
  return type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false)
}

function needsHealthCheckPort(service: Draft<Service> | Service): boolean {
  return service.spec?.type === 'LoadBalancer' && service.spec.externalTrafficPolicy === 'Local'
}

function claimOf(service: Service): Claim {
  const { clusterIP, ports = [], healthCheckNodePort } = service.spec ?? {}
  const claimed = ports.flatMap((port, i) =>
    port.nodePort ? [{ port: port.nodePort, path: `spec.ports[${i}].nodePort` }] : [],
  )
  if (healthCheckNodePort) claimed.push({ port: healthCheckNodePort, path: 'spec.healthCheckNodePort' })
  return { ip: clusterIP === undefined ? undefined : parseIpv4(clusterIP), ports: claimed }
}

/** Cluster IPs and node ports of Services: given out at admission, kept on update, given back when a write fails or an object goes. */
export function createServiceAddresses(options: ServiceAddressOptions): ServiceAddresses {
  const { nodePorts, random } = options
  const range = parseCidr(options.serviceCidr)
  // The range's first address is the network's own and its last the broadcast address: Kubernetes hands out neither.
  const ips = new NumberPool(range.first + 1, range.size - 2, bandSize(range.size, 16, 256), random)
  const portCount = nodePorts.last - nodePorts.first + 1
  const ports = new NumberPool(nodePorts.first, portCount, bandSize(portCount, 32, 128), random)
  const suspects = new Set<string>()

  const takeIp = (service: Draft<Service>, owner: string, taken: (() => void)[], errors: FieldError[]): void => {
    const spec = service.spec!
    const asked = spec.clusterIP ?? spec.clusterIPs?.[0]
    if (asked === 'None') {
      spec.clusterIP = 'None'
      spec.clusterIPs = ['None']
      return
    }
    let value: number | undefined
    if (asked !== undefined && asked !== '') {
      value = parseIpv4(asked)
      if (value === undefined || !inRange(range, asked) || !ips.contains(value)) {
        errors.push(
          invalid(
            'spec.clusterIPs',
            [asked],
            `failed to allocate IP ${asked}: the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${options.serviceCidr}`,
          ),
        )
        return
      }
      if (ips.ownerOf(value) === owner) return
      if (!ips.take(value, owner)) {
        errors.push(
          invalid('spec.clusterIPs', [asked], `failed to allocate IP ${asked}: provided IP is already allocated`),
        )
        return
      }
    } else {
      value = ips.takeAny(owner)
      if (value === undefined) throw new StatusError('InternalError', 'failed to allocate a serviceIP: range is full')
    }
    const held = value
    taken.push(() => ips.release(held, owner))
    spec.clusterIP = formatIpv4(value)
    spec.clusterIPs = [spec.clusterIP]
  }

  const takePort = (
    asked: number | undefined,
    path: string,
    owner: string,
    taken: (() => void)[],
    errors: FieldError[],
  ): number | undefined => {
    if (asked !== undefined && asked !== 0) {
      if (!ports.contains(asked))
        errors.push(
          invalid(
            path,
            asked,
            `provided port is not in the valid range. The range of valid ports is ${nodePorts.first}-${nodePorts.last}`,
          ),
        )
      else if (ports.ownerOf(asked) === owner) return asked
      else if (ports.take(asked, owner)) taken.push(() => ports.release(asked, owner))
      else errors.push(invalid(path, asked, 'provided port is already allocated'))
      return asked
    }
    const value = ports.takeAny(owner)
    if (value === undefined) throw new StatusError('InternalError', 'failed to allocate a nodePort: range is full')
    taken.push(() => ports.release(value, owner))
    return value
  }

  const takePorts = (
    service: Draft<Service>,
    previous: Service | undefined,
    owner: string,
    taken: (() => void)[],
    errors: FieldError[],
  ): void => {
    const spec = service.spec!
    const before = new Map(
      (previous?.spec?.ports ?? []).map((port) => [`${port.protocol}/${port.port}`, port.nodePort]),
    )
    const list = (spec.ports ?? []) as Draft<ServicePort>[]
    for (const [i, port] of list.entries()) {
      if (!usesNodePorts(service) && !port.nodePort) continue
      // One number may serve TCP and UDP of the same Service, as with a DNS server.
      const twin = list.find(
        (other) => other !== port && other.port === port.port && other.protocol !== port.protocol && other.nodePort,
      )
      const asked = port.nodePort || before.get(`${port.protocol}/${port.port}`) || twin?.nodePort
      port.nodePort = takePort(asked, `spec.ports[${i}].nodePort`, owner, taken, errors)
    }
    if (needsHealthCheckPort(service)) {
      const asked = spec.healthCheckNodePort || previous?.spec?.healthCheckNodePort
      spec.healthCheckNodePort = takePort(asked, 'spec.healthCheckNodePort', owner, taken, errors)
    }
  }

  /** Gives back what `previous` held and `next` does not. */
  const releaseUnused = (previous: Service, next: Service | undefined): void => {
    const owner = ownerOf(previous)
    const [old, now] = [claimOf(previous), next === undefined ? undefined : claimOf(next)]
    if (old.ip !== undefined && old.ip !== now?.ip) ips.release(old.ip, owner)
    for (const { port } of old.ports) if (!now?.ports.some((kept) => kept.port === port)) ports.release(port, owner)
  }

  return {
    name: 'ServiceAddresses',
    async admit(request): Promise<AdmissionEffect | undefined> {
      const { definition, subresource, operation, dryRun } = request
      if (definition.group !== '' || definition.resource !== 'services' || subresource !== '') return undefined
      const previous = request.previous as Service | undefined
      const service = request.object as Draft<Service> | undefined
      if (operation === 'DELETE' || service === undefined) {
        return {
          settle: (outcome) =>
            outcome === 'committed' && !dryRun && previous !== undefined && releaseUnused(previous, undefined),
        }
      }
      const owner = ownerOf(service)
      const taken: (() => void)[] = []
      const errors: FieldError[] = []
      const giveBack = (): void => {
        for (const release of taken) release()
      }
      try {
        if (usesClusterIp(service)) {
          if (previous !== undefined && usesClusterIp(previous) && !service.spec?.clusterIP) {
            service.spec!.clusterIP = previous.spec!.clusterIP
            service.spec!.clusterIPs = [...(previous.spec!.clusterIPs ?? [previous.spec!.clusterIP!])]
          }
          takeIp(service, owner, taken, errors)
        } else if (service.spec?.clusterIP === 'None') service.spec.clusterIPs = ['None']
        takePorts(service, previous, owner, taken, errors)
        if (errors.length > 0) throw invalidError(SERVICE_KIND, service.metadata?.name ?? '', errors)
      } catch (error) {
        giveBack()
        throw error
      }
      return {
        settle(outcome) {
          if (outcome === 'abandoned' || dryRun) giveBack()
          else if (previous !== undefined) releaseUnused(previous, service as Service)
        },
      }
    },

    async repair(): Promise<readonly string[]> {
      const services = await options.list()
      const used = new Map<string, string>()
      const doubled: string[] = []
      const claim = (pool: NumberPool, value: number, name: string, owner: string): void => {
        if (!pool.contains(value)) return
        const other = used.get(name)
        if (other !== undefined && other !== owner) doubled.push(`${name} is claimed by ${other} and ${owner}`)
        else if (!pool.take(value, owner)) {
          pool.release(value, pool.ownerOf(value)!)
          pool.take(value, owner)
        }
        used.set(name, other ?? owner)
      }
      for (const service of services) {
        const owner = ownerOf(service)
        const { ip, ports: claimed } = claimOf(service)
        if (ip !== undefined) claim(ips, ip, formatIpv4(ip), owner)
        for (const { port } of claimed) claim(ports, port, `node port ${port}`, owner)
      }
      const unused = [
        ...[...ips.held()].map(([value, owner]) => ({ pool: ips, value, owner, name: formatIpv4(value) })),
        ...[...ports.held()].map(([value, owner]) => ({ pool: ports, value, owner, name: `node port ${value}` })),
      ].filter(({ name }) => !used.has(name))
      for (const { pool, value, owner, name } of unused) {
        if (suspects.delete(`${name} ${owner}`)) pool.release(value, owner)
        else suspects.add(`${name} ${owner}`)
      }
      for (const name of used.keys())
        for (const suspect of suspects) if (suspect.startsWith(`${name} `)) suspects.delete(suspect)
      return doubled
    },
  }
}
