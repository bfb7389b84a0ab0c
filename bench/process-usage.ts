import { readFileSync } from 'node:fs'

/** Clock ticks a second in /proc; the same on every Linux that Node runs on. */
const TICKS = 100
const PAGE_KIB = 4

/** CPU time (user and system, seconds) that a process has used; 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS
  } catch {
    return 0
  }
}

/** Memory of a process in MiB: resident, and its proportional share, which counts shared pages once among processes. */
export function memoryMiB(pid: number): { readonly rss: number; readonly pss: number } {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    const pss = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    return { rss: (pages * PAGE_KIB) / 1024, pss: pss / 1024 }
  } catch {
    return { rss: 0, pss: 0 }
  }
}
