import type { Socket } from 'node:net'
import { ProxyWorker } from '../../../proxy/l7/worker/proxy-worker.ts'
import type { FromWorker, ToWorker, WorkerRequest } from './protocol.ts'

/** A worker process: does what its parent asks, and ends when that is gone. Signals of the terminal are the parent's business. */
export function runWorker(): void {
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {})
  let worker: ProxyWorker | undefined
  const send = (message: FromWorker): void => {
    if (process.connected) process.send?.(message, () => {})
  }
  process.on('message', (message: ToWorker) => {
    if (message.type === 'start') {
      worker = new ProxyWorker({
        reusePort: message.reusePort,
        secret: message.secret,
        inherited: message.inherited,
        onTap: (lines) => send({ type: 'tapped', lines }),
        onWarning: (text) => send({ type: 'warning', message: text }),
      })
      return
    }
    if (worker === undefined) return
    if (message.type === 'destroy') return worker.destroy()
    const { id, request } = message
    answer(worker, request).then(
      (result) => send({ type: 'done', id, result }),
      (error: NodeJS.ErrnoException) =>
        send({ type: 'failed', id, message: error.message, ...(error.code === undefined ? {} : { code: error.code }) }),
    )
  })
  process.on('disconnect', () => process.exit(0))
}

async function answer(worker: ProxyWorker, request: WorkerRequest): Promise<unknown> {
  switch (request.type) {
    case 'prepare':
      return worker.prepare(request.config)
    case 'commit':
      return worker.commit()
    case 'sockets':
      return sendSockets(worker.handles())
    case 'abort':
      return worker.abort()
    case 'metrics':
      return worker.metrics()
    case 'status':
      return worker.status()
    case 'reopenLog':
      return worker.reopenLog()
    case 'tap':
      return worker.setTapped(request.isOn)
    case 'drain':
      return worker.drain(request.withinMs)
  }
}

/** They stay open here, too. */
async function sendSockets(handles: Readonly<Record<string, object>>): Promise<void> {
  for (const [name, handle] of Object.entries(handles)) {
    const message: FromWorker = { type: 'socket', name }
    await new Promise<void>((resolve, reject) => {
      process.send?.(message, handle as Socket, {}, (error) => (error === null ? resolve() : reject(error)))
    })
  }
}
