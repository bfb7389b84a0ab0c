import { isDeepStrictEqual } from 'node:util'
import type { HealthPolicy } from '../../balance/health-policy.ts'
import { OutlierDetection } from '../../resilience/outlier-detection.ts'
import type { Engine, EngineListener, Serving } from '../engine/engine.ts'
import { onlyRoute, type Router } from '../engine/route.ts'
import type { ServerNameRouter } from '../engine/server-name-router.ts'
import type { Upstream, UpstreamOptions } from '../engine/upstream.ts'
import { LoadProber } from '../probing/load-prober.ts'
import { createRouter } from '../routes/create-router.ts'
import { createServerNameRouter } from '../routes/create-server-name-router.ts'
import { SwappableRouter } from '../routes/swappable-router.ts'
import { SwappableServerNameRouter } from '../routes/swappable-server-name-router.ts'
import type { UpstreamTlsOptions } from '../tls/tls-options.ts'
import { readBackendTls, watchBackendTls } from './backend-tls-files.ts'
import { present } from './present.ts'
import type { BackendConfig, BackendTlsConfig, ListenerConfig, ProxyConfig, RouteConfig } from './proxy-config.ts'

/** Takes no endpoint out, whatever it does. */
const NO_EJECTIONS: HealthPolicy = {
  started: () => false,
  finished: () => false,
  sweep: () => false,
  nextSweepAtMs: () => Number.POSITIVE_INFINITY,
}

/** Until its configuration holds, while its connections wait. */
const NO_ROUTES: Router = { check: () => 0, route: () => undefined }

const NO_NAMES: ServerNameRouter = { route: () => undefined }

/** How a listener's connections are served, and what leads their requests. */
interface Served {
  readonly serving: Serving
  readonly router: SwappableRouter
  /** Of connections whose TLS is passed on. */
  readonly names: SwappableServerNameRouter
}

interface OpenListener extends Served {
  readonly config: ListenerConfig
  readonly listener: EngineListener
}

/** An open listener whose new connections are to be served otherwise. */
interface ChangedListener extends Served {
  readonly open: OpenListener
}

interface LiveBackend {
  readonly config: BackendConfig
  readonly upstream: Upstream
  /** What its files held when the configuration took effect. */
  readonly tls: UpstreamTlsOptions | undefined
  readonly unwatch: () => void
  readonly prober: LoadProber | undefined
}

