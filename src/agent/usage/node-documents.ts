import { statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { FsStats } from '../../api/stats-summary.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type Exposition, exposition, type MetricFamily } from '../../base/metric-families.ts'
import type { ProbeCounts } from '../probes/probe-counts.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { PodScraper } from '../scrape/pod-scraper.ts'
import { buildSummary } from './build-summary.ts'
import { kubeletMetrics } from './kubelet-metrics.ts'
import { cadvisorMetrics, resourceMetrics } from './usage-metrics.ts'
import type { UsageSampler, UsageWindow } from './usage-sampler.ts'

/** What the node API serves of a node's usage and of its agent's own work. */
export interface NodeDocuments {
  has(path: string): boolean
  /** The document at a path; undefined when there is none. */
  read(path: string, query?: URLSearchParams): Promise<Exposition> | undefined
}

export interface NodeDocumentOptions {
  readonly nodeName: string
  /** On the file system that pods use. */
  readonly directory: string
  readonly runtime: Runtime
  readonly sampler: UsageSampler
  readonly probes: ProbeCounts
  readonly scraper: Pick<PodScraper, 'read'>
  /** What else of the agent's work is counted. */
  readonly counted?: () => readonly MetricFamily[]
  readonly clock: Clock
  readonly logger: Logger
}

const NO_QUERY = new URLSearchParams()

function fsStats(directory: string, nowMs: number): FsStats {
  const { blocks, bavail, bfree, bsize, files, ffree } = statfsSync(directory)
  return {
    time: new Date(nowMs).toISOString(),
    availableBytes: bavail * bsize,
    capacityBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodesFree: ffree,
    inodes: files,
    inodesUsed: files - ffree,
  }
}

/** `/stats/summary`, `/stats/custom`, `/metrics`, `/metrics/resource`, `/metrics/cadvisor`, `/metrics/probes`, each made when asked for. */
export function createNodeDocuments(options: NodeDocumentOptions): NodeDocuments {
  const { nodeName, directory, runtime, sampler, probes, scraper, counted = () => [], clock, logger } = options
  const trySample = (): Promise<UsageWindow | undefined> =>
    sampler.current().catch((error) => {
      logger.warn({ err: error }, 'the usage of containers could not be read')
      return undefined
    })
  const summary = async (): Promise<Exposition> => {
    const [window, sandboxes] = await Promise.all([sampler.current(), runtime.list()])
    const text = JSON.stringify(buildSummary(nodeName, window, sandboxes, fsStats(directory, clock.now())))
    return { text, contentType: 'application/json' }
  }
  const series = (read: () => Promise<readonly MetricFamily[]>) => async (): Promise<Exposition> =>
    exposition(await read())
  const custom = async (query: URLSearchParams): Promise<Exposition> => {
    const text = JSON.stringify(await scraper.read(query.getAll('name')))
    return { text, contentType: 'application/json' }
  }
  const documents: Readonly<Record<string, (query: URLSearchParams) => Promise<Exposition>>> = {
    '/stats/summary': summary,
    '/stats/custom': custom,
    '/metrics': series(async () => [...kubeletMetrics(nodeName, await runtime.list(), clock), ...counted()]),
    '/metrics/resource': series(async () => resourceMetrics((await trySample())?.last, await runtime.list())),
    '/metrics/cadvisor': series(async () =>
      cadvisorMetrics((await sampler.current()).last, await runtime.list(), availableParallelism()),
    ),
    '/metrics/probes': series(async () => probes.families()),
  }
  const has = (path: string): boolean => Object.hasOwn(documents, path)
  return { has, read: (path, query = NO_QUERY) => (has(path) ? documents[path]!(query) : undefined) }
}
