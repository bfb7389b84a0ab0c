import type { Clock, Timer } from '../../base/clock.ts'
import type { HttpServices } from '../http-services/http-services.ts'
import { diffTables } from '../table/diff-tables.ts'
import {
  EMPTY_TABLE,
  type Endpoint,
  type Listener,
  listenerKey,
  type RoutingTable,
  reachable,
} from '../table/routing-table.ts'
import { Connections } from './connections.ts'
import type { Dataplane } from './dataplane.ts'
import { DescriptorBudget } from './descriptor-budget.ts'
import type { OpenPort } from './open-port.ts'
import { type Binding, type BindingState, bindingAdvice } from './port-binding.ts'
import { ServicePort } from './service-port.ts'
import { openTcpPort } from './userspace-tcp.ts'
import { openUdpPort } from './userspace-udp.ts'

export interface UserspaceDataplaneOptions {
  readonly clock: Clock
  readonly random: () => number
  /** Two UDP sessions count as one connection. */
  readonly connectionsMax: number
  nodeOf(client: string): string | undefined
  /** Told when a port could not be bound, and when it could after all. */
  onBinding(binding: Binding): void
}

const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000

interface Port {
  listener: Listener
  binding: BindingState
  open: OpenPort | undefined
  retry: Timer | undefined
  /** Changes of one port happen one after the other. */
  work: Promise<void>
}

/** Carries TCP and UDP in this process. Needs no privilege. */
export class UserspaceDataplane implements Dataplane {
  readonly #options: UserspaceDataplaneOptions
  readonly #ports = new Map<string, Port>()
  readonly #servicePorts = new Map<string, { readonly servicePort: ServicePort; listeners: number }>()
  readonly #descriptors: DescriptorBudget
  readonly connections: Connections
  /** Loaded with the first Service whose port carries HTTP, for the memory of a cluster that has none. */
  #http: HttpServices | undefined
  #table: RoutingTable = EMPTY_TABLE
  #isClosed = false

  constructor(options: UserspaceDataplaneOptions) {
    this.#options = options
    this.#descriptors = new DescriptorBudget(options.connectionsMax * 2)
    this.connections = new Connections(options.clock, this.#descriptors)
  }

  /** What must be there before `apply` may be called with this table; takes time once. */
  async prepare(next: RoutingTable, services: readonly string[]): Promise<void> {
    if (this.#http !== undefined) return
    const listeners = services.flatMap((service) => next.services.get(service)?.listeners ?? [])
    if (!listeners.some(({ http }) => http !== undefined)) return
    const { HttpServices } = await import('../http-services/http-services.ts')
    const { clock, random, connectionsMax, nodeOf } = this.#options
    this.#http = new HttpServices({
      clock,
      random,
      connectionsMax,
      nodeOf,
      isOwnPort: (endpoint) => this.#isOwnPort('TCP', endpoint),
      onClosed: () => this.connections.giveBack(),
    })
  }

  /** Services whose ports carry HTTP; undefined while there has been none. */
  get http(): HttpServices | undefined {
    return this.#http
  }