/** A configuration of which all that may fail has been done. */
export interface PreparedConfig {
  readonly config: ProxyConfig
  /** Opened for it. */
  readonly opened: readonly OpenListener[]
  readonly changed: readonly ChangedListener[]
  /** What the files of backends hold, by their names. */
  readonly tls: ReadonlyMap<string, UpstreamTlsOptions>
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
    const changed: ChangedListener[] = []
    const tls = new Map<string, UpstreamTlsOptions>()
    try {
      for (const backend of config.backends) {
        if (backend.tls !== undefined) tls.set(backend.name, await this.#readTls(backend.name, backend.tls))
      }
      for (const listener of config.listeners) {
        const open = this.#find(listener)
        if (open === undefined) opened.push(await this.#open(listener))
        else if (!isDeepStrictEqual(transportOf(open.config), transportOf(listener))) {
          const isOfSameKind = isPassing(open.config) === isPassing(listener)
          changed.push({ open, ...(await this.#serve(listener, isOfSameKind ? open : undefined)) })
        }
      }
    } catch (error) {
      await this.#undo(opened, changed)
      throw error
    }
    const ports = config.listeners.map((listener) => {
      const open = this.#find(listener) ?? opened.find(({ config }) => config.name === listener.name)!
      return [listener.name, open.listener.port] as const
    })
    return { config, opened, changed, tls, ports: Object.fromEntries(ports) }
  }

  /** Gives up a prepared configuration. */
  async abort({ opened, changed }: PreparedConfig): Promise<void> {
    await this.#undo(opened, changed)
  }

  /** From here on the configuration holds: for new requests, also on open connections. */
  commit({ config, opened, changed, tls }: PreparedConfig): void {
    const retired = this.#setBackends(config.backends, tls)
    const upstreams = new Map([...this.#backends].map(([name, { upstream }]) => [name, upstream]))
    const before = this.#listeners
    this.#listeners = config.listeners.map((listener) => {
      const open = this.#find(listener) ?? opened.find(({ config }) => config.name === listener.name)!
      const { serving, router, names } = changed.find((change) => change.open === open) ?? open
      if (isPassing(listener)) names.current = this.#createNameRouter(config.routes, listener.name, upstreams)
      else router.current = this.#createRouter(config.routes, listener.name, upstreams)
      return { listener: open.listener, serving, router, names, config: { ...listener, port: open.listener.port } }
    })
    for (const { open, serving, router } of changed) {
      open.listener.change(serving)
      // Of another kind than what comes now: no route leads the requests of the old ones any more.
      if (router !== open.router) void this.engine.endClients(open.serving)
    }
    for (const { listener } of opened) listener.begin()
    for (const { listener } of before.filter(
      (old) => !this.#listeners.some((open) => open.listener === old.listener),
    )) {
      void listener.leave()
    }
    for (const upstream of retired) this.engine.retireUpstream(upstream)
  }

  /** Files are looked at no longer, and endpoints not asked for their load. The engine goes on. */
  close(): void {
    for (const { unwatch, prober } of this.#backends.values()) {
      unwatch()
      prober?.close()
    }
  }

  /** The listening sockets by the names of their listeners. */
  descriptors(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#listeners.map(({ config, listener }) => [config.name, listener.descriptor]))
  }

  /** The same as they can be sent to another process. */
  handles(): Readonly<Record<string, object>> {
    return Object.fromEntries(this.#listeners.map(({ config, listener }) => [config.name, listener.handle]))
  }

  #find(wanted: ListenerConfig): OpenListener | undefined {
    return this.#listeners.find(({ config }) => isSameAddress(config, wanted))
  }

  async #open(config: ListenerConfig): Promise<OpenListener> {
    const { host, port, name } = config
    const { reusePort, inherited } = this.#options
    const descriptor = this.#listeners.length === 0 ? inherited?.[name] : undefined
    const where = descriptor === undefined ? { host, port, ...(reusePort ? { reusePort } : {}) } : { fd: descriptor }
    const served = await this.#serve(config, undefined)
    const listener = await this.engine.listenServing({ ...where, isHeld: true }, served.serving)
    return { config: { ...config, port: listener.port }, listener, ...served }
  }

  /** `like`: what leads the requests of connections there are is to lead those of new ones, too. */
  async #serve(config: ListenerConfig, like: Served | undefined): Promise<Served> {
    const { name, tls, proxyProtocol, http2 } = config
    const router = like?.router ?? new SwappableRouter(NO_ROUTES)
    const names = like?.names ?? new SwappableServerNameRouter(NO_NAMES)
    if (tls === 'passthrough') {
      return { serving: this.engine.servePassthrough({ proxyProtocol }, names), router, names }
    }
    const onReloadFailed = (error: Error): void =>
      this.#options.onWarning(`certificates of listener ${name}: ${error.message}`)
    const secured = tls === undefined ? undefined : { ...tls, onReloadFailed }
    return { serving: await this.engine.serveHttp({ tls: secured, proxyProtocol, http2 }, router), router, names }
  }

  async #undo(opened: readonly OpenListener[], changed: readonly ChangedListener[]): Promise<void> {
    for (const { serving } of changed) serving.acceptor?.close()
    await Promise.all(opened.map(({ listener }) => listener.close()))
  }

  async #readTls(backend: string, config: BackendTlsConfig): Promise<UpstreamTlsOptions> {
    try {
      return await readBackendTls(config)
    } catch (error) {
      throw new Error(`tls of backend ${backend}: ${(error as Error).message}`, { cause: error })
    }
  }

