import type { Pod, Service } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { ProbeCounts } from '../probes/probe-counts.ts'
import type { ProbeTargets } from '../probes/probe-target.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { VolumeManager } from '../volumes/volume-manager.ts'
import type { ConfigSource } from './config-source.ts'
import type { PodAddresses } from './pod-addresses.ts'

/** What all pod workers of one node share. */
export interface WorkerContext {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  readonly events: EventRecorder
  readonly runtime: Runtime
  readonly volumes: VolumeManager
  readonly configs: ConfigSource
  readonly addresses: PodAddresses
  readonly targets: ProbeTargets
  readonly probeCounts: ProbeCounts
  readonly hostIp: string
  /** Where ports of the host are opened that name no address of it. */
  readonly hostPortIps: readonly string[]
  readonly allocatable: Readonly<Record<string, string>>
  /** Directory of a pod, by uid. */
  podDirectory(podUid: string): string
  /** The Services that pods of a namespace are told of. */
  services(namespace: string): readonly Service[]
  /** The worker has nothing left to do for this pod. */
  onDone(pod: Pod): void
}
