import { isDeepStrictEqual } from 'node:util'
import type { HealthPolicy } from '../../balance/health-policy.ts'
import { OutlierDetection } from '../../resilience/outlier-detection.ts'
import type { Engine, EngineListener } from '../engine/engine.ts'
import { onlyRoute, type Router } from '../engine/route.ts'
import type { Upstream, UpstreamOptions } from '../engine/upstream.ts'
import { createRouter } from '../routes/create-router.ts'
import { SwappableRouter } from '../routes/swappable-router.ts'
import { present } from './present.ts'
import type { BackendConfig, ListenerConfig, ProxyConfig, RouteConfig } from './proxy-config.ts'

/** Takes no endpoint out, whatever it does. */
const NO_EJECTIONS: HealthPolicy = {
  started: () => false,
  finished: () => false,
  sweep: () => false,
  nextSweepAtMs: () => Number.POSITIVE_INFINITY,
}

/** Until its configuration holds, while its connections wait. */
const NO_ROUTES: Router = { check: () => 0, route: () => undefined }

interface OpenListener {
  readonly config: ListenerConfig
  readonly listener: EngineListener
  readonly router: SwappableRouter
}

interface LiveBackend {
  readonly config: BackendConfig
  readonly upstream: Upstream
}

/** A configuration of which all that may fail has been done. */
export interface PreparedConfig {
  readonly config: ProxyConfig
  /** Opened for it. */
  readonly opened: readonly OpenListener[]
  /** By the name of the listener. */
  readonly ports: Readonly<Record<string, number>>
}

/** How listeners are to be opened, and what secrets are made of. */
export interface ConfiguredEngineOptions {
  /** Several processes listen on the same ports. */
  readonly reusePort: boolean
  /** Sockets that listen already, by the names of their listeners, for the first configuration. Default: none. */
  readonly inherited?: Readonly<Record<string, number>>
  /** Of sessions that stick, for backends that have no secret of their own. */
  readonly secret: string
  /** What somebody should know of. */
  onWarning(message: string): void
}

/**
 * An engine that follows one configuration after another. What stays the same stays as it is: listeners with their
 * connections, backends with what is known of their endpoints. A change has two steps, so that several processes change
 * together or not at all: `prepare` does what may fail, `commit` puts everything in place at once.
 */
export class ConfiguredEngine {
  readonly engine: Engine
  readonly #options: ConfiguredEngineOptions
  #listeners: readonly OpenListener[] = []
  readonly #backends = new Map<string, LiveBackend>()
  readonly #routeIds = new Map<string, number>()

  constructor(engine: Engine, options: ConfiguredEngineOptions) {
    this.engine = engine
    this.#options = options
  }

  /** Opens what is not open yet; rejects with the system's error, and nothing opened, when that fails. */
  async prepare(config: ProxyConfig): Promise<PreparedConfig> {
    const opened: OpenListener[] = []
    try {
      for (const listener of config.listeners) {
        const open = this.#find(listener)
        if (open === undefined) opened.push(await this.#open(listener))
        else if (!isDeepStrictEqual(transportOf(open.config), transportOf(listener))) {
          const { name, host, port } = listener
          throw new Error(`listener ${name} (${host} port ${port}): tls and proxyProtocol change with a new start only`)
        }
      }
    } catch (error) {
      await Promise.all(opened.map(({ listener }) => listener.close()))
      throw error
    }
    const ports = config.listeners.map((listener) => {
      const open = this.#find(listener) ?? opened.find(({ config }) => config.name === listener.name)!
      return [listener.name, open.listener.port] as const
    })
    return { config, opened, ports: Object.fromEntries(ports) }
  }

  /** Gives up a prepared configuration. */
  async abort({ opened }: PreparedConfig): Promise<void> {
    await Promise.all(opened.map(({ listener }) => listener.close()))
  }

  /** From here on the configuration holds: for new requests, also on open connections. */
  commit({ config, opened }: PreparedConfig): void {
    const retired = this.#setBackends(config.backends)
    const upstreams = new Map([...this.#backends].map(([name, { upstream }]) => [name, upstream]))
    const before = this.#listeners
    this.#listeners = config.listeners.map((listener) => {
      const open = this.#find(listener) ?? opened.find(({ config }) => config.name === listener.name)!
      open.router.current = this.#createRouter(config.routes, listener.name, upstreams)
      return { ...open, config: { ...listener, port: open.listener.port } }
    })
    for (const { listener } of opened) listener.begin()
    for (const { listener } of before.filter(
      (old) => !this.#listeners.some((open) => open.listener === old.listener),
    )) {
      void listener.close()
    }
    for (const upstream of retired) this.engine.retireUpstream(upstream)
  }

  /** The listening sockets by the names of their listeners. */
  descriptors(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#listeners.map(({ config, listener }) => [config.name, listener.descriptor]))
  }

  #find(wanted: ListenerConfig): OpenListener | undefined {
    return this.#listeners.find(({ config }) => isSameAddress(config, wanted))
  }

