import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { processesOf } from '../../../src/agent/runtime/process/process-table.ts'
import type { RuntimeError } from '../../../src/agent/runtime/runtime.ts'
import { eventually } from '../../harness/eventually.ts'
import { container, endOf, logText, POD_UID, startRuntime, stateOf } from './runtime-fixture.ts'

const node = (script: string): string[] => ['node', '-e', script]

test('exit codes, reasons and the end of output', async (t) => {
  const { runtime } = await startRuntime(t)
  const cases = [
    { name: 'zero', command: node('console.log("done")'), want: { exitCode: 0, reason: 'Completed' } },
    {
      name: 'seven',
      command: node('console.log("done"); process.exitCode = 7'),
      want: { exitCode: 7, reason: 'Error' },
    },
    {
      name: 'signal',
      command: node('console.log("done"); process.kill(process.pid, "SIGSEGV")'),
      want: { exitCode: 139, reason: 'Error' },
    },
  ]
  for (const { name, command, want } of cases) {
    const { id } = await runtime.startContainer(container(command, { name }))
    const { exitCode, reason } = await endOf(runtime, id)
    assert.deepEqual({ exitCode, reason }, want, name)
    assert.equal(await logText(runtime, id), 'done\n', `${name}: only the container's own words`)
  }
})

test('nothing the user writes is read as shell', async (t) => {
  const { runtime } = await startRuntime(t)
  const args = ['$(touch pwned)', '`id`', '; exit 3', '"', "'", 'a b', '$HOME', '', '-n', 'line\nbreak']
  const { id } = await runtime.startContainer(
    container(['node', '-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--'], { args }),
  )
  await endOf(runtime, id)
  assert.deepEqual(JSON.parse(await logText(runtime, id)), args)
})

test('the environment holds what the pod asks for and nothing of the agent', async (t) => {
  const { runtime } = await startRuntime(t)
  process.env.WHERRY_TEST_SECRET = 'x'
  const { id } = await runtime.startContainer(
    container(node('console.log(JSON.stringify(process.env))'), { env: [{ name: 'A', value: 'b=c\n' }] }),
  )
  await endOf(runtime, id)
  const env = JSON.parse(await logText(runtime, id))
  delete process.env.WHERRY_TEST_SECRET
  assert.equal(env.A, 'b=c\n')
  assert.equal(env.WHERRY_TEST_SECRET, undefined)
  assert.ok(env.PATH.startsWith(join(process.execPath, '..')))
})

test('each mount stands in the working directory under its path', async (t) => {
  const { runtime, directory } = await startRuntime(t)
  for (const name of ['outer', 'inner']) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'file'), name)
  }
  const mounts = [
    { source: join(directory, 'inner'), target: '/app/conf', readOnly: true },
    { source: join(directory, 'outer'), target: '/app/', readOnly: false },
  ]
  const { id } = await runtime.startContainer(container(['cat', 'app/file', 'app/conf/file'], { mounts }))
  await endOf(runtime, id)
  assert.equal(await logText(runtime, id), 'outerinner')

  const inside = await runtime.startContainer(container(['pwd'], { name: 'wd', mounts, workingDir: '/app' }))
  await endOf(runtime, inside.id)
  assert.match(await logText(runtime, inside.id), /outer\n$/)
  const outside = await runtime.startContainer(container(['pwd'], { name: 'wd2', mounts, workingDir: '/usr' }))
  await endOf(runtime, outside.id)
  assert.equal(await logText(runtime, outside.id), '/usr\n')
})

test('a mount path cannot lead out of the root', async (t) => {
  const { runtime, directory } = await startRuntime(t)
  mkdirSync(join(directory, 'v'))
  const mounts = [{ source: join(directory, 'v'), target: '/../../../../escaped', readOnly: true }]
  const { id } = await runtime.startContainer(container(['readlink', 'escaped'], { mounts }))
  await endOf(runtime, id)
  assert.equal(await logText(runtime, id), `${join(directory, 'v')}\n`)
})

test('a command that is not there is an attempt that ended with 128', async (t) => {
  const { runtime, again } = await startRuntime(t)
  await assert.rejects(
    runtime.startContainer(container(['no-such-program'])),
    (error: RuntimeError) =>
      error.reason === 'RunContainerError' &&
      /exec: "no-such-program": executable file not found in \$PATH/.test(error.message),
  )
  for (const one of [runtime, again()]) {
    const state = await stateOf(one, `${POD_UID}.c.0`)
    assert.deepEqual([state.phase, state.exitCode, state.reason], ['exited', 128, 'StartError'])
  }
})

test('stop: the main process is asked first, its group goes with it', async (t) => {
  const { runtime } = await startRuntime(t)
  const script = `
    const { spawn } = require('child_process')
    spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'inherit' })
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit', detached: true }).unref()
    process.on('SIGTERM', () => { console.log('bye'); process.exit(5) })
    console.log('up')`
  const { id } = await runtime.startContainer(container(node(script)))
  await eventually(async () => ((await logText(runtime, id)) === 'up\n' ? true : undefined))
  assert.ok(processesOf(new Set([id])).length >= 4, 'shim, main process, child and the one that left the group')
  await runtime.stopContainer(id, 20_000)
  const state = await stateOf(runtime, id)
  assert.deepEqual([state.phase, state.exitCode], ['exited', 5])
  assert.equal(await logText(runtime, id), 'up\nbye\n')
  assert.deepEqual(processesOf(new Set([id])), [])
})

