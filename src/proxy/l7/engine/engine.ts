import { randomBytes } from 'node:crypto'
import { createServer, type ListenOptions, type Server } from 'node:net'
import { type Clock, systemClock } from '../../../base/clock.ts'
import { TlsAcceptor } from '../tls/tls-acceptor.ts'
import { type Accept, acceptHttp } from './accept-http.ts'
import { acceptPassthrough } from './accept-passthrough.ts'
import type { Client } from './client.ts'
import type { ClientSettings } from './client-settings.ts'
import { EngineContext } from './engine-context.ts'
import { DEFAULT_ENGINE_SETTINGS, type EngineSettings } from './engine-settings.ts'
import type { ListenerOptions, ServingOptions } from './listener-options.ts'
import type { PassthroughSettings } from './passthrough-connection.ts'
import type { Router } from './route.ts'
import type { ServerNameRouter } from './server-name-router.ts'
import { Upstream, type UpstreamOptions } from './upstream.ts'

/** How long connections without a request stay open while the engine drains. */
const IDLE_GRACE_MS = 1_000

export interface EngineOptions {
  readonly settings?: Partial<EngineSettings>
  readonly clock?: Clock
  readonly random?: () => number
}

interface AcceptedHandle {
  close(): void
}

interface AcceptingHandle {
  readonly fd?: number
  /** Not that of a Unix socket. */
  setNoDelay?(on: boolean): number
  onconnection: (error: number, handle: AcceptedHandle | undefined) => void
}

/** What is done with the connections of a port; made by `serveHttp` and `servePassthrough`. */
export interface Serving {
  readonly accept: Accept
  readonly acceptor: TlsAcceptor | undefined
  /** Those that are served so now. */
  readonly clients: Set<Client>
}

/** A port that is listened on. */
export interface EngineListener {
  readonly port: number
  /** Of the listening socket, for a process that comes in the place of this one; -1: it has none. */
  readonly descriptor: number
  /** The listening socket below `net.Server`, to be sent to another process. */
  readonly handle: object
  /** Takes up the connections that wait, if it was opened with `isHeld`, and from here on all at once. */
  begin(): void
  /** From here on new connections are served so; those that are open go on as they were begun. */
  change(serving: Serving): void
  /** Lets go of the port. Open connections stay; any that still wait for `begin` are closed. */
  close(): Promise<void>
  /**
   * Lets go of the port and of its connections: each ends after what it is about, and those that are about nothing after
   * a moment, since a request may be on its way. Resolves when they have been told.
   */
  leave(): Promise<void>
  /**
   * Reads certificates and keys again at once, for connections to come; without TLS there is nothing to do. Rejects with
   * the first that cannot be used, in whose place the old one stays.
   */
  reloadCertificates(): Promise<void>
  /** For people: whose certificates there are and how long they last; undefined without TLS. */
  certificates(): unknown
}

/** An HTTP proxy on one event loop: listeners, their clients, and the upstreams that routers send requests to. */
export class Engine {
  readonly context: EngineContext
  /** Answers of the proxy's own to requests that belong to no route, by code. */
  readonly errors = new Map<string, number>()
  readonly upstreams: Upstream[] = []
  /** How open listeners serve new connections. */
  readonly #current = new Set<Serving>()
  /** Those, and what no listener does any more but still has connections. */
  readonly #servings = new Set<Serving>()
  readonly #servers = new Set<Server>()

  constructor(options: EngineOptions = {}) {
    this.context = new EngineContext(
      { ...DEFAULT_ENGINE_SETTINGS, ...options.settings },
      options.clock ?? systemClock,
      options.random ?? Math.random,
      new Int32Array(new Uint8Array(randomBytes(16)).buffer),
    )
  }

