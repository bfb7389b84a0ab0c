import { type Clock, type Millis, sleep, type Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { DockerEngine } from './docker-engine.ts'
import { ownerFilter, readLabels } from './docker-labels.ts'
import { EngineError } from './engine-error.ts'
import { jsonLines } from './json-lines.ts'

export interface ListedContainer {
  readonly Id: string
  /** Each with a slash before it. */
  readonly Names: readonly string[]
  readonly State: string
  readonly Labels: Readonly<Record<string, string>>
}

/** Who hears of one node's containers. */
export interface ContainerFollower {
  /** All that there are, after every time in which something may have been missed. */
  listed(containers: readonly ListedContainer[]): Promise<void>
  /** Something happened to this one. */
  changed(id: string): void
}

export interface EngineWatchOptions {
  readonly engine: DockerEngine
  readonly cluster: string
  readonly clock: Clock
  readonly logger: Logger
}

const EVENTS = ['start', 'die', 'oom', 'destroy', 'pause', 'unpause']
/** An engine that answers nothing at all is known by this; an open stream says nothing while nothing happens. */
const PING_MS = 5_000
/** Events are not lost while the stream stands; should one be, it is found out by this. */
const RELIST_MS = 60_000
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 2_000
/** An engine that was well may be away this long before the node is called not ready: a restart is no outage. */
const PATIENCE_MS = 10_000

interface EngineEvent {
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> }
}

/**
 * Follows an engine for all nodes of a cluster on this machine: one stream of events, then a list, so that nothing
 * between the two is missed; when the stream ends, both again. Says whether the engine is well.
 */
export class EngineWatch {
  readonly #options: EngineWatchOptions
  readonly #followers = new Map<string, ContainerFollower>()
  readonly #handlers = new Set<() => void>()
  readonly #closed = new AbortController()
  #connection: AbortController | undefined
  #trouble: string | undefined
  #wellAtMs: Millis | undefined
  #timer: Timer | undefined
  #running = false
  #again = false

  constructor(options: EngineWatchOptions) {
    this.#options = options
  }

  /** Why the engine is of no use now; undefined while it is, and for a moment after. */
  get problem(): string | undefined {
    if (this.#trouble === undefined) return undefined
    const isRecent = this.#wellAtMs !== undefined && this.#options.clock.monotonic() - this.#wellAtMs < PATIENCE_MS
    return isRecent ? undefined : this.#trouble
  }

  /** Calls when `problem` may have changed. */
  onProblem(handler: () => void): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  follow(node: string, follower: ContainerFollower): () => void {
    this.#followers.set(node, follower)
    if (this.#running) {
      // It needs a list, too.
      this.#again = true
      this.#connection?.abort()
    } else void this.#run()
    return () => this.#followers.delete(node)
  }

  close(): void {
    this.#closed.abort()
    this.#connection?.abort()
    this.#timer?.cancel()
  }

  async #run(): Promise<void> {
    this.#running = true
    const { clock, logger } = this.#options
    const { signal } = this.#closed
    let pause = RETRY_MS_MIN
    while (!signal.aborted) {
      const began = clock.monotonic()
      try {
        await this.#follow()
      } catch (error) {
        if (signal.aborted) return
        const message = error instanceof Error ? error.message : String(error)
        if (this.#trouble === undefined) logger.warn({ err: error }, 'the Docker engine is not to be reached')
        this.#say(message)
      }
      if (this.#again) {
        this.#again = false
        continue
      }
      pause = clock.monotonic() - began > PING_MS ? RETRY_MS_MIN : Math.min(pause * 2, RETRY_MS_MAX)
      await sleep(clock, pause, signal)
    }
  }

  /** Resolves when the stream has ended. */
  async #follow(): Promise<void> {
    const { engine, cluster, clock } = this.#options
    const connection = new AbortController()
    this.#connection = connection
    const silence = Promise.withResolvers<never>()
    const watchdog = this.#watchdog(connection.signal, (error) => {
      silence.reject(error)
      connection.abort()
    })
    silence.promise.catch(() => {})
    try {
      const stream = await engine.stream({
        method: 'GET',
        path: '/events',
        query: { filters: { type: ['container'], event: EVENTS, label: ownerFilter(cluster) } },
        signal: connection.signal,
      })
      await this.#list()
      this.#wellAtMs = clock.monotonic()
      this.#say(undefined)
      for await (const event of jsonLines<EngineEvent>(stream)) this.#dispatch(event)
    } catch (error) {
      if (connection.signal.aborted) await Promise.race([silence.promise, undefined])
      // Asked to begin anew.
      if (!connection.signal.aborted) throw error
    } finally {
      connection.abort()
      watchdog.cancel()
    }
  }

  #watchdog(signal: AbortSignal, onSilence: (error: unknown) => void): Timer {
    const { engine, clock, logger } = this.#options
    let listedAt = clock.monotonic()
    let timer: Timer
    const again = (): void => {
      timer = clock.setTimer(PING_MS, () => void look())
    }
    const look = async (): Promise<void> => {
      try {
        await engine.call({ method: 'GET', path: '/_ping', timeoutMs: PING_MS })
        if (signal.aborted) return
        this.#wellAtMs = clock.monotonic()
        if (clock.monotonic() - listedAt >= RELIST_MS) {
          listedAt = clock.monotonic()
          await this.#list()
        }
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof EngineError) return onSilence(error)
        logger.warn({ err: error }, 'containers could not be listed')
      }
      if (!signal.aborted) again()
    }
    again()
    return { cancel: () => timer.cancel() }
  }

  async #list(): Promise<void> {
    const { engine, cluster } = this.#options
    const all = await engine.call<ListedContainer[]>({
      method: 'GET',
      path: '/containers/json',
      query: { all: 1, filters: { label: ownerFilter(cluster) } },
    })
    const byNode = Map.groupBy(all, ({ Labels }) => readLabels(Labels)?.node)
    await Promise.all([...this.#followers].map(([node, follower]) => follower.listed(byNode.get(node) ?? [])))
  }

  #dispatch({ Actor }: EngineEvent): void {
    const node = readLabels(Actor?.Attributes ?? {})?.node
    if (node !== undefined && Actor?.ID !== undefined) this.#followers.get(node)?.changed(Actor.ID)
  }

  #say(trouble: string | undefined): void {
    const before = this.#trouble
    this.#trouble = trouble
    this.#timer?.cancel()
    if (before === trouble && trouble === undefined) return
    for (const handler of this.#handlers) handler()
    // Said again once patience has run out.
    if (trouble !== undefined)
      this.#timer = this.#options.clock.setTimer(PATIENCE_MS, () => this.#handlers.forEach((handler) => void handler()))
  }
}
