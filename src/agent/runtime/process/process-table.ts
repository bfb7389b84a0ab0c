import { readdirSync, readFileSync } from 'node:fs'
import { CONTAINER_MARKER } from './shim.ts'

const MARKER_PREFIX = `${CONTAINER_MARKER}=`

/** The container a process was started for, from its initial environment; undefined when it is none or not ours to read. */
export function containerOf(pid: number): string | undefined {
  let environment: string
  try {
    environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return undefined
  }
  const start = environment.startsWith(MARKER_PREFIX) ? 0 : environment.indexOf(`\0${MARKER_PREFIX}`) + 1
  if (start === 0 && !environment.startsWith(MARKER_PREFIX)) return undefined
  const end = environment.indexOf('\0', start)
  return environment.slice(start + MARKER_PREFIX.length, end < 0 ? undefined : end)
}

/** The parent of a process; undefined when it is gone or only waits to be reaped. */
export function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name stands in parentheses and may hold anything, so fields count from the last one on.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[1])
  } catch {
    return undefined
  }
}

/** Every process that runs for one of these containers, also those that left their group or session. */
export function processesOf(containers: ReadonlySet<string>): readonly number[] {
  const found: number[] = []
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const container = containerOf(pid)
    if (container !== undefined && containers.has(container)) found.push(pid)
  }
  return found
}

const ROUNDS_MAX = 5

/**
 * Kills everything that still runs for a container. A process may fork between the look and the kill, hence several
 * rounds; they are few, since a child of a killed process is found by the same mark.
 */
export async function killProcessesOf(containers: ReadonlySet<string>): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const found = processesOf(containers).filter((pid) => parentOf(pid) !== undefined)
    if (found.length === 0) return
    for (const pid of found) sendSignal(pid, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 2 << round))
  }
}

/** Sends a signal and does not mind when there is nobody left (or, for a group, nobody of ours). */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Ended in the meantime.
  }
}
