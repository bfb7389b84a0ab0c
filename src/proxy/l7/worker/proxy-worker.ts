import { Registry } from 'prom-client'
import { ConfiguredEngine, type PreparedConfig } from '../config/configured-engine.ts'
import type { AccessLogConfig, ProxyConfig } from '../config/proxy-config.ts'
import { Engine } from '../engine/engine.ts'
import { registerHttpMetrics } from '../metrics/http-metrics.ts'
import { AccessLog } from '../observe/access-log.ts'
import { RequestFeed } from '../observe/request-feed.ts'
import { RequestTap } from '../observe/request-tap.ts'

/** Samples of one metric family, as `prom-client` gives and adds them. */
export type MetricFamilies = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export interface ProxyWorkerOptions {
  readonly reusePort: boolean
  /** See `ConfiguredEngineOptions`. */
  readonly inherited?: Readonly<Record<string, number>>
  /** See `ConfiguredEngineOptions`. */
  readonly secret: string
  /** Lines of requests, while tapped. */
  onTap(lines: string): void
  /** What somebody should know of. */
  onWarning(message: string): void
}

/** One process's part of a proxy: an engine, its configuration, its counts and its log. */
export class ProxyWorker {
  readonly #engine = new Engine()
  readonly #configured: ConfiguredEngine
  readonly #registry = new Registry()
  readonly #feed: RequestFeed
  readonly #tap: RequestTap
  readonly #options: ProxyWorkerOptions
  #prepared: PreparedConfig | undefined
  #log: AccessLog | undefined
  #logConfig: AccessLogConfig | undefined
  #isTapped = false

  constructor(options: ProxyWorkerOptions) {
    this.#options = options
    this.#configured = new ConfiguredEngine(this.#engine, options)
    registerHttpMetrics(this.#registry, this.#engine)
    this.#feed = new RequestFeed(this.#engine.context.clock)
    this.#tap = new RequestTap(this.#feed, options.onTap)
  }

  /** Does what may fail; `commit` or `abort` follows. Returns the ports by the names of their listeners. */
  async prepare(config: ProxyConfig): Promise<Readonly<Record<string, number>>> {
    this.#prepared = await this.#configured.prepare(config)
    return this.#prepared.ports
  }

  async commit(): Promise<void> {
    const prepared = this.#prepared
    if (prepared === undefined) return
    this.#prepared = undefined
    this.#configured.commit(prepared)
    await this.#setLog(prepared.config.accessLog)
  }

  async abort(): Promise<void> {
    const prepared = this.#prepared
    this.#prepared = undefined
    if (prepared !== undefined) await this.#configured.abort(prepared)
  }

  /** The listening sockets by the names of their listeners. */
  descriptors(): Readonly<Record<string, number>> {
    return this.#configured.descriptors()
  }

  /** The same as they can be sent to another process. */
  handles(): Readonly<Record<string, object>> {
    return this.#configured.handles()
  }

  metrics(): Promise<MetricFamilies> {
    return this.#registry.getMetricsAsJSON()
  }

  async status(): Promise<unknown> {
    return this.#engine.status()
  }

  setTapped(isTapped: boolean): void {
    if (isTapped === this.#isTapped) return
    this.#isTapped = isTapped
    if (isTapped) this.#tap.open()
    else this.#tap.close()
    this.#observe()
  }

  reopenLog(): void {
    this.#log?.reopen()
  }

  async drain(withinMs: number): Promise<void> {
    await this.#engine.drain(withinMs)
    this.#configured.close()
    this.#feed.flush()
    await this.#log?.close()
  }

  /** Ends all connections at once; a `drain` under way then ends too. */
  destroy(): void {
    this.#configured.close()
    this.#engine.destroy()
  }

  async #setLog(config: AccessLogConfig | undefined): Promise<void> {
    if (config?.file === this.#logConfig?.file && config?.sample === this.#logConfig?.sample) return
    const old = this.#log
    this.#feed.flush()
    if (old !== undefined) this.#feed.delete(old.sink)
    this.#logConfig = config
    this.#log = config === undefined ? undefined : this.#openLog(config)
    if (this.#log !== undefined) this.#feed.add(this.#log.sink)
    this.#observe()
    await old?.close()
  }

  #openLog({ file, sample }: AccessLogConfig): AccessLog {
    return new AccessLog({
      file,
      sample,
      random: this.#engine.context.random,
      onError: (error) => this.#options.onWarning(`the access log cannot be written: ${error.message}`),
    })
  }

  /** Nothing is made of requests when nobody wants it. */
  #observe(): void {
    this.#engine.context.observer = this.#feed.hasSinks ? this.#feed : undefined
  }
}
