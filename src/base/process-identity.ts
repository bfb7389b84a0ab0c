import { readFileSync } from 'node:fs'

/** A process by more than its number, which the kernel gives out again: the number and when it started, in clock ticks since boot. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTicks: string
}

/** The identity of a running process; undefined when there is none with this number, or only a zombie. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name stands in parentheses and may hold anything, so fields count from the last one on.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : { pid, startTicks: fields[19]! }
  } catch {
    return undefined
  }
}

/** True while exactly this process runs. */
export function isAlive(process: ProcessIdentity): boolean {
  return identifyProcess(process.pid)?.startTicks === process.startTicks
}
