import { namesIn } from './node-path.ts'
import { NodeRequestError } from './node-request-error.ts'
import type { ContainerLogOptions } from './pod-logs.ts'

export interface LogRequest {
  readonly namespace: string
  readonly pod: string
  readonly container: string
  readonly options: ContainerLogOptions
}

function truth(value: string | null): boolean {
  return value === 'true' || value === '1'
}

function count(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = Number(text)
  if (!/^\d{1,15}$/.test(text) || value < least)
    throw new NodeRequestError(400, `${name} must be a whole number of at least ${least}, not "${text}"`)
  return value
}

function since(query: URLSearchParams, nowMs: number): number | undefined {
  const seconds = count(query, 'sinceSeconds', 1)
  const time = query.get('sinceTime')
  if (seconds !== undefined && time !== null)
    throw new NodeRequestError(400, 'at most one of sinceTime or sinceSeconds may be given')
  if (seconds !== undefined) return nowMs - seconds * 1_000
  if (time === null) return undefined
  const parsed = Date.parse(time)
  if (Number.isNaN(parsed)) throw new NodeRequestError(400, `sinceTime must be an RFC 3339 time, not "${time}"`)
  return parsed
}

/**
 * Reads `/containerLogs/<namespace>/<pod>/<container>?…` as the kubelet's API has it (PodLogOptions of the core API).
 * `nowMs` (since the epoch) is what sinceSeconds counts from. Throws NodeRequestError.
 */
export function parseLogRequest(url: string, nowMs: number): LogRequest {
  const { pathname, searchParams: query } = new URL(url, 'https://node')
  const names = namesIn(pathname)
  const [namespace, pod, container] = names
  if (!pathname.startsWith('/containerLogs/') || names.length !== 3 || !namespace || !pod || !container)
    throw new NodeRequestError(404, 'page not found')
  return {
    namespace,
    pod,
    container,
    options: {
      follow: truth(query.get('follow')),
      previous: truth(query.get('previous')),
      timestamps: truth(query.get('timestamps')),
      tailLines: count(query, 'tailLines', 0),
      limitBytes: count(query, 'limitBytes', 1),
      sinceMs: since(query, nowMs),
    },
  }
}
