import {
  MESH_LATENCY_BOUNDS_MS,
  type MeshEndpoint,
  type MeshRequests,
  type MeshSummary,
} from '../../../api/mesh-summary.ts'
import { splitSummary } from './split-summary.ts'

/** One pod behind one Service port, as a proxy counted it. */
export interface MeshSample {
  readonly namespace: string
  readonly service: string
  readonly port: string
  readonly endpoint: string
  readonly pod: string
  readonly http: HttpSample | undefined
  readonly openConnections: number
  readonly connections: number
  readonly receivedBytes: number
  readonly sentBytes: number
}

export interface HttpSample {
  readonly inFlight: number
  readonly requests: MeshRequests
}

export interface MeshAnswer {
  readonly startedAtMs: number
  readonly takenAtMs: number
  readonly samples: readonly MeshSample[]
}

/** What a single proxy may tell of; the rest of a longer answer is left out. */
export const ENDPOINTS_MAX = 50_000
const CLASSES = MESH_LATENCY_BOUNDS_MS.length + 1

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function requestsOf(given: Partial<MeshRequests> | null | undefined): MeshRequests | undefined {
  if (typeof given !== 'object' || given === null) return undefined
  const { total, successful, latencyCounts } = given
  if (!isCount(total) || !isCount(successful) || successful > total) return undefined
  const isWhole = Array.isArray(latencyCounts) && latencyCounts.length === CLASSES && latencyCounts.every(isCount)
  return isWhole ? { total, successful, latencyCounts } : undefined
}

type Place = Pick<MeshSample, 'namespace' | 'service' | 'port'>

/** Undefined where a number is missing or cannot be right, and for endpoints that are no pods. */
function sampleOf(place: Place, given: Partial<MeshEndpoint> | null): MeshSample | undefined {
  if (typeof given !== 'object' || given === null) return undefined
  const { endpoint, pod, inFlight, openConnections, connections, receivedBytes, sentBytes } = given
  if (typeof endpoint !== 'string' || typeof pod !== 'string' || pod === '') return undefined
  if (!isCount(openConnections) || !isCount(connections) || !isCount(receivedBytes) || !isCount(sentBytes))
    return undefined
  const requests = requestsOf(given.requests)
  const http = requests !== undefined && isCount(inFlight) ? { inFlight, requests } : undefined
  return { ...place, endpoint, pod, http, openConnections, connections, receivedBytes, sentBytes }
}

function placeOf(given: unknown): Place | undefined {
  const { namespace, service, port } = (given ?? {}) as Partial<Place>
  const isWhole = typeof namespace === 'string' && typeof service === 'string' && typeof port === 'string'
  return isWhole ? { namespace, service, port } : undefined
}

/**
 * Reads what a proxy's `/mesh` answered, piece by piece. What makes no sense is left out endpoint by endpoint; throws for
 * what is no summary at all.
 */
export async function decodeMesh(text: Buffer): Promise<MeshAnswer> {
  const { frame, pieces } = await splitSummary(text)
  const summary = JSON.parse(frame) as Partial<MeshSummary> | null
  const { startedAtMs, takenAtMs, ports } = summary ?? {}
  if (!isCount(startedAtMs) || !isCount(takenAtMs) || !Array.isArray(ports)) throw new Error('it is no mesh summary')
  const places = ports.map(placeOf)
  const samples: MeshSample[] = []
  for (const { port, start, end } of pieces) {
    const place = places[port]
    if (place === undefined) continue
    await nextTurn()
    for (const endpoint of JSON.parse(`[${text.toString('utf8', start, end)}]`)) {
      const sample = sampleOf(place, endpoint)
      if (sample !== undefined && samples.length < ENDPOINTS_MAX) samples.push(sample)
    }
  }
  return { startedAtMs, takenAtMs, samples }
}
