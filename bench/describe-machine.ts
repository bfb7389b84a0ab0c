import { availableParallelism, cpus, totalmem } from 'node:os'
import { versions } from 'node:process'

/** What a figure was measured on, in one line: processor, cores, memory, versions. */
export function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${model}, ${availableParallelism()} cores, ${memory} GiB; Linux, Node ${versions.node}, SQLite ${versions.sqlite}`
}
