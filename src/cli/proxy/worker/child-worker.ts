import { type ChildProcess, fork } from 'node:child_process'
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { ProxyConfig } from '../../../proxy/l7/config/proxy-config.ts'
import type { MetricFamilies } from '../../../proxy/l7/worker/proxy-worker.ts'
import type { HeldSockets } from './held-sockets.ts'
import type { FromWorker, ToWorker, WorkerRequest } from './protocol.ts'
import { WorkerGone, type WorkerHandle } from './worker-handle.ts'

export interface ChildWorkerOptions {
  /** Each listens for itself; else they share the parent's sockets by `node:cluster`. */
  readonly reusePort: boolean
  readonly secret: string
  /** The sockets that it is to listen on; from its first configuration on it keeps them up to date. */
  readonly sockets: HeldSockets
  onTap(lines: string): void
  onWarning(message: string): void
  /** It ended, asked or not. */
  onExit(how: string): void
}

/** A worker that does not answer within this is of no use; drains have their own time. */
const ANSWER_MS = 10_000
/** For a drained worker to write its log and end. */
const END_MS = 3_000

/** Standard streams and the channel come before. */
const FIRST_DESCRIPTOR = 4

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout | undefined
}

/** A worker in a process of its own. */
export class ChildWorker implements WorkerHandle {
  readonly #process: ChildProcess
  readonly #options: ChildWorkerOptions
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #gone: string | undefined

  constructor(options: ChildWorkerOptions) {
    this.#options = options
    const inherited = Object.entries(options.sockets.descriptors())
    this.#process = startProcess(
      options.reusePort,
      inherited.map(([, fd]) => fd),
    )
    this.#process.on('message', (message: FromWorker, handle: unknown) => this.#onMessage(message, handle, options))
    const ended = (how: string): void => {
      if (this.#gone !== undefined) return
      this.#gone = how
      for (const { reject, timer } of this.#waiting.values()) {
        clearTimeout(timer)
        reject(new WorkerGone(how))
      }
      this.#waiting.clear()
      options.onExit(how)
    }
    this.#process.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`))
    this.#process.once('error', (error) => ended(error.message))
    this.#send({
      type: 'start',
      reusePort: options.reusePort,
      secret: options.secret,
      inherited: Object.fromEntries(inherited.map(([name], i) => [name, FIRST_DESCRIPTOR + i])),
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  prepare(config: ProxyConfig): Promise<Readonly<Record<string, number>>> {
    return this.#ask({ type: 'prepare', config })
  }

  async commit(): Promise<void> {
    await this.#ask({ type: 'commit' })
    const { reusePort, sockets } = this.#options
    if (!reusePort) return
    await this.#ask({ type: 'sockets' })
    sockets.settle()
  }

  abort(): Promise<void> {
    return this.#ask({ type: 'abort' })
  }

  metrics(): Promise<MetricFamilies> {
    return this.#ask({ type: 'metrics' })
  }

  async status(): Promise<unknown> {
    return { pid: this.pid, ...(await this.#ask<object>({ type: 'status' })) }
  }

  setTapped(isOn: boolean): Promise<void> {
    return this.#ask({ type: 'tap', isOn })
  }

  reopenLog(): Promise<void> {
    return this.#ask({ type: 'reopenLog' })
  }

  descriptors(): Readonly<Record<string, number>> {
    return this.#options.sockets.descriptors()
  }

  async drain(withinMs: number): Promise<void> {
    const process = this.#process
    const gone = new Promise<void>((resolve) => {
      if (this.#gone !== undefined) return resolve()
      process.once('exit', () => resolve())
    })
    await this.#ask({ type: 'drain', withinMs }, withinMs + END_MS).catch(() => {})
    if (process.connected) process.disconnect()
    const kill = setTimeout(() => process.kill('SIGKILL'), END_MS)
    await gone
    clearTimeout(kill)
  }

  destroy(): void {
    this.#send({ type: 'destroy' })
  }

  /** For one that was started in vain or does not answer. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #ask<T>(request: WorkerRequest, withinMs = ANSWER_MS): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(new WorkerGone(this.#gone))
    const id = this.#nextId++
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new WorkerGone(`no answer to ${request.type} within ${withinMs} ms`))
      }, withinMs)
      this.#waiting.set(id, { resolve: (result) => resolve(result as T), reject, timer })
      this.#send({ type: 'request', id, request })
    })
  }

  #send(message: ToWorker): void {
    if (this.#process.connected) this.#process.send(message, () => {})
  }

  #onMessage(message: FromWorker, handle: unknown, options: ChildWorkerOptions): void {
    if (message.type === 'socket') options.sockets.add(message.name, handle)
    if (message.type === 'tapped') options.onTap(message.lines)
    else if (message.type === 'warning') options.onWarning(message.message)
    // Others are the cluster module's.
    if (message.type !== 'done' && message.type !== 'failed') return
    const waiting = this.#waiting.get(message.id)
    if (waiting === undefined) return
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    if (message.type === 'done') waiting.resolve(message.result)
    else waiting.reject(Object.assign(new Error(message.message), { code: message.code }))
  }
}

/** `descriptors`: of this process, that the other one is to have from `FIRST_DESCRIPTOR` on. */
function startProcess(reusePort: boolean, descriptors: readonly number[]): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const file = fileURLToPath(new URL(`./main.${extension}`, import.meta.url))
  if (reusePort) return fork(file, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors] })
  // Workers accept by themselves; else each connection would come through this process.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ exec: file, args: [] })
  return cluster.fork().process
}
