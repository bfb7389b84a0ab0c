import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import type { Clock } from '../../base/clock.ts'
import { containerOf } from '../runtime/process/process-table.ts'
import { parseProcessStat, parseSharedPages } from './process-stat.ts'
import { type ContainerProcessStat, UsageLedger } from './usage-ledger.ts'
import { type ContainerUsage, type UsageSource, usageKey } from './usage-source.ts'

/** What is known of a process number: of which container it is, if of any, and whether that is certain. */
interface Verdict {
  readonly startTicks: number
  readonly container: string | undefined
  readonly isFinal: boolean
}

/** Other work gets its turn after this many processes. */
const SLICE = 256
const AT_PAGESZ = 6n
const PAGE_BYTES = 4096

/** The size of a page, as the kernel told this process at its start (getauxval(3)). */
function pageBytes(): number {
  try {
    const words = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= words.length; at += 16)
      if (words.readBigUInt64LE(at) === AT_PAGESZ) return Number(words.readBigUInt64LE(at + 8))
  } catch {
    // The common size then.
  }
  return PAGE_BYTES
}

const buffer = Buffer.alloc(1024)

/** The beginning of a small file of /proc, empty when the process is gone: a third of the cost of readFileSync. */
function readSmall(path: string): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0))
  } catch {
    return ''
  } finally {
    closeSync(file)
  }
}

/** `<uid>.<name>.<attempt>` → key of the container; undefined for a mark that is none of ours. */
function keyOf(containerId: string): string | undefined {
  const [podUid, name, attempt, ...more] = containerId.split('.')
  return podUid && name && attempt !== undefined && more.length === 0 ? usageKey(podUid, name) : undefined
}

/**
 * The usage of process groups: one pass over /proc for all containers of all nodes of this machine. For each process one
 * small file is read, for those of containers a second one; the environment, which says whose a process is, only
 * when its number is new.
 */
export class ProcUsageSource implements UsageSource {
  readonly #clock: Clock
  readonly #ledger = new UsageLedger(pageBytes())
  #verdicts = new Map<number, Verdict>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async read(): Promise<ReadonlyMap<string, ContainerUsage>> {
    const found: ContainerProcessStat[] = []
    const verdicts = new Map<number, Verdict>()
    let looked = 0
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry)
      if (!Number.isInteger(pid)) continue
      looked += 1
      if (looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve))
      const stat = parseProcessStat(readSmall(`/proc/${pid}/stat`))
      if (stat === undefined) continue
      const verdict = this.#verdict(pid, stat.startTicks)
      verdicts.set(pid, verdict)
      const { container } = verdict
      if (container === undefined) continue
      found.push({ ...stat, pid, container, sharedPages: parseSharedPages(readSmall(`/proc/${pid}/statm`)) })
    }
    this.#verdicts = verdicts
    return this.#ledger.take(found, this.#clock.now())
  }

  #verdict(pid: number, startTicks: number): Verdict {
    const known = this.#verdicts.get(pid)
    const isKnown = known?.startTicks === startTicks
    if (isKnown && known.isFinal) return known
    const id = containerOf(pid)
    const container = id === undefined ? undefined : keyOf(id)
    // A process between its fork and its exec still shows the environment of the agent: no mark counts at the second look.
    return { startTicks, container, isFinal: container !== undefined || isKnown }
  }
}