  get connections(): number {
    let count = 0
    for (const { clients } of this.#servings) count += clients.size
    return count
  }

  /** For people: connections, and what is known of each endpoint. */
  status(): unknown {
    const nowMs = this.context.clock.monotonic()
    return {
      connections: this.connections,
      upstreams: this.upstreams.map((upstream) => ({
        name: upstream.name,
        inFlight: upstream.metrics.inFlight,
        inPanic: upstream.group.inPanic(),
        endpoints: [...upstream.endpoints()].map(({ balanced, connections, idleConnections, sharing }) => ({
          address: balanced.name,
          inFlight: balanced.inFlight,
          latencyMs: Number.isNaN(balanced.latencyMs) ? null : balanced.latencyMs,
          isEjected: balanced.ejectedUntilMs > nowMs,
          isEnding: balanced.terminating,
          connections,
          idleConnections,
          depth: sharing.depth,
        })),
      })),
    }
  }

  createUpstream(options: UpstreamOptions): Upstream {
    const upstream = new Upstream(this.context, options)
    this.upstreams.push(upstream)
    return upstream
  }

  /** Takes no part any more: it is counted no longer, and its connections end with what they are about. */
  retireUpstream(upstream: Upstream): void {
    const at = this.upstreams.indexOf(upstream)
    if (at !== -1) this.upstreams.splice(at, 1)
    upstream.drain()
  }

  /** Resolves once it listens; rejects with the system's error when it cannot. */
  async listen(options: ListenerOptions, router: Router): Promise<EngineListener> {
    const { tls, proxyProtocol, http2, isHeld = false, ...where } = options
    const serving = await this.serveHttp({ tls, proxyProtocol, http2 }, router)
    return this.#open(where, serving, isHeld)
  }

  /** Like `listen`, with a way to serve that has been made already. */
  async listenServing(options: Omit<ListenerOptions, keyof ServingOptions>, serving: Serving): Promise<EngineListener> {
    const { isHeld = false, ...where } = options
    return this.#open(where, serving, isHeld)
  }

  /**
   * Like `listen`, for TLS that ends at the endpoints: connections are routed by the server name their clients ask for
   * and passed on as they are.
   */
  listenForPassthrough(
    options: Omit<ListenerOptions, 'tls' | 'http2'>,
    router: ServerNameRouter,
  ): Promise<EngineListener> {
    const { proxyProtocol, isHeld = false, ...where } = options
    return this.#open(where, this.servePassthrough({ proxyProtocol }, router), isHeld)
  }

  /** How a listener for HTTP serves its connections. Rejects when a certificate cannot be used. */
  async serveHttp(options: ServingOptions, router: Router): Promise<Serving> {
    const { tls, proxyProtocol, http2 = true } = options
    const { clock, settings } = this.context
    const acceptor = tls === undefined ? undefined : await TlsAcceptor.open(tls, clock, settings.headMs, http2)
    const clients = new Set<Client>()
    const change = (connection: Client, next: Client): void => {
      clients.delete(connection)
      clients.add(next)
    }
    const client: ClientSettings = {
      scheme: acceptor === undefined ? 'http' : 'https',
      router,
      onClosed: (connection) => clients.delete(connection),
      ...(http2 && acceptor === undefined ? { onHttp2: change } : {}),
      countError: (code) => this.errors.set(code, (this.errors.get(code) ?? 0) + 1),
    }
    return {
      accept: acceptHttp(this.context, client, clients, acceptor, proxyProtocol === 'required'),
      acceptor,
      clients,
    }
  }

  /** How a listener passes TLS on. */
  servePassthrough({ proxyProtocol }: Pick<ServingOptions, 'proxyProtocol'>, router: ServerNameRouter): Serving {
    const clients = new Set<Client>()
    const settings: PassthroughSettings = {
      router,
      onClosed: (connection) => clients.delete(connection),
      countError: (code) => this.errors.set(code, (this.errors.get(code) ?? 0) + 1),
    }
    const accept = acceptPassthrough(this.context, settings, clients, proxyProtocol === 'required')
    return { accept, acceptor: undefined, clients }
  }

  async #open(options: ListenOptions, first: Serving, isHeld: boolean): Promise<EngineListener> {
    try {
      return await this.#openPort(options, first, isHeld)
    } catch (error) {
      first.acceptor?.close()
      throw error
    }
  }

