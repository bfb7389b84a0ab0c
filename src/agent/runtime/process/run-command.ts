import { spawn } from 'node:child_process'
import { systemClock } from '../../../base/clock.ts'
import type { ExecResult } from '../runtime.ts'
import { sendSignal } from './process-table.ts'

export const EXEC_OUTPUT_BYTES_MAX = 16 * 1024

/** Runs a program in a process group of its own; at the time limit the whole group is killed. Never rejects. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly timeoutMs: number },
): Promise<ExecResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const parts: Buffer[] = []
    let length = 0
    let timedOut = false
    const take = (chunk: Buffer): void => {
      if (length >= EXEC_OUTPUT_BYTES_MAX) return
      parts.push(chunk.subarray(0, EXEC_OUTPUT_BYTES_MAX - length))
      length += chunk.length
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const timer = systemClock.setTimer(options.timeoutMs, () => {
      timedOut = true
      if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL')
      finish(137)
    })
    const finish = (exitCode: number): void => {
      timer.cancel()
      child.stdout.destroy()
      child.stderr.destroy()
      resolve({ exitCode, output: Buffer.concat(parts).toString(), timedOut })
    }
    child.once('error', (error) => {
      parts.push(Buffer.from(error.message))
      finish(126)
    })
    child.once('exit', (code, signal) => {
      // What it wrote just before its end is still on its way; a descendant that keeps the pipe open is not waited for.
      setImmediate(() => finish(code ?? (signal === null ? 255 : 137)))
    })
  })
}
