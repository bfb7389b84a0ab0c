import type { Millis } from '../../base/clock.ts'
import type { ContainerUsage } from './usage-source.ts'

/** What one run of a container shows; `run` tells the runs of one container apart. */
export interface RunSample {
  readonly key: string
  readonly run: string
  readonly usage: ContainerUsage
}

interface Account {
  run: string
  /** Of runs before this one. */
  beforeNanoseconds: number
  seenAtMs: Millis
  usage: ContainerUsage
}

/** A container between two runs has no cgroup for five minutes at most (the longest back-off). */
const FORGET_MS = 10 * 60_000

/** Carries CPU counters on over the runs of a container, each of which begins at zero again. */
export class CounterLedger {
  readonly #accounts = new Map<string, Account>()

  /** Takes one sample of everything that runs. Returns the usage by key, also of what does not run just now. */
  take(samples: readonly RunSample[], nowMs: Millis): ReadonlyMap<string, ContainerUsage> {
    for (const { key, run, usage } of samples) {
      const account = this.#accounts.get(key)
      const isSame = account?.run === run
      const beforeNanoseconds =
        account === undefined ? 0 : isSame ? account.beforeNanoseconds : account.usage.cpuNanoseconds
      const total = beforeNanoseconds + usage.cpuNanoseconds
      // A counter that went back was read of something else; what was said stays.
      const cpuNanoseconds = Math.max(total, account?.usage.cpuNanoseconds ?? 0)
      this.#accounts.set(key, { run, beforeNanoseconds, seenAtMs: nowMs, usage: { ...usage, cpuNanoseconds } })
    }
    const seen = new Set(samples.map(({ key }) => key))
    for (const [key, account] of this.#accounts) {
      if (seen.has(key)) continue
      if (nowMs - account.seenAtMs > FORGET_MS) this.#accounts.delete(key)
      else account.usage = { ...account.usage, workingSetBytes: 0, rssBytes: 0, processes: 0 }
    }
    return new Map(Array.from(this.#accounts, ([key, { usage }]) => [key, usage]))
  }
}
