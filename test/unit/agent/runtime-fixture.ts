import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { LogLimits } from '../../../src/agent/runtime/logs/log-keeper.ts'
import { ProcessRuntime } from '../../../src/agent/runtime/process/process-runtime.ts'
import type { ContainerConfig, ContainerState, Runtime } from '../../../src/agent/runtime/runtime.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'

/**
 * Of this test file alone: containers are known by it in the whole machine's process table. A process that a test starts
 * to stand for an agent is given it.
 */
export const POD_UID = process.env.TEST_POD_UID ?? randomUUID()

export interface RuntimeFixture {
  readonly directory: string
  readonly runtime: ProcessRuntime
  /** Another runtime on the same directory, as after the agent's end. */
  again(): ProcessRuntime
}

/** A runtime in a temporary directory with one sandbox; everything it started is gone after the test. */
export async function startRuntime(t: TestContext, logLimits?: LogLimits): Promise<RuntimeFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-runtime-'))
  const options = { directory, version: '0', clock: systemClock, logger: silentLogger }
  const make = (): ProcessRuntime => new ProcessRuntime(logLimits === undefined ? options : { ...options, logLimits })
  const runtime = make()
  await runtime.createSandbox(sandboxConfig(directory))
  t.after(async () => {
    const last = make()
    await last.removeSandbox(POD_UID)
    await last.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return { directory, runtime, again: make }
}

export function sandboxConfig(directory: string): Parameters<Runtime['createSandbox']>[0] {
  return {
    podUid: POD_UID,
    podName: 'pod',
    podNamespace: 'default',
    hostname: 'pod',
    ip: '127.99.129.4',
    directory: join(directory, POD_UID),
  }
}

export function container(command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    podUid: POD_UID,
    name: 'c',
    attempt: 0,
    kind: 'main',
    image: 'none',
    command,
    args: [],
    workingDir: undefined,
    env: [],
    mounts: [],
    stopSignal: undefined,
    stdin: false,
    stdinOnce: false,
    tty: false,
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    securityContext: {},
    resources: {},
    ...more,
  }
}

export async function stateOf(runtime: Runtime, id: string): Promise<ContainerState> {
  for (const sandbox of await runtime.list()) for (const state of sandbox.containers) if (state.id === id) return state
  throw new Error(`no container ${id}`)
}

/** Waits until the container has ended. */
export async function endOf(runtime: Runtime, id: string): Promise<ContainerState> {
  for (let i = 0; i < 3_000; i++) {
    const state = await stateOf(runtime, id)
    if (state.phase === 'exited') return state
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`container ${id} did not end`)
}

export async function logText(
  runtime: Runtime,
  id: string,
  options: Partial<Parameters<Runtime['logs']>[1]> = {},
): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of runtime.logs(
    id,
    { follow: false, timestamps: false, ...options },
    AbortSignal.timeout(30_000),
  ))
    parts.push(part)
  return Buffer.concat(parts).toString()
}
