import {
  MESH_LATENCY_BOUNDS_MS,
  type MeshEndpoint,
  type MeshRequests,
  type MeshSummary,
} from '../../../../src/api/mesh-summary.ts'

const CLASSES = MESH_LATENCY_BOUNDS_MS.length + 1

/** Requests that all took between the bound before and this one. */
export function requests(
  total: number,
  given: { readonly successful?: number; readonly boundMs?: number } = {},
): MeshRequests {
  const latencyCounts = new Array<number>(CLASSES).fill(0)
  const place = MESH_LATENCY_BOUNDS_MS.indexOf((given.boundMs ?? 10) as (typeof MESH_LATENCY_BOUNDS_MS)[number])
  latencyCounts[place < 0 ? CLASSES - 1 : place] = total
  return { total, successful: given.successful ?? total, latencyCounts }
}

/** An HTTP endpoint of the pod; all numbers are nothing unless given. */
export function httpEndpoint(pod: string, total: number, given: Partial<MeshEndpoint> = {}): MeshEndpoint {
  return {
    endpoint: `127.64.129.2:${8_000 + pod.length}`,
    pod,
    inFlight: 0,
    requests: requests(total),
    openConnections: 0,
    connections: 0,
    receivedBytes: 0,
    sentBytes: 0,
    ...given,
  }
}

/** What a proxy answers about ports of the Service `web` in `default`. */
export function meshSummary(
  takenAtMs: number,
  endpoints: readonly MeshEndpoint[],
  more: Partial<MeshSummary> & { readonly service?: string } = {},
): MeshSummary {
  const { service = 'web', ...rest } = more
  return {
    startedAtMs: 1_000,
    takenAtMs,
    ports: [{ namespace: 'default', service, port: 'http', endpoints }],
    ...rest,
  }
}
