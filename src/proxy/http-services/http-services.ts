import type { Clock } from '../../base/clock.ts'
import { inRange } from '../../base/ipv4.ts'
import type { AcceptedHandle } from '../l4/accepted-handle.ts'
import { ACTIVE, OPENED, REFUSED, type ServicePort } from '../l4/service-port.ts'
import { Engine } from '../l7/engine/engine.ts'
import type { Route } from '../l7/engine/route.ts'
import { RequestFeed } from '../l7/observe/request-feed.ts'
import { RequestTap } from '../l7/observe/request-tap.ts'
import type { TableDiff } from '../table/diff-tables.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { DrainingEndpoints } from './draining-endpoints.ts'
import { HttpClients } from './http-clients.ts'
import { EVERYWHERE, HttpService, type HttpServiceContext } from './http-service.ts'
import { SERVICE_ENGINE_SETTINGS } from './service-engine-settings.ts'

export interface HttpServicesOptions {
  readonly clock: Clock
  readonly random: () => number
  /** To the endpoints of one Service port. */
  readonly connectionsMax: number
  /** The node of a client by its address; undefined: it is none of the cluster's. */
  nodeOf(client: string): string | undefined
  /** Whether the data plane itself listens there. */
  isOwnPort(endpoint: Endpoint): boolean
  /** A client's connection has ended that `accept` took. */
  onClosed(): void
}

interface HttpListener {
  listener: Listener
  readonly service: HttpService
  /** By the node they come from, '' for clients of none; made when the first such client comes. */
  readonly clients: Map<string, HttpClients>
}

/** What a table's change means for HTTP. */
export type ListenerChanges = Pick<TableDiff, 'added' | 'removed' | 'changed'>

/**
 * The Services whose ports carry HTTP, on one engine: it follows the routing table, takes accepted connections, and
 * knows of each endpoint what is under way there.
 */
export class HttpServices {
  readonly engine: Engine
  /** Answers of the proxy's own to requests that belong to no Service, by code. */
  readonly errors = new Map<string, number>()
  readonly #options: HttpServicesOptions
  readonly #context: HttpServiceContext
  /** By the name of the Service port. */
  readonly #services = new Map<string, HttpService>()
  /** By the listener's key. */
  readonly #listeners = new Map<string, HttpListener>()
  readonly #draining = new DrainingEndpoints()
  readonly #feed: RequestFeed
  /** Of listeners that are no more, until the last has gone. */
  readonly #leaving = new Set<HttpClients>()

