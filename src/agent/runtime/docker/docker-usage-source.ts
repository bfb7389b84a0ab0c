import type { Clock } from '../../../base/clock.ts'
import { CgroupReader, type CgroupUsage } from '../../usage/cgroup-usage.ts'
import { CounterLedger } from '../../usage/counter-ledger.ts'
import { type ContainerUsage, type UsageSource, usageKey } from '../../usage/usage-source.ts'
import type { DockerEngine } from './docker-engine.ts'
import type { RunningContainer } from './docker-runtime.ts'

/** How many containers the engine is asked about at once. */
const ASKED_MAX = 4

/** What of `GET /containers/<id>/stats` is read. */
interface EngineStats {
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } }
  readonly memory_stats?: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> }
  readonly pids_stats?: { readonly current?: number }
}

/** v1 has `total_` names for a cgroup with those beneath it, v2 has plain ones. */
export function usageOfStats({ cpu_stats, memory_stats, pids_stats }: EngineStats): CgroupUsage | undefined {
  const cpuNanoseconds = cpu_stats?.cpu_usage?.total_usage
  const usage = memory_stats?.usage
  if (cpuNanoseconds === undefined || usage === undefined) return undefined
  const stats = memory_stats?.stats ?? {}
  const inactive = stats.total_inactive_file ?? stats.inactive_file ?? 0
  return {
    cpuNanoseconds,
    workingSetBytes: Math.max(0, usage - inactive),
    rssBytes: stats.total_rss ?? stats.anon ?? 0,
    processes: pids_stats?.current ?? 0,
  }
}

/**
 * The usage of an engine's containers, from their cgroups where this process can read them: three small files each. Only
 * where it cannot (an engine with a file system or processes of its own), the engine is asked, which costs it a pass
 * over the same files and a JSON document for each.
 */
export class DockerUsageSource implements UsageSource {
  readonly #engine: DockerEngine
  readonly #running: () => readonly RunningContainer[]
  readonly #clock: Clock
  readonly #cgroups = new CgroupReader()
  readonly #ledger = new CounterLedger()

  constructor(engine: DockerEngine, running: () => readonly RunningContainer[], clock: Clock) {
    this.#engine = engine
    this.#running = running
    this.#clock = clock
  }

  async read(): Promise<ReadonlyMap<string, ContainerUsage>> {
    const containers = this.#running()
    const unread: RunningContainer[] = []
    const found = new Map<string, CgroupUsage>()
    for (const container of containers) {
      const usage = this.#cgroups.read(container.id, container.pid)
      if (usage === undefined) unread.push(container)
      else found.set(container.id, usage)
    }
    this.#cgroups.keep(new Set(containers.map(({ id }) => id)))
    for (let at = 0; at < unread.length; at += ASKED_MAX)
      await Promise.all(
        unread.slice(at, at + ASKED_MAX).map(async ({ id }) => {
          const usage = await this.#ask(id)
          if (usage !== undefined) found.set(id, usage)
        }),
      )
    const samples = containers.flatMap(({ id, podUid, name }) => {
      const usage = found.get(id)
      return usage === undefined ? [] : [{ key: usageKey(podUid, name), run: id, usage }]
    })
    return this.#ledger.take(samples, this.#clock.now())
  }

  async #ask(id: string): Promise<CgroupUsage | undefined> {
    try {
      const stats = await this.#engine.call<EngineStats>({
        method: 'GET',
        path: `/containers/${id}/stats`,
        query: { stream: false, 'one-shot': true },
      })
      return usageOfStats(stats)
    } catch {
      // Gone meanwhile, or the engine is away: no sample is better than a wrong one.
      return undefined
    }
  }
}
