import type { Millis } from '../../base/clock.ts'
import type { ProcessStat } from './process-stat.ts'
import type { ContainerUsage } from './usage-source.ts'

/** A process of a container, as one pass over /proc found it. */
export interface ContainerProcessStat extends ProcessStat {
  readonly pid: number
  /** `usageKey` of its container. */
  readonly container: string
  /** Resident pages of files and shared memory. */
  readonly sharedPages: number
}

interface Account {
  ticks: number
  seenAtMs: Millis
  usage: ContainerUsage
}

/** USER_HZ: what the kernel shows to programs, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100
const NANOSECONDS_PER_TICK = 1e9 / TICKS_PER_SECOND
/** A container between two attempts has no process for five minutes at most (the longest back-off). */
const FORGET_MS = 10 * 60_000

/**
 * Adds up what containers use from one pass over their processes after the other. Only growth is added, so that a
 * counter never goes back, whatever ends in between:
 *
 * - a process' own time grows, and all of a new one's counts;
 * - a child that was waited for turns up in its parent's reaped time. What was already counted of the vanished below a
 *   process is taken off that growth;
 * - a child that nobody waited for (orphaned, or its parent ignores SIGCHLD) takes with it what it used since the last
 *   pass. That is lost.
 *
 * Memory: anonymous pages of every process, and of the pages that belong to files and shared memory as many as the
 * process with the most of them holds. Processes of one container mostly map the same program, which a cgroup counts
 * once as well; the sum of their RSS counts it for each, and PSS, which would be exact, makes the kernel walk all page
 * tables at each look.
 */
export class UsageLedger {
  readonly #pageBytes: number
  #processes = new Map<number, ContainerProcessStat>()
  readonly #accounts = new Map<string, Account>()

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes
  }

  /** Takes one pass: every process of every container. Returns the usage by container, also of those without processes now. */
  take(found: readonly ContainerProcessStat[], nowMs: Millis): ReadonlyMap<string, ContainerUsage> {
    const before = this.#processes
    const now = new Map(found.map((process) => [process.pid, process]))
    const counted = countedBelow(before, now)
    const growth = new Map<string, number>()
    for (const process of found) {
      const known = before.get(process.pid)
      const last = known !== undefined && isSame(known, process) ? known : undefined
      const own = Math.max(0, process.ownTicks - (last?.ownTicks ?? 0))
      const reaped = process.reapedTicks - (last?.reapedTicks ?? 0) - (counted.get(process.pid) ?? 0)
      const { container } = process
      growth.set(container, (growth.get(container) ?? 0) + own + Math.max(0, reaped))
    }
    this.#processes = now
    this.#settle(found, growth, nowMs)
    return new Map(Array.from(this.#accounts, ([container, { usage }]) => [container, usage]))
  }

  #settle(found: readonly ContainerProcessStat[], growth: ReadonlyMap<string, number>, nowMs: Millis): void {
    const members = Map.groupBy(found, ({ container }) => container)
    for (const [container, processes] of members) {
      const ticks = (this.#accounts.get(container)?.ticks ?? 0) + (growth.get(container) ?? 0)
      this.#accounts.set(container, { ticks, seenAtMs: nowMs, usage: this.#usage(ticks, processes) })
    }
    for (const [container, account] of this.#accounts) {
      if (members.has(container)) continue
      if (nowMs - account.seenAtMs > FORGET_MS) this.#accounts.delete(container)
      else account.usage = this.#usage(account.ticks, [])
    }
  }

  #usage(ticks: number, processes: readonly ContainerProcessStat[]): ContainerUsage {
    let anonymous = 0
    let shared = 0
    for (const { residentPages, sharedPages } of processes) {
      anonymous += Math.max(0, residentPages - sharedPages)
      shared = Math.max(shared, Math.min(sharedPages, residentPages))
    }
    return {
      cpuNanoseconds: ticks * NANOSECONDS_PER_TICK,
      workingSetBytes: (anonymous + shared) * this.#pageBytes,
      rssBytes: anonymous * this.#pageBytes,
      processes: processes.length,
    }
  }
}

function isSame(a: ContainerProcessStat, b: ContainerProcessStat): boolean {
  return a.startTicks === b.startTicks && a.container === b.container
}

/** For each process that lives: what was already counted of those that have vanished below it. */
function countedBelow(
  before: ReadonlyMap<number, ContainerProcessStat>,
  now: ReadonlyMap<number, ContainerProcessStat>,
): ReadonlyMap<number, number> {
  const lives = (process: ContainerProcessStat): boolean => {
    const current = now.get(process.pid)
    return current !== undefined && isSame(process, current)
  }
  const counted = new Map<number, number>()
  for (const process of before.values()) {
    if (lives(process)) continue
    let ancestor = before.get(process.parent)
    // Two passes of a busy machine may see numbers in a circle; no chain is longer than there are processes.
    for (let steps = before.size; ancestor !== undefined && !lives(ancestor) && steps > 0; steps--)
      ancestor = before.get(ancestor.parent)
    if (ancestor === undefined || ancestor.container !== process.container || !lives(ancestor)) continue
    counted.set(ancestor.pid, (counted.get(ancestor.pid) ?? 0) + process.ownTicks + process.reapedTicks)
  }
  return counted
}
