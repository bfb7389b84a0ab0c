import { execFile } from 'node:child_process'

/** What `npm run wherry` runs: the compiled code. */
export const WHERRY = new URL('../../scripts/run.js', import.meta.url).pathname

export interface WherryResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command to its end, as at a terminal. Never rejects: look at `code`. */
export function runWherry(args: readonly string[]): Promise<WherryResult> {
  return new Promise((resolve) => {
    execFile(process.execPath, [WHERRY, ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
  })
}
