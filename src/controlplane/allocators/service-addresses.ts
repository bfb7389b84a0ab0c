import { type FieldError, invalid } from '../../api/field-error.ts'
import type { Draft } from '../../api/object.ts'
import { invalidError, StatusError } from '../../api/status-error.ts'
import type { Service, ServicePort } from '../../api/types/core-v1.gen.ts'
import { formatIpv4, parseCidr, parseIpv4 } from '../../base/ipv4.ts'
import type { AdmissionEffect, AdmissionPlugin, Guard } from '../apiserver/admission.ts'
import type { Revision } from '../store/store.ts'
import { bandSize, NumberPool } from './number-pool.ts'

export interface ServiceAddressOptions {
  readonly serviceCidr: string
  readonly nodePorts: { readonly first: number; readonly last: number }
  /** Every Service there is, read from the API's own copy. */
  readonly list: () => Promise<readonly Service[]>
  readonly random: () => number
  /**
   * Given when other API servers hand out addresses of the same ranges: the key that each such write moves, as it
   * stands now. Resolves once `list` shows all that was written before.
   */
  readonly guard?: () => Promise<Guard>
}

export interface ServiceAddresses extends AdmissionPlugin {
  /**
   * Makes the pools agree with the stored Services: takes what they have, and gives back what nobody has had at two
   * repairs in a row (what the first was given to read may have been a moment old). Returns addresses that two Services claim.
   */
  repair(): Promise<readonly string[]>
}

/** What one Service has, each number once: also one that serves TCP and UDP. */
interface Claim {
  readonly ips: ReadonlySet<number>
  readonly ports: ReadonlySet<number>
}

const SERVICE_KIND = { group: '', kind: 'Service' }
const NOTHING: Claim = { ips: new Set(), ports: new Set() }

/** A Service by more than its name: one that is deleted and made anew is another owner. */
function ownerOf({ metadata }: Draft<Service> | Service): string {
  return `${metadata?.namespace}/${metadata?.name} (${metadata?.uid})`
}

function usesClusterIp(service: Draft<Service>): boolean {
  return service.spec?.type !== 'ExternalName'
}

/** Whether the type has node ports at all; what is asked for elsewhere is left to validation, which refuses it. */
function mayHaveNodePorts(service: Draft<Service>): boolean {
  return service.spec?.type === 'NodePort' || service.spec?.type === 'LoadBalancer'
}

function needsHealthCheckPort(service: Draft<Service>): boolean {
  return service.spec?.type === 'LoadBalancer' && service.spec.externalTrafficPolicy === 'Local'
}

function claimOf({ spec }: Draft<Service> | Service): Claim {
  const ip = spec?.clusterIP === undefined ? undefined : parseIpv4(spec.clusterIP)
  const ports = (spec?.ports ?? []).map(({ nodePort }) => nodePort)
  const numbers = [...ports, spec?.healthCheckNodePort].filter((port): port is number => Boolean(port))
  return { ips: new Set(ip === undefined ? [] : [ip]), ports: new Set(numbers) }
}

/** Of equals the older Service keeps an address that two claim. */
function byAge(a: Service, b: Service): number {
  const [first, second] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? '']
  return first === second ? (ownerOf(a) < ownerOf(b) ? -1 : 1) : first < second ? -1 : 1
}

/** What one write takes; given back as a whole when the write comes to nothing. */
class Reservation {
  readonly owner: string
  readonly #taken = new Map<NumberPool, Set<number>>()

  constructor(owner: string) {
    this.owner = owner
  }

