import { ALGORITHMS, usesKey } from '../balance/algorithms.ts'
import type { EndpointOptions, UpstreamOptions } from '../l7/engine/upstream.ts'
import type { UpstreamMetrics } from '../l7/metrics/upstream-metrics.ts'
import { OutlierDetection } from '../resilience/outlier-detection.ts'
import { clientAddressAffinity } from './client-address-affinity.ts'
import { CountedEjections } from './counted-ejections.ts'
import type { HttpPortOptions } from './http-port-options.ts'

/** Several of them may be under way on one connection of HTTP/2. */
const REQUESTS_MAX = 16_384

/** What is said of one Service port that a set of its endpoints is balanced by. */
export interface HttpServiceSettings {
  readonly options: HttpPortOptions
  /** `sessionAffinity: ClientIP`: how long; undefined: none. */
  readonly affinityMs: number | undefined
}

export interface HttpUpstreamParts {
  /** `namespace/name:port name` */
  readonly name: string
  readonly endpoints: readonly EndpointOptions[]
  /** Shared by all sets of endpoints of one Service port. */
  readonly metrics: UpstreamMetrics
  readonly random: () => number
  /** Of all Services together: no single one may take more. */
  readonly connectionsMax: number
  onEjected(count: number): void
}

/** In the engine's terms. */
export function upstreamOptions(settings: HttpServiceSettings, parts: HttpUpstreamParts): UpstreamOptions {
  const { options, affinityMs } = settings
  const { name, endpoints, metrics, random, onEjected } = parts
  const { algorithm, key, sticky, secret, requestMs, perTryMs, retriesMax, retryStatuses, slowStartMs, requestsMax } =
    options
  const outliers = options.ejectsOutliers ? {} : { consecutiveFailures: 0, deviations: 0 }
  const { connectionsMax } = parts
  // L4 knows no other limit than that of the process, and no Service should get less for being HTTP.
  const circuit = {
    connections: Math.min(options.connectionsMax ?? connectionsMax, connectionsMax),
    requests: requestsMax ?? Math.max(REQUESTS_MAX, connectionsMax),
  }
  const stays =
    affinityMs === undefined
      ? undefined
      : {
          createBalancer: () => clientAddressAffinity(ALGORITHMS[algorithm](random), affinityMs),
          key: { from: 'address' } as const,
        }
  return {
    name,
    endpoints,
    protocol: options.protocol,
    algorithm,
    metrics,
    health: new CountedEjections(new OutlierDetection(outliers), onEjected),
    retry: { triesMax: 1 + retriesMax, statuses: retryStatuses, ...(perTryMs === undefined ? {} : { perTryMs }) },
    timeouts: { requestMs },
    circuit,
    ...(slowStartMs > 0 ? { slowStart: { windowMs: slowStartMs } } : {}),
    ...(sticky === undefined ? {} : { affinity: { ...sticky, secret } }),
    ...(stays ?? (usesKey(algorithm) ? { key } : {})),
  }
}