  async #openPort(options: ListenOptions, first: Serving, isHeld: boolean): Promise<EngineListener> {
    let serving = first
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ backlog: 4_096, ...options }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    // Below `net.Server`: it would make a socket for each connection that cannot read into a buffer of ours.
    const { _handle: handle } = server as unknown as { readonly _handle: AcceptingHandle }
    // Accepted connections inherit it: a system call less for each.
    handle.setNoDelay?.(true)
    let waiting: AcceptedHandle[] | undefined = isHeld ? [] : undefined
    handle.onconnection = (error, accepted) => {
      // Out of descriptors, or the client has gone again: the kernel keeps the others in its queue.
      if (error !== 0 || accepted === undefined) return
      if (waiting === undefined) serving.accept(accepted)
      else waiting.push(accepted)
    }
    const takeWaiting = (take: (accepted: AcceptedHandle) => void): void => {
      const taken = waiting ?? []
      waiting = undefined
      for (const accepted of taken) take(accepted)
    }
    this.#servers.add(server)
    this.#adopt(serving)
    server.once('close', () => {
      takeWaiting((accepted) => accepted.close())
      this.#letGo(serving)
    })
    const address = server.address()
    return {
      port: typeof address === 'object' && address !== null ? address.port : 0,
      descriptor: handle.fd ?? -1,
      handle,
      begin: () => takeWaiting(serving.accept),
      change: (next) => {
        this.#letGo(serving)
        serving = next
        this.#adopt(serving)
      },
      close: () => this.#closeServer(server),
      leave: async () => {
        await this.#closeServer(server)
        await this.endClients(serving)
      },
      reloadCertificates: async () => serving.acceptor?.reload(),
      certificates: () => serving.acceptor?.status(),
    }
  }

  /**
   * No new connections; each ends after its next answer, which says so, and those without a request after a moment, since
   * a client's next request may be on its way. Resolves when none is left, or after `withinMs`.
   */
  async drain(withinMs: number): Promise<void> {
    this.context.isDraining = true
    await Promise.all([...this.#servers].map((server) => this.#closeServer(server)))
    const nowMs = this.context.clock.monotonic()
    await this.#clientsGone(nowMs + Math.min(IDLE_GRACE_MS, withinMs / 2))
    for (const { clients } of this.#servings) for (const client of clients) client.drain()
    await this.#clientsGone(nowMs + withinMs)
    this.destroy()
  }

  async #clientsGone(untilMs: number): Promise<void> {
    const { clock } = this.context
    while (this.connections > 0 && clock.monotonic() < untilMs) {
      await new Promise<void>((resolve) => clock.setTimer(10, resolve))
    }
  }

  /** Ends what was served so after what it is about; what is about nothing after a moment. */
  async endClients({ clients }: Serving): Promise<void> {
    await new Promise<void>((resolve) => this.context.clock.setTimer(IDLE_GRACE_MS, resolve))
    for (const client of clients) client.drain()
  }

  #adopt(serving: Serving): void {
    this.#current.add(serving)
    this.#servings.add(serving)
  }

  /** Its certificates are looked after no longer; what it began goes on. */
  #letGo(serving: Serving): void {
    serving.acceptor?.close()
    this.#current.delete(serving)
    for (const other of this.#servings) {
      if (other.clients.size === 0 && !this.#current.has(other)) this.#servings.delete(other)
    }
  }

  /** Ends everything at once. */
  destroy(): void {
    for (const server of this.#servers) void this.#closeServer(server)
    for (const { clients } of this.#servings) for (const client of clients) client.destroy()
    for (const upstream of this.upstreams) upstream.destroy()
  }

  #closeServer(server: Server): Promise<void> {
    this.#servers.delete(server)
    return new Promise((resolve) => server.close(() => resolve()))
  }
}