test('stop: what does not listen is killed at the end of grace, and a second call shortens it', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(
    container(node('process.on("SIGTERM", () => console.log("no")); setInterval(() => {}, 1000); console.log("up")')),
  )
  await eventually(async () => ((await logText(runtime, id)) === 'up\n' ? true : undefined))
  const first = runtime.stopContainer(id, 3_600_000)
  await eventually(async () => ((await logText(runtime, id)).endsWith('no\n') ? true : undefined))
  await runtime.stopContainer(id, 50)
  await first
  assert.equal((await stateOf(runtime, id)).exitCode, 137)
  assert.deepEqual(processesOf(new Set([id])), [])
})

test('the stop signal is the one asked for, with default dispositions', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sleep', '1000'], { stopSignal: 'SIGINT' }))
  await eventually(() => (processesOf(new Set([id])).length === 2 ? true : undefined))
  await new Promise((resolve) => setTimeout(resolve, 50))
  await runtime.stopContainer(id, 20_000)
  assert.equal((await stateOf(runtime, id)).exitCode, 130)
})

test('a killed shim takes its container with it', async (t) => {
  const { runtime, directory } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sleep', '1000']))
  const shim = join(directory, POD_UID, 'containers/c/0/shim')
  await eventually(() => (readFileSync(shim, 'utf8').endsWith('\n') ? true : undefined))
  process.kill(Number(readFileSync(shim, 'utf8')), 'SIGKILL')
  assert.equal((await endOf(runtime, id)).exitCode, 137)
  assert.deepEqual(processesOf(new Set([id])), [])
})

test('exec runs beside the container and is cut off at its time limit', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sleep', '1000'], { env: [{ name: 'A', value: 'b' }] }))
  const good = await runtime.exec(id, ['sh', '-c', 'echo $A; echo err >&2; exit 3'], 5_000)
  assert.deepEqual(good, { exitCode: 3, output: 'b\nerr\n', timedOut: false })
  const slow = await runtime.exec(id, ['sleep', '1000'], 100)
  assert.equal(slow.timedOut, true)
  const flood = await runtime.exec(id, ['node', '-e', 'process.stdout.write("x".repeat(1e6))'], 5_000)
  assert.equal(flood.output.length, 16 * 1024)
})

test('the termination message is the file, or the end of the log', async (t) => {
  const { runtime } = await startRuntime(t)
  const file = await runtime.startContainer(container(['sh', '-c', 'printf why > dev/termination-log; exit 1']))
  assert.equal((await endOf(runtime, file.id)).message, 'why')
  const log = await runtime.startContainer(
    container(['sh', '-c', 'echo oh no; exit 1'], { name: 'l', terminationMessagePolicy: 'FallbackToLogsOnError' }),
  )
  assert.equal((await endOf(runtime, log.id)).message, 'oh no\n')
  const neither = await runtime.startContainer(container(['sh', '-c', 'echo oh no; exit 1'], { name: 'n' }))
  assert.equal((await endOf(runtime, neither.id)).message, undefined)
})

test('a second runtime on the same directory adopts what runs and knows how the rest ended', async (t) => {
  const { runtime, again } = await startRuntime(t)
  const running = await runtime.startContainer(container(node('setInterval(() => console.log("tick"), 50)')))
  const ended = await runtime.startContainer(container(['sh', '-c', 'exit 9'], { name: 'e' }))
  await endOf(runtime, ended.id)
  // A shim that has not come to say who it is would be disowned.
  await eventually(() => (processesOf(new Set([running.id])).length === 2 ? true : undefined))
  await runtime.close()

  const next = again()
  assert.deepEqual((await next.list())[0]?.ip, '127.99.129.4')
  assert.equal((await stateOf(next, running.id)).phase, 'running')
  assert.equal((await stateOf(next, running.id)).startedAtMs, running.startedAtMs)
  assert.equal((await stateOf(next, ended.id)).exitCode, 9)
  let changes = 0
  next.onChange(() => changes++)
  await next.stopContainer(running.id, 20_000)
  assert.equal((await stateOf(next, running.id)).exitCode, 143)
  await eventually(() => (changes === 1 ? true : undefined))
  await next.close()
})

test('with the shim gone and no exit file the end is unknown', async (t) => {
  const { runtime, again, directory } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sleep', '1000']))
  await eventually(() => (processesOf(new Set([id])).length === 2 ? true : undefined))
  await runtime.close()
  const shim = Number(readFileSync(join(directory, POD_UID, 'containers/c/0/shim'), 'utf8'))
  process.kill(-shim, 'SIGKILL')
  await eventually(() => (processesOf(new Set([id])).length === 0 ? true : undefined))
  const next = again()
  const state = await stateOf(next, id)
  assert.deepEqual([state.phase, state.exitCode, state.reason], ['exited', 255, 'Unknown'])
  await next.close()
})
