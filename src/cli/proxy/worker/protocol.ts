import type { ProxyConfig } from '../../../proxy/l7/config/proxy-config.ts'

/** What the parent asks of a worker; each is answered by `done` or `failed` with the same `id`. */
export type WorkerRequest =
  | { readonly type: 'prepare'; readonly config: ProxyConfig }
  | { readonly type: 'commit' | 'abort' | 'metrics' | 'status' | 'reopenLog' }
  /** Its listening sockets come as `socket`, before the answer. */
  | { readonly type: 'sockets' }
  | { readonly type: 'tap'; readonly isOn: boolean }
  | { readonly type: 'drain'; readonly withinMs: number }

export type ToWorker =
  /** Comes first. `inherited`: sockets that listen already, as descriptors of the worker, by the listeners' names. */
  | {
      readonly type: 'start'
      readonly reusePort: boolean
      readonly secret: string
      readonly inherited: Readonly<Record<string, number>>
    }
  | { readonly type: 'request'; readonly id: number; readonly request: WorkerRequest }
  /** Ends all connections at once. */
  | { readonly type: 'destroy' }

export type FromWorker =
  | { readonly type: 'done'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly message: string; readonly code?: string }
  /** Comes with a socket that listens. */
  | { readonly type: 'socket'; readonly name: string }
  | { readonly type: 'tapped'; readonly lines: string }
  | { readonly type: 'warning'; readonly message: string }