  async #open(config: ListenerConfig): Promise<OpenListener> {
    const router = new SwappableRouter(NO_ROUTES)
    const { host, port, name, tls } = config
    const { reusePort, onWarning, inherited } = this.#options
    const descriptor = this.#listeners.length === 0 ? inherited?.[name] : undefined
    const where = descriptor === undefined ? { host, port, ...(reusePort ? { reusePort } : {}) } : { fd: descriptor }
    const onReloadFailed = (error: Error): void => onWarning(`certificates of listener ${name}: ${error.message}`)
    const secured = tls === undefined ? undefined : { ...tls, onReloadFailed }
    const { proxyProtocol } = config
    const listener = await this.engine.listen(
      { ...where, ...present({ tls: secured, proxyProtocol }), isHeld: true },
      router,
    )
    return { config: { ...config, port: listener.port }, listener, router }
  }

  /** Returns those that take no part any more. */
  #setBackends(backends: readonly BackendConfig[]): readonly Upstream[] {
    const retired: Upstream[] = []
    const gone = new Map(this.#backends)
    for (const config of backends) {
      const known = gone.get(config.name)
      gone.delete(config.name)
      if (known !== undefined && isDeepStrictEqual(settingsOf(known.config), settingsOf(config))) {
        if (!isDeepStrictEqual(known.config.endpoints, config.endpoints)) known.upstream.replace(config.endpoints)
        this.#backends.set(config.name, { config, upstream: known.upstream })
        continue
      }
      if (known !== undefined) retired.push(known.upstream)
      const upstream = this.engine.createUpstream({
        ...upstreamOptions(config, this.#options.secret),
        ...(known === undefined ? {} : { metrics: known.upstream.metrics }),
      })
      this.#backends.set(config.name, { config, upstream })
    }
    for (const [name, { upstream }] of gone) {
      this.#backends.delete(name)
      retired.push(upstream)
    }
    return retired
  }

  #createRouter(routes: readonly RouteConfig[], listener: string, upstreams: ReadonlyMap<string, Upstream>): Router {
    const own = routes.filter(({ listeners }) => listeners === undefined || listeners.includes(listener))
    const only = own.length === 1 ? own[0]! : undefined
    if (only !== undefined && takesEverything(only)) {
      const { name } = only
      return onlyRoute({ id: this.#idOf(name), name, upstream: upstreams.get(only.backends[0]!.upstream)! })
    }
    return createRouter(own, upstreams, (name) => this.#idOf(name), this.engine.context.random)
  }

  #idOf(route: string): number {
    const id = this.#routeIds.get(route) ?? this.#routeIds.size
    this.#routeIds.set(route, id)
    return id
  }
}

function transportOf({ tls, proxyProtocol = 'off' }: ListenerConfig): unknown {
  return [tls, proxyProtocol]
}

/** A wanted port of 0 is whichever the listener of that name has. */
function isSameAddress(open: ListenerConfig, wanted: ListenerConfig): boolean {
  return open.host === wanted.host && (wanted.port === 0 ? open.name === wanted.name : open.port === wanted.port)
}

function settingsOf({ endpoints: _, ...settings }: BackendConfig): Omit<BackendConfig, 'endpoints'> {
  return settings
}

function takesEverything({ hosts, path, methods, headers, backends }: RouteConfig): boolean {
  const narrows = [hosts, path, methods, headers].some((part) => part !== undefined)
  return !narrows && backends.length === 1 && backends[0]!.weight !== 0
}

function upstreamOptions(config: BackendConfig, secret: string): UpstreamOptions {
  const { name, endpoints, algorithm, sticky, retries, outlierDetection } = config
  const { key, slowStart, zone, panicThreshold, timeouts, limits } = config
  return {
    name,
    endpoints,
    algorithm,
    health: outlierDetection === false ? NO_EJECTIONS : new OutlierDetection(outlierDetection),
    retry: {
      triesMax: 1 + (retries?.max ?? 2),
      ...present({ perTryMs: retries?.perTryMs, statuses: retries?.statuses, backoff: retries?.backoff }),
    },
    ...present({
      key,
      slowStart,
      zone,
      panicThreshold,
      timeouts,
      circuit: limits,
      budget: retries?.budget,
      affinity: sticky === undefined ? undefined : { secret, ...sticky },
    }),
  }
}