  constructor(options: HttpServicesOptions) {
    const { clock, random, connectionsMax, isOwnPort } = options
    this.#options = options
    this.engine = new Engine({ settings: SERVICE_ENGINE_SETTINGS, clock, random })
    this.#feed = new RequestFeed(clock)
    this.#context = {
      engine: this.engine,
      connectionsMax,
      isOwnPort,
      onRetired: (endpoint) => this.#draining.add(endpoint),
    }
  }

  services(): Iterable<HttpService> {
    return this.#services.values()
  }

  service(servicePort: string): HttpService | undefined {
    return this.#services.get(servicePort)
  }

  get connections(): number {
    let count = 0
    for (const clients of this.#allClients()) count += clients.size
    return count
  }

  /** Follows the table, at once: from here on requests go where it says. */
  apply({ added, removed, changed }: ListenerChanges): void {
    const touched = new Set<HttpService>()
    for (const listener of [...added, ...changed]) {
      if (listener.http === undefined) this.#detach(listener.key, touched)
      else this.#attach(listener, touched)
    }
    for (const { key } of removed) this.#detach(key, touched)
    // Which endpoints are ports of our own depends on which ports there are. Of those, only node ports can be dialled.
    const nodePorts = [...added, ...removed].filter(({ kind }) => kind === 'NodePort')
    const addresses = new Set(nodePorts.map(({ address }) => address))
    if (addresses.size > 0)
      for (const service of this.#services.values()) if (service.leadsTo(addresses)) touched.add(service)
    for (const service of touched) this.#settle(service)
  }

  /** Takes a connection to the listener of this key; false: its client may not be here, and it has been reset. */
  accept(handle: AcceptedHandle, key: string, servicePort: ServicePort): boolean {
    const entry = this.#listeners.get(key)
    const node = entry === undefined ? undefined : this.#admit(handle, entry.listener)
    const route = entry === undefined || node === undefined ? undefined : routeFrom(node, entry)
    if (entry === undefined || node === undefined || route === undefined || route.upstream.group.all().length === 0) {
      servicePort.counts[REFUSED]! += 1
      handle.reset()
      return false
    }
    let clients = entry.clients.get(node)
    if (clients === undefined) {
      clients = this.#createClients(servicePort, node !== '')
      clients.lead(route)
      entry.clients.set(node, clients)
    }
    servicePort.counts[OPENED]! += 1
    servicePort.counts[ACTIVE]! += 1
    clients.accept(handle)
    return true
  }

  /** Requests under way at this address. */
  active(address: string): number {
    let active = 0
    for (const { balanced } of this.#draining.at(address)) active += balanced.inFlight
    return active
  }

  /** Hands JSON lines of the requests that end from now on to `write`, until what it returns is called. */
  tap(write: (lines: string) => void): () => void {
    const { context } = this.engine
    const tap = new RequestTap(this.#feed, write)
    tap.open()
    // Without anybody who looks nothing is made of requests.
    context.observer = this.#feed
    return () => {
      tap.close()
      if (!this.#feed.hasSinks) context.observer = undefined
    }
  }

  close(): void {
    for (const clients of this.#allClients()) clients.destroy()
    this.engine.destroy()
  }

  *#allClients(): Generator<HttpClients> {
    for (const { clients } of this.#listeners.values()) yield* clients.values()
    yield* this.#leaving
  }

  #attach(listener: Listener, touched: Set<HttpService>): void {
    const { key, servicePort: name } = listener
    const known = this.#listeners.get(key)
    if (known?.service.name === name) known.listener = listener
    else {
      this.#detach(key, touched)
      const service = this.#services.get(name) ?? new HttpService(name, this.#context)
      this.#services.set(name, service)
      service.listeners.add(key)
      this.#listeners.set(key, { listener, service, clients: new Map() })
    }
    touched.add(this.#listeners.get(key)!.service)
  }

  #detach(key: string, touched: Set<HttpService>): void {
    const entry = this.#listeners.get(key)
    if (entry === undefined) return
    this.#listeners.delete(key)
    entry.service.listeners.delete(key)
    touched.add(entry.service)
    for (const clients of entry.clients.values()) {
      this.#leaving.add(clients)
      clients.lead(undefined)
      clients.drain()
      if (clients.size === 0) this.#leaving.delete(clients)
    }
  }

  #settle(service: HttpService): void {
    if (service.listeners.size === 0) {
      this.#services.delete(service.name)
      service.retire()
      return
    }
    const entries = [...service.listeners].map((key) => this.#listeners.get(key)!)
    service.settle(entries.map(({ listener }) => listener))
    for (const entry of entries) for (const [node, clients] of entry.clients) clients.lead(routeFrom(node, entry))
  }

  /** The node a client comes from, '' for none; undefined: it may not come here, or has gone again. */
  #admit(handle: AcceptedHandle, { sourceRanges }: Listener): string | undefined {
    const peer: { address?: string } = {}
    if (handle.getpeername(peer) !== 0 || peer.address === undefined) return undefined
    const { address } = peer
    if (sourceRanges?.some((range) => inRange(range, address)) === false) return undefined
    return this.#options.nodeOf(address) ?? ''
  }

  #createClients(servicePort: ServicePort, areInCluster: boolean): HttpClients {
    const clients: HttpClients = new HttpClients(this.engine, {
      areInCluster,
      onClosed: () => {
        servicePort.counts[ACTIVE]! -= 1
        if (clients.size === 0) this.#leaving.delete(clients)
        this.#options.onClosed()
      },
      countError: (code) => this.errors.set(code, (this.errors.get(code) ?? 0) + 1),
    })
    return clients
  }
}

/** With a Local policy clients of a known node go to its own endpoints; those of none go everywhere. */
function routeFrom(node: string, { listener, service }: HttpListener): Route | undefined {
  const { localTo, endpointsByNode } = listener
  return service.route(localTo ?? (endpointsByNode === undefined || node === '' ? EVERYWHERE : node))
}
