import type { ProxyConfig } from '../../../proxy/l7/config/proxy-config.ts'
import type { MetricFamilies } from '../../../proxy/l7/worker/proxy-worker.ts'

/** A worker as its parent sees it, in this process or another. What is asked of one that is gone rejects with `WorkerGone`. */
export interface WorkerHandle {
  prepare(config: ProxyConfig): Promise<Readonly<Record<string, number>>>
  commit(): Promise<void>
  abort(): Promise<void>
  metrics(): Promise<MetricFamilies>
  status(): Promise<unknown>
  setTapped(isOn: boolean): Promise<void>
  reopenLog(): Promise<void>
  /** Listening sockets as descriptors of this process, by the names of their listeners. */
  descriptors(): Readonly<Record<string, number>>
  /** Lets requests under way finish for so long, then ends. */
  drain(withinMs: number): Promise<void>
  destroy(): void
}

/** The process has ended, or does not answer. */
export class WorkerGone extends Error {
  readonly code = 'WORKER_GONE'

  constructor(how: string) {
    super(`a worker is gone: ${how}`)
    this.name = 'WorkerGone'
  }
}