  /** Returns those that take no part any more. */
  #setBackends(
    backends: readonly BackendConfig[],
    secrets: ReadonlyMap<string, UpstreamTlsOptions>,
  ): readonly Upstream[] {
    const retired: Upstream[] = []
    const gone = new Map(this.#backends)
    for (const config of backends) {
      const known = gone.get(config.name)
      gone.delete(config.name)
      const tls = secrets.get(config.name)
      if (known !== undefined && isDeepStrictEqual(settingsOf(known.config), settingsOf(config))) {
        if (!isDeepStrictEqual(known.config.endpoints, config.endpoints)) {
          known.upstream.replace(config.endpoints)
          known.prober?.keep(config.endpoints)
        }
        // The same files with something else in them.
        if (tls !== undefined && !isDeepStrictEqual(known.tls, tls)) known.upstream.transport.tls?.change(tls)
        this.#backends.set(config.name, { ...known, config, tls })
        continue
      }
      if (known !== undefined) this.#retire(known, retired)
      const prober = this.#createProber(config)
      const upstream = this.engine.createUpstream({
        ...upstreamOptions(config, tls, this.#options.secret),
        ...(known === undefined ? {} : { metrics: known.upstream.metrics }),
        ...(prober === undefined ? {} : { createBalancer: () => prober.createBalancer() }),
      })
      void prober?.begin(upstream.transport)
      this.#backends.set(config.name, { config, upstream, tls, unwatch: this.#watch(config, upstream), prober })
    }
    for (const [name, backend] of gone) {
      this.#backends.delete(name)
      this.#retire(backend, retired)
    }
    return retired
  }

  #createProber({ name, probe }: BackendConfig): LoadProber | undefined {
    if (probe === undefined) return undefined
    const { clock, random } = this.engine.context
    const onChange = (why: string | undefined): void =>
      this.#options.onWarning(
        why === undefined
          ? `backend ${name} answers probes again`
          : `backend ${name} does not answer probes, the proxy goes by what it sees itself: ${why}`,
      )
    return new LoadProber({ ...probe, clock, random, onChange })
  }

  #retire({ upstream, unwatch, prober }: LiveBackend, retired: Upstream[]): void {
    unwatch()
    prober?.close()
    retired.push(upstream)
  }

  #watch({ name, tls }: BackendConfig, { transport }: Upstream): () => void {
    if (tls === undefined || transport.tls === undefined) return () => {}
    return watchBackendTls(tls, transport.tls, this.engine.context.clock, (error) =>
      this.#options.onWarning(`tls of backend ${name}: ${error.message}`),
    )
  }

  #createNameRouter(
    routes: readonly RouteConfig[],
    listener: string,
    upstreams: ReadonlyMap<string, Upstream>,
  ): ServerNameRouter {
    const own = routes.filter(({ listeners }) => listeners?.includes(listener))
    return createServerNameRouter(own, upstreams, (name) => this.#idOf(name), this.engine.context.random)
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

function transportOf({ tls, proxyProtocol = 'off', http2 = true }: ListenerConfig): unknown {
  return [tls, proxyProtocol, http2]
}

function isPassing({ tls }: ListenerConfig): boolean {
  return tls === 'passthrough'
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

function upstreamOptions(config: BackendConfig, tls: UpstreamTlsOptions | undefined, secret: string): UpstreamOptions {
  const { name, endpoints, algorithm, sticky, retries, outlierDetection } = config
  const { key, slowStart, zone, panicThreshold, timeouts, limits, proxyProtocol, protocol } = config
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
      tls,
      proxyProtocol,
      protocol,
      budget: retries?.budget,
      affinity: sticky === undefined ? undefined : { secret, ...sticky },
    }),
  }
}
