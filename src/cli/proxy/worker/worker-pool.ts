import { AggregatorRegistry, Registry } from 'prom-client'
import type { ListenerConfig, ProxyConfig } from '../../../proxy/l7/config/proxy-config.ts'
import type { MetricFamilies } from '../../../proxy/l7/worker/proxy-worker.ts'
import type { Handover } from '../handover.ts'
import { ChildWorker } from './child-worker.ts'
import { HeldSockets } from './held-sockets.ts'
import { createLocalWorker } from './local-worker.ts'
import { probePorts } from './probe-ports.ts'
import { WorkerGone, type WorkerHandle } from './worker-handle.ts'

const RESTART_MS_MIN = 50
const RESTART_MS_MAX = 5_000
/** So long connections may wait in the queue of a worker that is being started again. */
const HELD_MS_MAX = 100
/** A worker that has run this long is well again: its next restart comes at once. */
const HEALTHY_MS = 10_000

export interface WorkerPoolOptions {
  /** 1: in this process. */
  readonly workers: number
  readonly reusePort: boolean
  readonly secret: string
  /** What a predecessor that still serves has left; see `handover.ts`. */
  readonly handover?: Pick<Handover, 'sockets' | 'ports'>
  /** What is printed. */
  onMessage(message: string): void
}

/** One worker's place, which one process after another fills. */
interface Seat {
  readonly index: number
  worker: WorkerHandle | undefined
  /** Of its processes, one after another. */
  sockets: HeldSockets
  startedAtMs: number
  restartMs: number
  timer: NodeJS.Timeout | undefined
}