  /** Connections to this address, or requests, that are under way. */
  active(address: string): number {
    return this.connections.active(address) + (this.#http?.active(address) ?? 0)
  }

  /** `prepare` has resolved for this table. Where connections and requests go has changed when this returns. */
  async apply(previous: RoutingTable, next: RoutingTable): Promise<void> {
    const { added, removed, changed, letGo, takenBack, gone, come } = diffTables(previous, next)
    this.#table = next
    this.#http?.apply({ added, removed, changed })
    for (const listener of changed) this.#update(listener)
    this.connections.takeBack(takenBack)
    this.connections.adopt(come)
    this.connections.orphan(gone)
    this.connections.letGo(letGo)
    // What is new answers before what is old falls silent.
    await Promise.all(added.map((listener) => this.#add(listener)))
    await Promise.all([...changed.map(({ key }) => this.#settle(key)), ...removed.map(({ key }) => this.#remove(key))])
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#ports.keys()].map((key) => this.#remove(key)))
    this.connections.close()
    this.#http?.close()
  }

  bindings(): readonly Binding[] {
    return [...this.#ports.values()].map(({ listener, binding }) => ({ listener, binding }))
  }

  /** The state of those of these listeners that the table has given their address and port. */
  bindingsOf(listeners: readonly Listener[]): readonly Binding[] {
    return listeners.flatMap(({ key, service }) => {
      const port = this.#ports.get(key)
      return port?.listener.service === service ? [{ listener: port.listener, binding: port.binding }] : []
    })
  }

  /** What has been counted, by Service port. */
  *servicePorts(): Generator<ServicePort> {
    for (const { servicePort } of this.#servicePorts.values()) yield servicePort
  }

  servicePort(name: string): ServicePort | undefined {
    return this.#servicePorts.get(name)?.servicePort
  }

  #add(listener: Listener): Promise<void> {
    this.#use(listener.servicePort, 1)
    this.#ports.set(listener.key, {
      listener,
      binding: { state: 'waiting' },
      open: undefined,
      retry: undefined,
      work: Promise.resolve(),
    })
    return this.#settle(listener.key)
  }

  #update(listener: Listener): void {
    const port = this.#ports.get(listener.key)
    if (port === undefined) return
    this.#use(listener.servicePort, 1)
    this.#use(port.listener.servicePort, -1)
    port.listener = listener
    port.open?.update(listener, this.#servicePortOf(listener))
  }

  async #remove(key: string): Promise<void> {
    const port = this.#ports.get(key)
    if (port === undefined) return
    this.#ports.delete(key)
    this.#use(port.listener.servicePort, -1)
    port.retry?.cancel()
    port.work = port.work.then(async () => {
      await port.open?.close()
      port.open = undefined
    })
    await port.work
  }

  #settle(key: string): Promise<void> {
    const port = this.#ports.get(key)
    if (port === undefined) return Promise.resolve()
    port.work = port.work.then(() => this.#bind(port))
    return port.work
  }

  /**
   * Holds the port while there is somewhere to send connections. Without endpoints it is let go of: then the kernel
   * refuses connections, as a client expects, where an accepted one could only be reset.
   */
  async #bind(port: Port): Promise<void> {
    const isCurrent = (): boolean => !this.#isClosed && this.#ports.get(port.listener.key) === port
    if (!isCurrent()) return
    const { listener } = port
    if (isDeadEnd(listener)) {
      port.retry?.cancel()
      await port.open?.close()
      port.open = undefined
      this.#note(port, { state: 'waiting' })
      return
    }
    if (port.open !== undefined) return
    port.retry?.cancel()
    try {
      const open = listener.protocol === 'TCP' ? openTcpPort : openUdpPort
      const opened = await open(listener, this.#servicePortOf(listener), {
        clock: this.#options.clock,
        connections: this.connections,
        descriptors: this.#descriptors,
        nodeOf: this.#options.nodeOf,
        isOwnPort: (endpoint: Endpoint) => this.#isOwnPort(listener.protocol, endpoint),
        http: () => this.#http!,
      })
      port.open = opened
      if (isCurrent()) opened.update(port.listener, this.#servicePortOf(port.listener))
      this.#note(port, { state: 'bound' })
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      const attempts = port.binding.state === 'failed' ? port.binding.attempts + 1 : 1
      this.#note(port, { state: 'failed', code, message: bindingAdvice(listener, code), attempts })
      const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (attempts - 1))
      port.retry = this.#options.clock.setTimer(delayMs, () => {
        if (isCurrent()) void this.#settle(listener.key)
      })
    }
  }

  #note(port: Port, binding: BindingState): void {
    const before = port.binding
    port.binding = binding
    const isNews =
      before.state !== binding.state ||
      (binding.state === 'failed' && before.state === 'failed' && before.code !== binding.code)
    if (isNews) this.#options.onBinding({ listener: port.listener, binding })
  }

  #isOwnPort(protocol: Listener['protocol'], { address, port }: Endpoint): boolean {
    return this.#table.listeners.has(listenerKey(protocol, address, port))
  }

  #servicePortOf({ servicePort: name }: Listener): ServicePort {
    return this.#servicePorts.get(name)!.servicePort
  }

  /** A listener of this Service port has come (1) or gone (-1); without any, what was counted is forgotten. */
  #use(name: string, by: 1 | -1): void {
    const { clock, random } = this.#options
    const entry = this.#servicePorts.get(name) ?? { servicePort: new ServicePort(name, clock, random), listeners: 0 }
    entry.listeners += by
    if (entry.listeners > 0) this.#servicePorts.set(name, entry)
    else this.#servicePorts.delete(name)
  }
}

function isDeadEnd(listener: Listener): boolean {
  return reachable(listener).next().done === true
}