  /** True when this write has the number now, or had it already. */
  take(pool: NumberPool, value: number): boolean {
    if (this.#of(pool).has(value)) return true
    if (!pool.take(value, this.owner)) return false
    this.#of(pool).add(value)
    return true
  }

  takeAny(pool: NumberPool): number | undefined {
    const value = pool.takeAny(this.owner)
    if (value !== undefined) this.#of(pool).add(value)
    return value
  }

  has(pool: NumberPool, value: number): boolean {
    return this.#taken.get(pool)?.has(value) === true
  }

  /** Whether it took anything that is not in this claim. */
  hasMoreThan({ ips, ports }: Claim): boolean {
    return [...this.#taken.values()].some((values) => [...values].some((value) => !ips.has(value) && !ports.has(value)))
  }

  giveBack(): void {
    for (const [pool, values] of this.#taken) for (const value of values) pool.release(value, this.owner)
    this.#taken.clear()
  }

  #of(pool: NumberPool): Set<number> {
    let values = this.#taken.get(pool)
    if (values === undefined) {
      values = new Set()
      this.#taken.set(pool, values)
    }
    return values
  }
}

/**
 * Cluster IPs and node ports of Services. Every write takes all that its object will have; once its fate is known, what
 * the replaced object had is given back, or else what the write has taken. So a number is free only when no stored
 * object has it and no write under way will.
 */
export function createServiceAddresses(options: ServiceAddressOptions): ServiceAddresses {
  const { nodePorts, random } = options
  const range = parseCidr(options.serviceCidr)
  // The range's first address is the network's own and its last the broadcast address: Kubernetes hands out neither.
  const ips = new NumberPool(range.first + 1, range.size - 2, bandSize(range.size, 16, 256), random)
  const portCount = nodePorts.last - nodePorts.first + 1
  const ports = new NumberPool(nodePorts.first, portCount, bandSize(portCount, 32, 128), random)
  let suspects = new Set<string>()
  /** Where the guard stood when the pools last knew of every address that was given out. */
  let known: Revision | undefined
  const underWay = new Set<Reservation>()

  const takeIp = (service: Draft<Service>, before: Claim, reservation: Reservation, errors: FieldError[]): void => {
    const spec = service.spec!
    const asked = spec.clusterIP ?? spec.clusterIPs?.[0]
    if (asked === 'None') {
      spec.clusterIP = 'None'
      spec.clusterIPs = ['None']
      return
    }
    if (asked === undefined || asked === '') {
      const value = reservation.takeAny(ips)
      if (value === undefined) throw full('a serviceIP')
      spec.clusterIP = formatIpv4(value)
      spec.clusterIPs = [spec.clusterIP]
      return
    }
    const value = parseIpv4(asked)
    const list = spec.clusterIPs?.length ? spec.clusterIPs : [asked]
    const refuse = (why: string): void => void errors.push(invalid('spec.clusterIPs', list, why))
    if (list.length > 1) refuse('may specify no more than one IP for each IP family')
    if (value === undefined || (!ips.contains(value) && !before.ips.has(value))) {
      const valid = `The range of valid IPs is ${options.serviceCidr}`
      refuse(`failed to allocate IP ${asked}: the provided IP (${asked}) is not in the valid range. ${valid}`)
      // What it has already, it keeps, even if it should not have got it.
    } else if (!reservation.take(ips, value) && !before.ips.has(value)) {
      refuse(`failed to allocate IP ${asked}: provided IP is already allocated`)
    }
    spec.clusterIP = asked
    spec.clusterIPs = [...list]
  }

  const takePort = (
    asked: number | undefined,
    path: string,
    before: Claim,
    reservation: Reservation,
    errors: FieldError[],
  ): number => {
    if (asked === undefined || asked === 0) {
      const value = reservation.takeAny(ports)
      if (value === undefined) throw full('a nodePort')
      return value
    }
    const kept = before.ports.has(asked)
    if (!ports.contains(asked) && !kept) {
      const valid = `The range of valid ports is ${nodePorts.first}-${nodePorts.last}`
      errors.push(invalid(path, asked, `provided port is not in the valid range. ${valid}`))
    } else if (!reservation.take(ports, asked) && !kept) {
      errors.push(invalid(path, asked, 'provided port is already allocated'))
    }
    return asked
  }

  const takePorts = (service: Draft<Service>, before: Claim, reservation: Reservation, errors: FieldError[]): void => {
    const spec = service.spec!
    const list = (spec.ports ?? []) as Draft<ServicePort>[]
    const allocates = spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false
    // Requested numbers first, lest another port be given one of them.
    for (const [i, port] of list.entries()) {
      if (port.nodePort) takePort(port.nodePort, `spec.ports[${i}].nodePort`, before, reservation, errors)
    }
    for (const [i, port] of list.entries()) {
      if (port.nodePort || !allocates) continue
      // One number may serve TCP and UDP of the same Service, as with a DNS server.
      const twin = list.find(
        (other) => other !== port && other.port === port.port && other.protocol !== port.protocol && other.nodePort,
      )
      port.nodePort = takePort(twin?.nodePort, `spec.ports[${i}].nodePort`, before, reservation, errors)
    }
    if (!needsHealthCheckPort(service)) return
    const asked = spec.healthCheckNodePort
    spec.healthCheckNodePort = takePort(asked, 'spec.healthCheckNodePort', before, reservation, errors)
  }

  const release = (claim: Claim, owner: string): void => {
    for (const ip of claim.ips) ips.release(ip, owner)
    for (const port of claim.ports) ports.release(port, owner)
  }

  /** Takes what the stored Services have, from whoever else had it. */
  const takeStored = async (): Promise<{
    readonly used: ReadonlyMap<string, string>
    readonly doubled: readonly string[]
  }> => {
    const used = new Map<string, string>()
    const doubled: string[] = []
    const claim = (pool: NumberPool, value: number, name: string, owner: string): void => {
      if (!pool.contains(value)) return
      const other = used.get(name)
      if (other !== undefined) {
        doubled.push(`${name} is claimed by ${other} and ${owner}`)
        return
      }
      used.set(name, owner)
      if (pool.ownerOf(value) === owner) return
      pool.forget(value)
      pool.take(value, owner)
    }
    for (const service of [...(await options.list())].sort(byAge)) {
      const owner = ownerOf(service)
      const claimed = claimOf(service)
      for (const ip of claimed.ips) claim(ips, ip, formatIpv4(ip), owner)
      for (const port of claimed.ports) claim(ports, port, `node port ${port}`, owner)
    }
    return { used, doubled }
  }

  /** A Service that is only marked as being deleted has its addresses until its last finalizer goes. */
  const releaseWhenGone = (previous: Service): AdmissionEffect => ({
    settle(outcome, stored) {
      if (outcome === 'committed' && stored === undefined) release(claimOf(previous), ownerOf(previous))
    },
  })

  return {
    name: 'ServiceAddresses',
    async admit(request): Promise<AdmissionEffect | undefined> {
      const { definition, subresource, operation } = request
      if (definition.group !== '' || definition.resource !== 'services') return undefined
      const previous = request.previous as Service | undefined
      const service = request.object as Draft<Service> | undefined
      if (operation === 'DELETE' || service === undefined || subresource !== '') {
        return previous === undefined ? undefined : releaseWhenGone(previous)
      }
      const before = previous === undefined ? NOTHING : claimOf(previous)
      const met = await options.guard?.()
      if (met !== undefined && met.modRevision !== known) {
        await takeStored()
        known = met.modRevision
      }
      const reservation = new Reservation(ownerOf(service))
      underWay.add(reservation)
      const errors: FieldError[] = []
      try {
        if (usesClusterIp(service)) takeIp(service, before, reservation, errors)
        if (mayHaveNodePorts(service)) takePorts(service, before, reservation, errors)
        if (errors.length > 0) throw invalidError(SERVICE_KIND, service.metadata?.name ?? '', errors)
      } catch (error) {
        underWay.delete(reservation)
        reservation.giveBack()
        throw error
      }
      const guard = reservation.hasMoreThan(before) ? met : undefined
      return {
        guard,
        settle(outcome, stored, revision) {
          // Whoever else had moved the guard since it was read would have kept this write from happening.
          if (outcome === 'committed' && guard !== undefined) known = revision
          underWay.delete(reservation)
          // Nobody knows which of the two is stored: both stay taken until a repair has seen what is.
          if (outcome === 'unknown') return
          if (outcome === 'committed') release(before, reservation.owner)
          if (outcome === 'abandoned' || stored === undefined) reservation.giveBack()
        },
      }
    },

    async repair(): Promise<readonly string[]> {
      const { used, doubled } = await takeStored()
      const unused = [
        ...[...ips.held()].map(([value, { owner }]) => ({ pool: ips, value, owner, name: formatIpv4(value) })),
        ...[...ports.held()].map(([value, { owner }]) => ({ pool: ports, value, owner, name: `node port ${value}` })),
      ].filter(({ pool, value, name }) => !used.has(name) && ![...underWay].some((write) => write.has(pool, value)))
      const before = suspects
      suspects = new Set()
      for (const { pool, value, owner, name } of unused) {
        if (before.has(`${name} ${owner}`)) pool.forget(value)
        else suspects.add(`${name} ${owner}`)
      }
      return doubled
    },
  }
}

/** As kube-apiserver words it: the request is right, only there is nothing left to give. */
function full(what: string): StatusError {
  return new StatusError('InternalError', `Internal error occurred: failed to allocate ${what}: range is full`)
}
