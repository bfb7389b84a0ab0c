import { readFileSync } from 'node:fs'
import type { AddressLayout } from '../base/address-layout.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/event-recorder.ts'
import { createInformerFactory } from '../client/informer-factory.ts'
import { DrainPublisher } from './drain/drain-publisher.ts'
import type { Binding } from './l4/port-binding.ts'
import { UserspaceDataplane } from './l4/userspace-dataplane.ts'
import { startAdminServer } from './metrics/admin-server.ts'
import { ProxyMetrics } from './metrics/proxy-metrics.ts'
import { PortReporter } from './report/port-reporter.ts'
import { RefusalReporter } from './report/refusal-reporter.ts'
import { drainingAddresses } from './table/draining-addresses.ts'
import { nodeOfClient, tableContext } from './table/table-context.ts'
import { TableKeeper } from './table/table-keeper.ts'

export interface ProxyOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly events: EventRecorder
  readonly layout: AddressLayout
  /** Where the API server listens: what the Service `default/kubernetes` may lead to. */
  readonly apiServer: { readonly address: string; readonly port: number }
  /** The proxy's Lease is `kube-system/wherry-proxy-<leaseName>`; one name for each proxy of a cluster. */
  readonly leaseName: string
  /** Where `/metrics` and `/status` are served, on the first node's address; 0: a free one; left out: nowhere. */
  readonly metricsPort?: number
  readonly random?: () => number
}

export interface ProxyStatus {
  readonly dataplane: 'userspace'
  readonly services: number
  readonly listeners: { readonly bound: number; readonly waiting: number; readonly failed: number }
  readonly connections: number
  readonly draining: readonly string[]
  /** Ports that could not be bound, with what to do about it. */
  readonly failures: readonly {
    readonly service: string
    readonly protocol: string
    readonly address: string
    readonly port: number
    readonly code: string
    readonly message: string
  }[]
}

export interface Proxy {
  status(): ProxyStatus
  readonly metricsPort: number | undefined
  close(): Promise<void>
}

/** Descriptors that are kept for listeners, the API and files. */
const DESCRIPTORS_KEPT = 512

function connectionsMax(): number {
  const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1_024)
  return Math.max(64, Math.floor((limit - DESCRIPTORS_KEPT) / 2))
}

/** Serves the Services of a cluster on all nodes of this machine. Resolves when what the API holds now is being served. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { client, clock, layout, events } = options
  const logger = options.logger.child({ component: 'proxy' })
  const context = tableContext(layout, options.apiServer)
  const informers = createInformerFactory({ client, clock, logger })
  const dataplane = new UserspaceDataplane({
    clock,
    random: options.random ?? Math.random,
    connectionsMax: connectionsMax(),
    nodeOf: (address) => nodeOfClient(context, address),
    onBinding: (binding) => ports.changed(binding),
  })
  const metrics = new ProxyMetrics(dataplane)
  const drain = new DrainPublisher({
    client,
    clock,
    logger,
    name: options.leaseName,
    active: (address) => dataplane.connections.active(address),
  })
  let changedAt: number | undefined
  let applying: Promise<void> | undefined

  const applyAll = async (): Promise<void> => {
    while (changedAt !== undefined) {
      const seenAt = changedAt
      changedAt = undefined
      const began = clock.monotonic()
      const { previous, next, services } = keeper.rebuild()
      const rebuilt = clock.monotonic()
      const applied = dataplane.apply(previous, next)
      // Endpoints to choose from changed within that call; only ports are still being opened and closed.
      drain.drain(drainingAddresses(next))
      const known = new Set([...next.listeners.values()].flatMap(({ endpoints }) => endpoints.map((e) => e.address)))
      for (const { terminating } of next.services.values()) for (const address of terminating) known.add(address)
      dataplane.connections.keep((address) => known.has(address))
      await applied
      metrics.programmed(rebuilt - began, clock.monotonic() - seenAt)
      for (const service of services) {
        ports.look(service)
        refusals.look(service, next.services.get(service)?.refusals ?? [])
      }
    }
    applying = undefined
  }
  const keeper = new TableKeeper(informers, context, () => {
    changedAt ??= clock.monotonic()
    applying ??= applyAll()
  })
  const ports: PortReporter = new PortReporter({
    client,
    clock,
    logger,
    events,
    service: (key) => keeper.service(key),
    bindings: (key) => dataplane.bindingsOf(keeper.table.services.get(key)?.listeners ?? []),
  })
  const refusals = new RefusalReporter(events, (key) => keeper.service(key))

  await keeper.start()
  changedAt = clock.monotonic()
  applying ??= applyAll()
  await applying
  const status = (): ProxyStatus => proxyStatus(dataplane, keeper)
  const admin =
    options.metricsPort === undefined
      ? undefined
      : await startAdminServer({
          host: layout.nodes[0]!.address,
          port: options.metricsPort,
          logger,
          metrics: () => metrics.scrape(),
          status,
        })
  return {
    status,
    metricsPort: admin?.port,
    async close() {
      informers.close()
      await drain.close()
      await ports.close()
      await admin?.close()
      await applying
      await dataplane.close()
    },
  }
}

function proxyStatus(dataplane: UserspaceDataplane, { table }: TableKeeper): ProxyStatus {
  const bindings = dataplane.bindings()
  const count = (state: Binding['binding']['state']): number => bindings.filter((b) => b.binding.state === state).length
  return {
    dataplane: 'userspace',
    services: table.services.size,
    listeners: { bound: count('bound'), waiting: count('waiting'), failed: count('failed') },
    connections: dataplane.connections.count,
    draining: drainingAddresses(table),
    failures: bindings.flatMap(({ listener, binding }) =>
      binding.state === 'failed'
        ? [
            {
              service: listener.service,
              protocol: listener.protocol,
              address: listener.address,
              port: listener.port,
              code: binding.code,
              message: binding.message,
            },
          ]
        : [],
    ),
  }
}
