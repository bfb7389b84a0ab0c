import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ProcessRuntime } from '../../../src/agent/runtime/process/process-runtime.ts'
import { processesOf } from '../../../src/agent/runtime/process/process-table.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { eventually } from '../../harness/eventually.ts'
import { endOf, logText, POD_UID, stateOf } from '../../unit/agent/runtime-fixture.ts'

const CHILD = new URL('./agent-child.ts', import.meta.url).pathname

interface Killed {
  readonly directory: string
  /** Containers the killed process said that it had started. */
  readonly started: readonly string[]
}

/** Starts the agent-like process and kills it `afterMs` after its first container, or once all `count` run. */
async function killedAgent(t: TestContext, count: number, afterMs: number | undefined): Promise<Killed> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-adoption-'))
  const child = spawn(process.execPath, [CHILD, directory, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TEST_POD_UID: POD_UID },
  })
  let text = ''
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.stdout.on('data', (chunk: Buffer) => {
    if (text === '' && afterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), afterMs)
    text += chunk.toString()
    if (afterMs === undefined && text.split('\n').length > count) child.kill('SIGKILL')
  })
  t.after(async () => {
    child.kill('SIGKILL')
    const last = newRuntime(directory)
    await last.removeSandbox(POD_UID)
    await last.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  })
  await ended
  return { directory, started: text.split('\n').filter((line) => line !== '') }
}

function newRuntime(directory: string): ProcessRuntime {
  return new ProcessRuntime({ directory, version: '0', clock: systemClock, logger: silentLogger })
}

function assertUnbroken(log: string): void {
  const lines = log.split('\n').filter((line) => line !== '')
  assert.ok(lines.length > 0)
  assert.deepEqual(
    lines,
    lines.map((_, i) => String(i)),
    'every line once and in order',
  )
}

test('after kill -9 of the agent its containers run on and are adopted, output and exit code included', async (t) => {
  const { directory, started } = await killedAgent(t, 3, undefined)
  assert.equal(started.length, 3)
  const before = new Map(started.map((id) => [id, processesOf(new Set([id]))]))
  for (const [id, pids] of before) assert.equal(pids.length, 2, `shim and main process of ${id}`)

  const next = newRuntime(directory)
  for (const id of started) assert.equal((await stateOf(next, id)).phase, 'running')
  for (const [id, pids] of before) assert.deepEqual(processesOf(new Set([id])), pids, 'none was started again')
  for (const id of started) await eventually(async () => ((await logText(next, id)) === '' ? undefined : true))
  const [first = '', second = '', third = ''] = started

  // Killed by a stranger: seen although it is nobody's child.
  const main = processesOf(new Set([first])).at(-1)!
  process.kill(main, 'SIGKILL')
  assert.equal((await endOf(next, first)).exitCode, 137)
  await next.stopContainer(second, 10_000)
  assert.equal((await stateOf(next, second)).exitCode, 143)
  await next.close()

  // One that ends while nobody looks.
  process.kill(processesOf(new Set([third])).at(-1)!, 'SIGTERM')
  await eventually(() => (processesOf(new Set([third])).length === 0 ? true : undefined))
  const last = newRuntime(directory)
  assert.equal((await stateOf(last, third)).exitCode, 143)
  for (const id of started) assertUnbroken(await logText(last, id))
  await last.close()
})

test('an agent killed at any moment of starting leaves no container that the next does not know', async (t) => {
  for (let round = 0; round < 12; round++) {
    const { directory, started } = await killedAgent(t, 8, round * 2)
    const next = newRuntime(directory)
    const phases = async (): Promise<ReadonlyMap<string, string>> =>
      new Map((await next.list()).flatMap(({ containers }) => containers).map(({ id, phase }) => [id, phase]))
    const known = await phases()
    for (const id of started) assert.equal(known.get(id), 'running', id)
    for (let i = 0; i < 8; i++) {
      const id = `${POD_UID}.c${i}.0`
      // A shim that was on its way sees that it comes too late, and goes.
      const agrees = async (): Promise<true | undefined> => {
        const count = processesOf(new Set([id])).length
        return count === ((await phases()).get(id) === 'running' ? 2 : 0) ? true : undefined
      }
      await eventually(agrees, 20_000, `agreement on ${id}`)
    }
    await next.removeSandbox(POD_UID)
    await next.close()
  }
})
