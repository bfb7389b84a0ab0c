import type { Clock, Timer } from '../../base/clock.ts'
import { diffTables } from '../table/diff-tables.ts'
import type { Listener, RoutingTable } from '../table/routing-table.ts'
import { Connections } from './connections.ts'
import type { Dataplane } from './dataplane.ts'
import type { OpenPort } from './open-port.ts'
import { type Binding, type BindingState, bindingAdvice } from './port-binding.ts'
import { ServicePort } from './service-port.ts'
import { openTcpPort } from './userspace-tcp.ts'
import { openUdpPort } from './userspace-udp.ts'

export interface UserspaceDataplaneOptions {
  readonly clock: Clock
  readonly random: () => number
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
  readonly #servicePorts = new Map<string, ServicePort>()
  readonly connections: Connections
  #isClosed = false

  constructor(options: UserspaceDataplaneOptions) {
    this.#options = options
    this.connections = new Connections(options.clock, options.connectionsMax)
  }

  async apply(previous: RoutingTable, next: RoutingTable): Promise<void> {
    const { added, removed, changed } = diffTables(previous, next)
    for (const { next: listener } of changed) this.#update(listener)
    // What is new answers before what is old falls silent.
    await Promise.all(added.map((listener) => this.#add(listener)))
    await Promise.all([
      ...changed.map(({ next: { key } }) => this.#settle(key)),
      ...removed.map(({ key }) => this.#remove(key)),
    ])
    this.#forget(next)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#ports.keys()].map((key) => this.#remove(key)))
    this.connections.close()
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
  servicePorts(): Iterable<ServicePort> {
    return this.#servicePorts.values()
  }

  #add(listener: Listener): Promise<void> {
    this.#ports.set(listener.key, {
      listener,
      binding: { state: 'waiting' },
      open: undefined,
      retry: undefined,
      work: this.#ports.get(listener.key)?.work ?? Promise.resolve(),
    })
    return this.#settle(listener.key)
  }

  #update(listener: Listener): void {
    const port = this.#ports.get(listener.key)
    if (port === undefined) return
    port.listener = listener
    port.open?.update(listener)
  }

  async #remove(key: string): Promise<void> {
    const port = this.#ports.get(key)
    if (port === undefined) return
    this.#ports.delete(key)
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
      const opened = await open(listener, (current) => this.#servicePort(current), {
        clock: this.#options.clock,
        connections: this.connections,
        nodeOf: this.#options.nodeOf,
      })
      port.open = opened
      opened.update(port.listener)
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

  #servicePort(listener: Listener): ServicePort {
    let found = this.#servicePorts.get(listener.servicePort)
    if (found === undefined) {
      found = new ServicePort(listener.servicePort, this.#options.clock, this.#options.random)
      this.#servicePorts.set(listener.servicePort, found)
    }
    return found
  }

  #forget(table: RoutingTable): void {
    const wanted = new Set([...table.listeners.values()].map(({ servicePort }) => servicePort))
    for (const name of this.#servicePorts.keys()) if (!wanted.has(name)) this.#servicePorts.delete(name)
  }
}

function isDeadEnd({ endpoints, endpointsByNode }: Listener): boolean {
  return endpoints.length === 0 && [...(endpointsByNode?.values() ?? [])].every((local) => local.length === 0)
}
