import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, type ProcessIdentity } from '../../base/process-identity.ts'
import type { Role } from '../processes/protocol.ts'

/** What runs on a data directory right now; the supervisor writes it, `wherry status` and the next start read it. */
export interface RunState {
  readonly supervisor: ProcessIdentity
  readonly children: Readonly<Partial<Record<Role, ProcessIdentity>>>
  readonly apiPort: number | undefined
  readonly kubeconfig: string
  readonly ready: boolean
  readonly startedAt: string
}

function stateFile(dataDir: string): string {
  return join(dataDir, 'run', 'state.json')
}

export function readRunState(dataDir: string): RunState | undefined {
  if (!existsSync(stateFile(dataDir))) return undefined
  try {
    return JSON.parse(readFileSync(stateFile(dataDir), 'utf8'))
  } catch {
    // Written by renaming, so only a stranger's hand can have broken it; a start then begins afresh.
    return undefined
  }
}

export function writeRunState(dataDir: string, state: RunState): void {
  mkdirSync(join(dataDir, 'run'), { recursive: true, mode: 0o700 })
  const temporary = `${stateFile(dataDir)}.new`
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, stateFile(dataDir))
}

export function removeRunState(dataDir: string): void {
  rmSync(stateFile(dataDir), { force: true })
}

/**
 * Ends the children that a killed supervisor left behind: they end by themselves when their channel closes, so this
 * waits a moment and then kills what is left. Containers are not touched: the agent adopts them.
 */
export async function endLeftovers(state: RunState, patienceMs: number): Promise<readonly Role[]> {
  const alive = (): [Role, ProcessIdentity][] =>
    (Object.entries(state.children) as [Role, ProcessIdentity][]).filter(([, identity]) => isAlive(identity))
  const found = alive().map(([role]) => role)
  const deadline = performance.now() + patienceMs
  while (alive().length > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  for (const [, { pid }] of alive()) process.kill(pid, 'SIGKILL')
  return found
}
