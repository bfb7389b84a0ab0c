import { execFile } from 'node:child_process'

const TIMEOUT_MS = 30_000

/**
 * The disk space a directory takes, in bytes, as the file system counts it: blocks, hard links once, links not
 * followed, other file systems left out. Undefined when it cannot be told. Asked of `du`, which walks any depth and
 * takes none of the agent's time.
 */
export function diskUsage(directory: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    // What it may not read it leaves out, says so, and fails; the sum of the rest still counts.
    execFile('du', ['-skx', directory], { timeout: TIMEOUT_MS }, (_, stdout) => {
      const kibibytes = /^(\d+)\t/.exec(stdout)?.[1]
      resolve(kibibytes === undefined ? undefined : Number(kibibytes) * 1024)
    })
  })
}
