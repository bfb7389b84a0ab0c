import type { AddressLayout } from '../../base/address-layout.ts'
import type { RuntimeSpec } from '../runtime-spec.ts'
import type { StoreSpec } from '../store-spec.ts'

export const ROLES = ['control-plane', 'agent', 'proxy'] as const
export type Role = (typeof ROLES)[number]

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a child needs to do its work; sent once it has loaded its code. */
export interface ProcessConfig {
  readonly clusterName: string
  readonly dataDir: string
  readonly layout: AddressLayout
  readonly apiPort: number
  readonly store: StoreSpec
  readonly runtime: RuntimeSpec
  readonly kubeconfig: string
  readonly logLevel: LogLevel
}

export type ToChild = { readonly type: 'start'; readonly config: ProcessConfig } | { readonly type: 'stop' }

export type FromChild =
  /** One step of start-up is done; `ms` is how long it took. */
  | { readonly type: 'phase'; readonly name: string; readonly ms: number }
  /** Doing its work. The control plane says on which port. */
  | { readonly type: 'ready'; readonly apiPort?: number }
  /** Cannot do its work; the process exits after this. */
  | { readonly type: 'fatal'; readonly message: string; readonly hint?: string }
