/** One process at one moment, from `/proc/<pid>/stat` (proc_pid_stat(5)). Times are in clock ticks. */
export interface ProcessStat {
  readonly parent: number
  /** Since boot; with the number it names the process, since numbers are given out again. */
  readonly startTicks: number
  /** User and system time of all its threads. */
  readonly ownTicks: number
  /** The same of all children it has waited for, and of theirs. */
  readonly reapedTicks: number
  readonly residentPages: number
}

const PARENT = 1
const USER = 11
const SYSTEM = 12
const CHILDREN_USER = 13
const CHILDREN_SYSTEM = 14
const START = 19
const RESIDENT = 21

/** Undefined for text that is no such line. A zombie still tells its times. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  // The command's name stands in parentheses and may hold anything, so fields count from the last one on.
  const end = text.lastIndexOf(')')
  if (end < 0) return undefined
  const fields = text.slice(end + 2).split(' ', RESIDENT + 1)
  if (fields.length <= RESIDENT) return undefined
  const stat = {
    parent: Number(fields[PARENT]),
    startTicks: Number(fields[START]),
    ownTicks: Number(fields[USER]) + Number(fields[SYSTEM]),
    reapedTicks: Number(fields[CHILDREN_USER]) + Number(fields[CHILDREN_SYSTEM]),
    residentPages: Number(fields[RESIDENT]),
  }
  return Number.isNaN(stat.parent + stat.startTicks + stat.ownTicks + stat.reapedTicks + stat.residentPages)
    ? undefined
    : stat
}

/** The resident pages of a process that belong to files or shared memory, from `/proc/<pid>/statm`; 0 when it is gone. */
export function parseSharedPages(text: string): number {
  return Number(text.split(' ', 3)[2] ?? 0) || 0
}
