import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { StatusReport } from '../../src/cli/status.ts'
import { runWherry, WHERRY } from './wherry.ts'

export interface TestCluster {
  readonly dataDir: string
  readonly kubeconfig: string
  /** What `wherry up` has printed so far. */
  output(): string
  status(): Promise<StatusReport>
  /** Ctrl-C; resolves with the exit code. */
  interrupt(): Promise<number | null>
  /** kill -9 of the supervisor alone. */
  kill(): Promise<void>
  /** Starts again on the same data directory. */
  restart(args?: readonly string[]): Promise<void>
  /** Stops it, if it still runs, and removes its data directory. */
  destroy(): Promise<void>
}

interface Started {
  readonly child: ChildProcess
  readonly text: () => string
}

/** Starts `wherry up` as a person would and resolves when it says that it is ready; rejects with its output when it ends first. */
function startUp(dataDir: string, args: readonly string[], readyMs: number): Promise<Started> {
  const child = spawn(process.execPath, [WHERRY, 'up', '--data-dir', dataDir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  return new Promise((resolve, reject) => {
    const timer = setTimeout(async () => {
      await endOf(child, 'SIGINT', 20_000)
      reject(new Error(`not ready after ${readyMs} ms:\n${text}\n${lastLog(dataDir)}`))
    }, readyMs)
    const onData = (chunk: Buffer): void => {
      text += chunk.toString()
      if (!text.includes('Ready in')) return
      clearTimeout(timer)
      resolve({ child, text: () => text })
    }
    child.stdout.on('data', onData)
    child.stderr.on('data', onData)
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`wherry up ended with code ${code}:\n${text}\n${lastLog(dataDir)}`))
    })
  })
}

function lastLog(dataDir: string): string {
  return ['control-plane', 'agent', 'proxy']
    .map((role) => {
      try {
        return `--- ${role}\n${readFileSync(join(dataDir, 'logs', `${role}.stderr.log`), 'utf8').slice(-3_000)}`
      } catch {
        return ''
      }
    })
    .join('\n')
}

async function endOf(child: ChildProcess, signal: NodeJS.Signals, patienceMs: number): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill(signal)
  const killer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  const code = await ended
  clearTimeout(killer)
  return code
}

/** `WHERRY_TEST_ETCD=http://127.0.0.1:2379` runs the same tests on an etcd, each cluster on keys of its own. */
function etcdArgs(dataDir: string, args: readonly string[]): readonly string[] {
  const url = process.env.WHERRY_TEST_ETCD
  if (url === undefined || args.includes('--store')) return []
  return ['--store', `etcd=${url}`, '--store-prefix', `/test/${basename(dataDir)}`]
}

/** A cluster of its own in a temporary directory, on a free API port. */
export async function startTestCluster(
  args: readonly string[] = [],
  options: { readonly dataDir?: string; readonly readyMs?: number } = {},
): Promise<TestCluster> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'wherry-e2e-'))
  const readyMs = options.readyMs ?? 60_000
  let current = await startUp(dataDir, ['--api-port', '0', ...etcdArgs(dataDir, args), ...args], readyMs)
  return {
    dataDir,
    kubeconfig: join(dataDir, 'kubeconfig'),
    output: () => current.text(),
    async status() {
      const { stdout } = await runWherry(['status', '--data-dir', dataDir, '-o', 'json'])
      return JSON.parse(stdout)
    },
    interrupt: () => endOf(current.child, 'SIGINT', 20_000),
    async kill() {
      await endOf(current.child, 'SIGKILL', 1_000)
    },
    async restart(again = args) {
      current = await startUp(dataDir, again, readyMs)
    },
    async destroy() {
      await endOf(current.child, 'SIGINT', 20_000)
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
}
