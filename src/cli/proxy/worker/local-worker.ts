import { ProxyWorker, type ProxyWorkerOptions } from '../../../proxy/l7/worker/proxy-worker.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** The only worker, in this process. */
export function createLocalWorker(options: ProxyWorkerOptions): WorkerHandle {
  const worker = new ProxyWorker(options)
  return {
    prepare: (config) => worker.prepare(config),
    commit: () => worker.commit(),
    abort: () => worker.abort(),
    metrics: () => worker.metrics(),
    status: () => worker.status(),
    setTapped: async (isOn) => worker.setTapped(isOn),
    reopenLog: async () => worker.reopenLog(),
    descriptors: () => worker.descriptors(),
    drain: (withinMs) => worker.drain(withinMs),
    destroy: () => worker.destroy(),
  }
}
