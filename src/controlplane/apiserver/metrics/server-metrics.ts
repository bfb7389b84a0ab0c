import type { ResourceDefinition } from '../../../api/definition.ts'
import type { Clock } from '../../../base/clock.ts'
import { exposition, type MetricFamily } from '../../../base/metric-families.ts'
import { processMetrics } from '../../../base/process-metrics.ts'
import type { InFlight } from '../in-flight.ts'
import { methodNotAllowed } from '../refusals.ts'
import type { Registry } from '../registry.ts'
import type { ServerResponse } from '../server-request.ts'
import type { RequestCounts } from './request-counts.ts'

export interface ServerMetricsOptions {
  readonly counts: RequestCounts
  readonly inFlight: InFlight
  readonly registry: Registry
  readonly definitions: readonly ResourceDefinition[]
  readonly clock: Clock
  /** What other parts of the control plane have to tell. */
  readonly more: () => Iterable<MetricFamily>
}

const DURATIONS = 'apiserver_request_duration_seconds'

/** `GET /metrics`: kube-apiserver's names where it has them. Throws MethodNotAllowed. */
export async function serverMetrics(method: string, options: ServerMetricsOptions): Promise<ServerResponse> {
  if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed()
  const { counts, inFlight, registry, definitions, clock, more } = options
  const stored = definitions.filter(({ storage }) => storage === undefined)
  const { text, contentType } = await exposition([
    {
      name: 'apiserver_request_total',
      type: 'counter',
      help: 'Requests by verb, group, version, resource, subresource, scope and status code',
      samples: () => counts.totals(),
    },
    {
      name: DURATIONS,
      type: 'histogram',
      help: 'Time to the beginning of the answer in seconds, without watches and other long requests',
      samples: () => counts.durations(DURATIONS),
    },
    {
      name: 'apiserver_current_inflight_requests',
      type: 'gauge',
      help: 'Requests worked on now, by the share they count in',
      samples: () => inFlight.counts().map(([kind, value]) => ({ labels: { request_kind: kind }, value })),
    },
    {
      name: 'apiserver_longrunning_requests',
      type: 'gauge',
      help: 'Watches that are open now by kind, also those of the control plane’s own parts',
      samples: () =>
        stored.flatMap((definition) => {
          const { group, version, resource } = definition
          const { watches } = registry.cacheOf(definition)
          return watches === 0 ? [] : [{ labels: { verb: 'WATCH', group, version, resource }, value: watches }]
        }),
    },
    {
      name: 'apiserver_storage_objects',
      type: 'gauge',
      help: 'Stored objects by kind',
      samples: () =>
        stored.map((definition) => ({
          labels: {
            resource: definition.group === '' ? definition.resource : `${definition.resource}.${definition.group}`,
          },
          value: registry.cacheOf(definition).size,
        })),
    },
    ...more(),
    ...processMetrics(clock),
  ])
  return {
    status: 200,
    headers: { 'content-type': contentType, 'cache-control': 'no-cache, private' },
    body: Buffer.from(text),
  }
}
