import type { AddressLayout } from '../../base/address-layout.ts'
import type { RuntimeSpec } from '../runtime-spec.ts'
import type { StoreSpec } from '../store-spec.ts'

export const ROLES = ['control-plane', 'agent', 'proxy'] as const
export type Role = (typeof ROLES)[number]

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a control plane must know of the others of its cluster. */
export interface ServerConfig {
  /** The server token, when the person has given one. */
  readonly token?: string
  /** Whether it may take over the cluster that it finds in its store (`wherry server`), with nothing of its own yet. */
  readonly mayJoin: boolean
  /** Whether there must be one (`--join`). */
  readonly mustJoin: boolean
}

/** What a child needs to do its work; sent once it has loaded its code. */
export interface ProcessConfig {
  readonly clusterName: string
  readonly dataDir: string
  /** With the nodes of this machine; what a `wherry server` finds in its store counts instead. */
  readonly layout: AddressLayout
  /** Where this machine's API server listens, if it has one. */
  readonly apiAddress: string
  readonly apiPort: number
  /** Every API server that agents and proxies know at their start. */
  readonly apiServers: readonly [string, ...string[]]
  /** True when there may be others, come and go: they are followed then. */
  readonly followsApiServers: boolean
  /** One name for each machine of the cluster. */
  readonly machine: string
  readonly server: ServerConfig
  readonly store: StoreSpec
  readonly runtime: RuntimeSpec
  readonly kubeconfig: string
  readonly logLevel: LogLevel
}

/** What a server knows only once it has read its store. */
export interface ClusterFacts {
  readonly name: string
  readonly octet: number
  readonly runtime: RuntimeSpec['kind']
}

export type ToChild = { readonly type: 'start'; readonly config: ProcessConfig } | { readonly type: 'stop' }

export type FromChild =
  /** One step of start-up is done; `ms` is how long it took. */
  | { readonly type: 'phase'; readonly name: string; readonly ms: number }
  /** Cannot begin yet, and tries on: what the person may do about it. */
  | { readonly type: 'waiting'; readonly message: string; readonly hint?: string }
  /** Doing its work. The control plane says on which port, and of which cluster. */
  | { readonly type: 'ready'; readonly apiPort?: number; readonly cluster?: ClusterFacts }
  /** Cannot do its work; the process exits after this. */
  | { readonly type: 'fatal'; readonly message: string; readonly hint?: string }
