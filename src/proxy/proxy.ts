import { readFileSync } from 'node:fs'
import { ENDPOINT_SLICES } from '../api/resource-type.ts'
import type { AddressLayout } from '../base/address-layout.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { MetricFamily } from '../base/metric-families.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/event-recorder.ts'
import { createInformerFactory, type InformerFactory } from '../client/informer-factory.ts'
import { DrainPublisher } from './drain/drain-publisher.ts'
import { HealthCheckPorts } from './health/health-check-ports.ts'
import type { Binding } from './l4/port-binding.ts'
import { UserspaceDataplane } from './l4/userspace-dataplane.ts'
import { type AdminServer, startAdminServer } from './metrics/admin-server.ts'
import { ProxyMetrics } from './metrics/proxy-metrics.ts'
import { startClusterAdmin } from './metrics/start-cluster-admin.ts'
import { PortReporter } from './report/port-reporter.ts'
import { RefusalReporter } from './report/refusal-reporter.ts'
import { listenerKey, type Refusal, type RoutingTable, reachable } from './table/routing-table.ts'
import { nodeOfClient, tableContext } from './table/table-context.ts'
import { TableKeeper } from './table/table-keeper.ts'

export interface ProxyOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly events: EventRecorder
  readonly layout: AddressLayout
  /** The proxy's Lease is `kube-system/wherry-proxy-<leaseName>`; one name for each proxy of a cluster. */
  readonly leaseName: string
  /** Where `/metrics` and `/status` are served, on the first node's address; 0: a free one; left out: nowhere. */
  readonly metricsPort?: number
  /** PEM: the cluster's CA and a certificate for the first node's address. With it they are served over HTTPS to who may read them, and listed in the API; without it to anybody. */
  readonly metricsTls?: { readonly ca: string; readonly cert: string; readonly key: string }
  /** What else the process has to tell on `/metrics`. */
  readonly metrics?: () => Iterable<MetricFamily>
  readonly random?: () => number
}

export interface ProxyStatus {
  readonly dataplane: 'userspace'
  readonly services: number
  readonly listeners: { readonly bound: number; readonly waiting: number; readonly failed: number }
  readonly connections: number
  readonly draining: readonly string[]
  /** Of Services that carry HTTP, for people: what is known of each endpoint. */
  readonly http?: unknown
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

export interface ServiceProxy {
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
export async function startProxy(options: ProxyOptions): Promise<ServiceProxy> {
  const { client, clock, layout, events } = options
  const logger = options.logger.child({ component: 'proxy' })
  const context = tableContext(layout)
  const informers = createInformerFactory({ client, clock, logger })
  const dataplane = new UserspaceDataplane({
    clock,
    random: options.random ?? Math.random,
    connectionsMax: connectionsMax(),
    nodeOf: (address) => nodeOfClient(context, address),
    onBinding: (binding) => ports.changed(binding),
  })
  const metrics = new ProxyMetrics(clock, dataplane, () => keeper, options.metrics)
  const healthChecks = new HealthCheckPorts({ clock, logger, nodes: context.nodes })
  const drain = new DrainPublisher({
    client,
    clock,
    logger,
    name: options.leaseName,
    active: (address) => dataplane.active(address),
  })
  let isStale = false
  let applying: Promise<void> | undefined

  const applyAll = async (): Promise<void> => {
    while (isStale) {
      isStale = false
      const began = clock.monotonic()
      const { previous, next, services, triggeredAt } = keeper.rebuild()
      await dataplane.prepare(next, services)
      const applied = dataplane.apply(previous, next)
      // Endpoints to choose from changed within that call, and connections left; only ports are still being opened.
      drain.drain([...next.draining.keys()].sort())
      healthChecks.apply(previous, next)
      await applied
      metrics.synced(clock.monotonic() - began, triggeredAt)
      for (const service of services) {
        ports.look(service)
        refusals.look(service, refusalsOf(next, service))
      }
    }
    applying = undefined
  }
  const keeper: TableKeeper = new TableKeeper(informers, context, clock, () => {
    metrics.queued()
    isStale = true
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
  isStale = true
  applying ??= applyAll()
  await applying
  const status = (): ProxyStatus => proxyStatus(dataplane, keeper)
  // Targets of requests are for those alone who are allowed to see them.
  const tap = (write: (lines: string) => void): (() => void) => dataplane.http?.tap(write) ?? (() => {})
  const admin = await serveAdmin(options, informers, logger, metrics, status, tap)
  return {
    status,
    metricsPort: admin?.port,
    async close() {
      await admin?.close()
      informers.close()
      await drain.close()
      await ports.close()
      healthChecks.close()
      await applying
      await dataplane.close()
    },
  }
}

/** The admin server, if it is wanted. Traffic does not depend on it: without its port the proxy runs all the same. */
async function serveAdmin(
  { client, clock, metricsPort: port, metricsTls: tls, layout, leaseName }: ProxyOptions,
  informers: InformerFactory,
  logger: Logger,
  metrics: ProxyMetrics,
  status: () => ProxyStatus,
  tap: (write: (lines: string) => void) => () => void,
): Promise<AdminServer | undefined> {
  if (port === undefined) return undefined
  const { address: host, name: nodeName } = layout.nodes[0]!
  const served = { host, port, logger, metrics: () => metrics.scrape(), mesh: () => metrics.mesh(), status }
  try {
    if (tls === undefined) return await startAdminServer(served)
    const slices = informers.for(ENDPOINT_SLICES)
    return await startClusterAdmin({ ...served, tap, tls, client, slices, clock, name: leaseName, nodeName })
  } catch (error) {
    logger.warn({ err: error, host, port }, 'metrics and status of the proxy cannot be served')
    return undefined
  }
}

/** What is refused of a Service: also endpoints that would lead back into the data plane. */
function refusalsOf(table: RoutingTable, service: string): readonly Refusal[] {
  const routes = table.services.get(service)
  const circles = new Map<string, Refusal>()
  for (const listener of routes?.listeners ?? []) {
    for (const { address, port } of reachable(listener)) {
      if (!table.listeners.has(listenerKey(listener.protocol, address, port))) continue
      const message = `endpoint ${address}:${port} is not used: a Service is reached there, so traffic would go in circles`
      circles.set(message, { reason: 'EndpointRefused', message })
    }
  }
  return [...(routes?.refusals ?? []), ...circles.values()]
}

function proxyStatus(dataplane: UserspaceDataplane, { table }: TableKeeper): ProxyStatus {
  const bindings = dataplane.bindings()
  const count = (state: Binding['binding']['state']): number => bindings.filter((b) => b.binding.state === state).length
  return {
    dataplane: 'userspace',
    services: table.services.size,
    listeners: { bound: count('bound'), waiting: count('waiting'), failed: count('failed') },
    connections: dataplane.connections.count + (dataplane.http?.connections ?? 0),
    draining: [...table.draining.keys()].sort(),
    ...(dataplane.http === undefined ? {} : { http: dataplane.http.engine.status() }),
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