/**
 * The workers of a proxy, which all do the same. A configuration reaches all of them or none: each prepares it, and
 * only when all have, each puts it in place and says so. A worker that dies is started again, with growing delay when it
 * does so often; what it had counted stays counted.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #seats: readonly Seat[]
  readonly #taps = new Set<(lines: string) => void>()
  readonly #latest = new Map<WorkerHandle, MetricFamilies>()
  /** Of workers that are gone: counters only. */
  #departed: MetricFamilies = []
  #config: ProxyConfig | undefined
  #ports: Readonly<Record<string, number>> = {}
  #version = 0
  #restarts = 0
  #isClosing = false
  /** One change after another. */
  #turn: Promise<void> = Promise.resolve()

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#ports = options.handover?.ports ?? {}
    this.#seats = Array.from({ length: options.workers }, (_, index) => ({
      index,
      worker: undefined,
      // A worker in this process has them itself.
      sockets: new HeldSockets(options.workers === 1 ? {} : options.handover?.sockets[index]),
      startedAtMs: 0,
      restartMs: 0,
      timer: undefined,
    }))
  }

  /** Where it listens, by the listeners' names. */
  get ports(): Readonly<Record<string, number>> {
    return this.#ports
  }

  /** The listening sockets of each worker as descriptors of this process, by the listeners' names. */
  get sockets(): readonly Readonly<Record<string, number>>[] {
    return this.#seats.map(({ worker, sockets }) => worker?.descriptors() ?? sockets.descriptors())
  }

  /** Grows with each configuration that holds. */
  get version(): number {
    return this.#version
  }

  /** Resolves when all workers do what `config` says; rejects, with nothing changed, when one cannot. */
  apply(config: ProxyConfig): Promise<void> {
    return this.#inTurn(() => this.#apply(config))
  }

  async #apply(config: ProxyConfig): Promise<void> {
    for (const seat of this.#seats) if (seat.worker === undefined && this.#config === undefined) this.#seat(seat)
    const workers = this.#workers()
    const prepared: WorkerHandle[] = []
    try {
      let resolved = withPorts(config, this.#ports)
      if (this.#options.workers > 1) resolved = withPorts(resolved, await probePorts(this.#newListeners(resolved)))
      const results = await Promise.allSettled(workers.map((worker) => this.#prepare(worker, resolved, prepared)))
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      // A worker in this process has found them by itself.
      for (const result of results) if (result.status === 'fulfilled') resolved = withPorts(resolved, result.value)
      this.#ports = Object.fromEntries(resolved.listeners.map(({ name, port }) => [name, port]))
      this.#config = resolved
    } catch (error) {
      await Promise.allSettled(prepared.map((worker) => worker.abort()))
      throw error
    }
    await Promise.all(prepared.map((worker) => worker.commit().catch((error: unknown) => this.#giveUp(worker, error))))
    // Who is started again finds its ports by itself; of those that it had some may be no listener's any more.
    for (const seat of this.#seats) if (seat.worker === undefined) seat.sockets.close()
    this.#version++
  }

  /**
   * Returns its ports, and notes it as prepared. One that is gone, when others have worked before, is no reason against a
   * configuration: it gets that when it is started again.
   */
  async #prepare(
    worker: WorkerHandle,
    config: ProxyConfig,
    prepared: WorkerHandle[],
  ): Promise<Readonly<Record<string, number>>> {
    try {
      const ports = await worker.prepare(config)
      prepared.push(worker)
      return ports
    } catch (error) {
      if (!(error instanceof WorkerGone) || this.#config === undefined) throw error
      this.#giveUp(worker, error)
      return this.#ports
    }
  }

  /** Gets lines of requests until the function that it returns is called. */
  tap(write: (lines: string) => void): () => void {
    this.#taps.add(write)
    if (this.#taps.size === 1) this.#setTapped(true)
    return () => {
      if (this.#taps.delete(write) && this.#taps.size === 0) this.#setTapped(false)
    }
  }

  /** All workers' counts together, as exposition text. */
  async metrics(): Promise<{ readonly text: string; readonly contentType: string }> {
    const workers = this.#workers()
    await Promise.allSettled(
      workers.map(async (worker) => {
        this.#latest.set(worker, await worker.metrics())
      }),
    )
    const all = [...this.#latest.values(), this.#departed]
    const registry = AggregatorRegistry.aggregate(all as unknown as object[])
    const own = new Registry()
    const add = (name: string, type: string, help: string, value: number): void => {
      const get = async (): Promise<unknown> => ({
        name,
        help,
        type,
        aggregator: 'sum',
        values: [{ value, labels: {} }],
      })
      own.registerMetric({ name, help, type, get } as unknown as Parameters<typeof own.registerMetric>[0])
    }
    add('wherry_proxy_workers', 'gauge', 'Processes that serve requests', workers.length)
    add('wherry_proxy_worker_restarts_total', 'counter', 'Processes started again after they had died', this.#restarts)
    add('wherry_proxy_config_version', 'gauge', 'Configurations that have taken effect', this.#version)
    return { text: `${await registry.metrics()}\n${await own.metrics()}`, contentType: own.contentType }
  }

  async status(): Promise<unknown> {
    const results = await Promise.allSettled(this.#workers().map((worker) => worker.status()))
    const workers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    return { configVersion: this.#version, workers }
  }

  async reopenLogs(): Promise<void> {
    await Promise.allSettled(this.#workers().map((worker) => worker.reopenLog()))
  }

  /** Resolves when all have ended. */
  async drain(withinMs: number): Promise<void> {
    this.#isClosing = true
    for (const { timer, sockets } of this.#seats) {
      clearTimeout(timer)
      sockets.close()
    }
    await Promise.all(this.#workers().map((worker) => worker.drain(withinMs)))
  }

  /** Ends all connections at once; a drain under way ends then. */
  destroy(): void {
    for (const worker of this.#workers()) worker.destroy()
  }

  #newListeners({ listeners }: ProxyConfig): readonly ListenerConfig[] {
    const known = this.#config?.listeners ?? []
    // The predecessor listens there until this one is ready.
    const inherited = this.#config === undefined ? (this.#options.handover?.ports ?? {}) : {}
    return listeners.filter(
      ({ name, host, port }) =>
        inherited[name] !== port && (port === 0 || !known.some((old) => old.host === host && old.port === port)),
    )
  }

  #workers(): readonly WorkerHandle[] {
    return this.#seats.flatMap(({ worker }) => worker ?? [])
  }

  #seat(seat: Seat): WorkerHandle {
    const { reusePort, secret, workers, onMessage } = this.#options
    const onTap = (lines: string): void => {
      for (const write of this.#taps) write(lines)
    }
    seat.startedAtMs = performance.now()
    if (workers === 1) {
      seat.worker = createLocalWorker({
        reusePort: false,
        inherited: this.#options.handover?.sockets[0] ?? {},
        secret,
        onTap,
        onWarning: onMessage,
      })
      return seat.worker
    }
    const worker = new ChildWorker({
      reusePort,
      secret,
      sockets: seat.sockets,
      onTap,
      onWarning: onMessage,
      onExit: (how) => this.#exited(seat, worker, how),
    })
    seat.worker = worker
    return worker
  }

  #exited(seat: Seat, worker: WorkerHandle, how: string): void {
    if (seat.worker === worker) seat.worker = undefined
    const counted = this.#latest.get(worker)
    this.#latest.delete(worker)
    if (counted !== undefined) this.#departed = addCounters(this.#departed, counted)
    // One that dies before anything held is told by whoever waits for it.
    if (this.#isClosing || this.#config === undefined) return
    const isWell = performance.now() - seat.startedAtMs > HEALTHY_MS
    seat.restartMs = isWell ? RESTART_MS_MIN : Math.min(RESTART_MS_MAX, Math.max(RESTART_MS_MIN, seat.restartMs * 2))
    // Connections that wait for it are better off with the others than behind a worker that dies again and again.
    if (seat.restartMs > HELD_MS_MAX) seat.sockets.close()
    this.#options.onMessage(`worker ${seat.index + 1} ended (${how}); starting it again in ${seat.restartMs} ms`)
    seat.timer = setTimeout(() => void this.#inTurn(() => this.#restart(seat)), seat.restartMs)
  }

  async #restart(seat: Seat): Promise<void> {
    if (this.#isClosing || this.#config === undefined) return
    this.#restarts++
    const worker = this.#seat(seat)
    try {
      await worker.prepare(this.#config)
      await worker.commit()
      if (this.#taps.size > 0) await worker.setTapped(true)
    } catch (error) {
      this.#giveUp(worker, error)
    }
  }

  /** It is not as the others are: its process ends, and another takes its place. */
  #giveUp(worker: WorkerHandle, error: unknown): void {
    if (!(error instanceof WorkerGone)) {
      this.#options.onMessage(`a worker is given up: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (worker instanceof ChildWorker) worker.kill()
  }

  #setTapped(isOn: boolean): void {
    for (const worker of this.#workers()) void worker.setTapped(isOn).catch(() => {})
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(step)
    this.#turn = result.catch(() => {})
    return result
  }
}

/** With the ports that listeners have for those that may be any. */
function withPorts(config: ProxyConfig, ports: Readonly<Record<string, number>>): ProxyConfig {
  const listeners = config.listeners.map((listener) =>
    listener.port === 0 ? { ...listener, port: ports[listener.name] ?? 0 } : listener,
  )
  return { ...config, listeners }
}

function addCounters(departed: MetricFamilies, counted: MetricFamilies): MetricFamilies {
  const counters = counted.filter(({ type }) => String(type) === 'counter' || String(type) === 'histogram')
  const registry = AggregatorRegistry.aggregate([departed, counters] as unknown as object[])
  return registry.getMetricsAsArray() as unknown as MetricFamilies
}
