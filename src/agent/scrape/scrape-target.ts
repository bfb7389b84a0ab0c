import { isIP } from 'node:net'
import type { Pod } from '../../api/types/core-v1.gen.ts'

/** Where a pod serves its own metrics. */
export interface ScrapeTarget {
  readonly scheme: 'http' | 'https'
  /** The pod's own address. */
  readonly address: string
  readonly port: number
  /** With its query, if there is one. */
  readonly path: string
}

const PREFIX = 'prometheus.io/'

function portOf(pod: Pod, given: string | undefined): number | undefined {
  if (given !== undefined) return /^\d{1,5}$/.test(given) ? Number(given) : undefined
  const containers = pod.spec?.containers ?? []
  return containers.flatMap(({ ports }) => ports ?? []).find(({ protocol = 'TCP' }) => protocol === 'TCP')
    ?.containerPort
}

/**
 * What the annotations `prometheus.io/scrape`, `port`, `path` and `scheme` say, as everybody's Prometheus reads them;
 * without a port it is the first that a container declares. Undefined: the pod is not to be asked. The address is the
 * one that the runtime gave the pod, so that no annotation leads anywhere else.
 */
export function scrapeTarget(pod: Pod, address: string): ScrapeTarget | undefined {
  const annotation = (name: string): string | undefined => pod.metadata?.annotations?.[`${PREFIX}${name}`]
  if (annotation('scrape') !== 'true' || isIP(address) === 0) return undefined
  const scheme = annotation('scheme') ?? 'http'
  if (scheme !== 'http' && scheme !== 'https') return undefined
  const port = portOf(pod, annotation('port'))
  if (port === undefined || port < 1 || port > 65_535) return undefined
  const path = annotation('path') ?? '/metrics'
  return { scheme, address, port, path: path.startsWith('/') ? path : `/${path}` }
}
