import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A kubectl that this machine has. */
export interface Kubectl {
  readonly minor: string
  readonly path: string
}

export interface KubectlResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const TOOLS = new URL('../../.tools/', import.meta.url).pathname
export const KUBECTL_MISSING = 'needs kubectl (node scripts/get-kubectl.ts brings the oldest and the newest)'

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The oldest and the newest kubectl from `.tools/`, else the one on PATH, else none. */
export function kubectls(): readonly Kubectl[] {
  const tools = ['1.27', '1.36']
    .map((minor) => ({ minor, path: join(TOOLS, `kubectl-${minor}`) }))
    .filter(({ path }) => isProgram(path))
  if (tools.length > 0) return tools
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'kubectl'))
    .find(isProgram)
  return onPath === undefined ? [] : [{ minor: 'on PATH', path: onPath }]
}

/** Runs kubectl against a kubeconfig, feeding `input` to its standard input. Never rejects: look at `code`. */
export function runKubectl(
  kubectl: Kubectl,
  kubeconfig: string,
  args: readonly string[],
  options: {
    readonly input?: string
    readonly env?: Readonly<Record<string, string>>
    readonly timeoutMs?: number
  } = {},
): Promise<KubectlResult> {
  return new Promise((resolve) => {
    const child = execFile(
      kubectl.path,
      ['--kubeconfig', kubeconfig, ...args],
      { timeout: options.timeoutMs ?? 60_000, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...options.env } },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, stdout, stderr })
      },
    )
    // One that ends before it has read its input says why by itself.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })
}

/** Like `runKubectl`, but throws with kubectl's own words when it fails; returns what it printed. */
export async function kubectlOk(
  kubectl: Kubectl,
  kubeconfig: string,
  args: readonly string[],
  options: {
    readonly input?: string
    readonly env?: Readonly<Record<string, string>>
    readonly timeoutMs?: number
  } = {},
): Promise<string> {
  const result = await runKubectl(kubectl, kubeconfig, args, options)
  if (result.code !== 0)
    throw new Error(
      `kubectl ${args.join(' ')} (${kubectl.minor}) ended with ${result.code}: ${result.stderr}${result.stdout}`,
    )
  return result.stdout
}

/** A kubectl that keeps running (`get -w`, `logs -f`). */
export function spawnKubectl(kubectl: Kubectl, kubeconfig: string, args: readonly string[]): ChildProcess {
  return spawn(kubectl.path, ['--kubeconfig', kubeconfig, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}
