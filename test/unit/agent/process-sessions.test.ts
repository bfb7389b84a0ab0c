import assert from 'node:assert/strict'
import { accessSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { failedSession } from '../../../src/agent/runtime/process/exec-session.ts'
import { processesOf } from '../../../src/agent/runtime/process/process-table.ts'
import { shellQuote } from '../../../src/agent/runtime/process/shell-quote.ts'
import { inTerminal } from '../../../src/agent/runtime/process/terminal.ts'
import type { ContainerConfig, ContainerSession, Runtime, TerminalSize } from '../../../src/agent/runtime/runtime.ts'
import { eventually } from '../../harness/eventually.ts'
import { container, endOf, POD_UID, startRuntime, stateOf } from './runtime-fixture.ts'

const SIZE: TerminalSize = { columns: 71, rows: 31 }
const NO_SCRIPT = hasScript() ? false : 'needs script(1) of util-linux'
const PLAIN = { stdin: false, tty: false }

function hasScript(): boolean {
  try {
    accessSync('/usr/bin/script')
    return true
  } catch {
    return false
  }
}

async function textOf(stream: Readable | undefined): Promise<string> {
  const parts: Buffer[] = []
  if (stream !== undefined) for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

interface Result {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

async function resultOf(session: ContainerSession): Promise<Result> {
  const [stdout, stderr, exitCode] = await Promise.all([textOf(session.stdout), textOf(session.stderr), session.exited])
  return { stdout, stderr, exitCode }
}

/** What a session has written so far, and a way to wait for more. */
function watch(session: ContainerSession): (text: string) => Promise<true> {
  let seen = ''
  session.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString()
  })
  return (text) => eventually(() => (seen.includes(text) ? true : undefined), 10_000, `"${text}" after "${seen}"`)
}

async function startIdle(
  t: TestContext,
  more: Partial<ContainerConfig> = {},
): Promise<{ readonly runtime: Runtime; readonly id: string; readonly directory: string; again(): Runtime }> {
  const { runtime, directory, again } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sleep', '1000'], more))
  return { runtime, id, directory, again }
}

test('exec: both outputs, the exit code, the container’s environment, and nothing left behind', async (t) => {
  const { runtime, id, directory } = await startIdle(t, { env: [{ name: 'COLOR', value: 'blue' }] })
  const script = 'echo "$COLOR"; echo oops >/dev/stderr; exit 3'
  const session = await runtime.openExec(id, ['sh', '-c', script], PLAIN)
  assert.deepEqual(await resultOf(session), { stdout: 'blue\n', stderr: 'oops\n', exitCode: 3 })
  const left = readdirSync(join(directory, POD_UID, 'containers', 'c', '0')).filter((name) => name.startsWith('exec-'))
  assert.deepEqual(left, [])
})

test('exec: signals are 128 + n, programs that are none 126, that are not there 127', async (t) => {
  const { runtime, id } = await startIdle(t)
  const rows: readonly (readonly [readonly string[], number, string])[] = [
    [['sh', '-c', 'kill -KILL $$'], 137, ''],
    [['sh', '-c', 'kill -TERM $$'], 143, ''],
    [['/etc/passwd'], 126, 'exec: "/etc/passwd": no such file or directory, or not executable\n'],
    [['/no/such'], 127, 'exec: "/no/such": no such file or directory, or not executable\n'],
    [['no-such'], 127, 'exec: "no-such": executable file not found in $PATH\n'],
  ]
  for (const [command, exitCode, stderr] of rows)
    assert.deepEqual(await resultOf(await runtime.openExec(id, command, PLAIN)), { stdout: '', stderr, exitCode })
})

test('exec: input to its end, of any size, and none when none was asked for', async (t) => {
  const { runtime, id } = await startIdle(t)
  const counted = await runtime.openExec(id, ['wc', '-c'], { stdin: true, tty: false })
  counted.stdin!.write(Buffer.alloc(3 << 20))
  counted.stdin!.end('end')
  assert.equal((await resultOf(counted)).stdout.trim(), String((3 << 20) + 3))
  const without = await runtime.openExec(id, ['cat'], PLAIN)
  assert.equal(without.stdin, undefined)
  assert.deepEqual(await resultOf(without), { stdout: '', stderr: '', exitCode: 0 })
})

test('exec: a slow reader gets everything that was written before the end', async (t) => {
  const { runtime, id } = await startIdle(t)
  const session = await runtime.openExec(id, ['sh', '-c', 'head -c 300000 /dev/zero; sleep 300 &'], PLAIN)
  let length = 0
  for await (const chunk of session.stdout) {
    length += (chunk as Buffer).length
    // Longer than a pipe may be quiet before it is given up.
    if (length < 150_000) await new Promise((resolve) => setTimeout(resolve, 300))
  }
  assert.equal(length, 300_000)
  assert.equal(await session.exited, 0)
})

test('exec: a client that goes ends its command, nothing else', async (t) => {
  const { runtime, id } = await startIdle(t)
  const session = await runtime.openExec(id, ['sh', '-c', 'echo $$; exec sleep 999'], PLAIN)
  const pid = Number(await new Promise((resolve) => session.stdout.once('data', resolve)))
  assert.ok(processesOf(new Set([id])).includes(pid))
  session.close()
  assert.equal(await session.exited, 129)
  assert.ok(!processesOf(new Set([id])).includes(pid))
  assert.equal((await stateOf(runtime, id)).phase, 'running')
})

test('exec: the container’s end ends it; without the container there is none', async (t) => {
  const { runtime, id } = await startIdle(t)
  const session = await runtime.openExec(id, ['sleep', '999'], PLAIN)
  await runtime.stopContainer(id, 0)
  assert.equal((await resultOf(session)).exitCode, 137)
  await assert.rejects(runtime.openExec(id, ['true'], PLAIN), { reason: 'ExecError' })
  await assert.rejects(runtime.attach(id, PLAIN), { reason: 'ExecError' })
})

test('exec in a terminal: its size from the beginning, SIGWINCH, echo, Ctrl-C', { skip: NO_SCRIPT }, async (t) => {
  const { runtime, id } = await startIdle(t, { env: [{ name: 'SHELL', value: '/bin/it’s' }] })
  const script =
    'echo $SHELL $TERM; stty size; trap "stty size" WINCH; trap "echo caught; exit 9" INT; while :; do sleep 0.1; done'
  const session = await runtime.openExec(id, ['sh', '-c', script], { stdin: true, tty: true, size: SIZE })
  const sees = watch(session)
  await sees('/bin/it’s xterm\r\n31 71\r\n')
  session.resize({ columns: 40, rows: 10 })
  session.resize({ columns: 100, rows: 50 })
  await sees('50 100\r\n')
  session.stdin!.write('typed\n')
  await sees('typed\r\n')
  session.stdin!.write('\x03')
  await sees('caught')
  assert.equal(await session.exited, 9)
  assert.equal(session.stderr, undefined)
})

test('exec in a terminal: every word is taken as it is', { skip: NO_SCRIPT }, async (t) => {
  const { runtime, id } = await startIdle(t)
  const words = ['$(touch pwned)', '`id`', '; exit 3', '"', "'", "''\\''", 'a b', '$HOME', '', '-n', '\\', '*', 'é€']
  const command = ['node', '-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...words]
  const { stdout, exitCode } = await resultOf(await runtime.openExec(id, command, { stdin: false, tty: true }))
  assert.deepEqual([JSON.parse(stdout), exitCode], [words, 0])
})

test('a terminal’s command line holds nothing outside quotes that is not ours', () => {
  assert.equal(shellQuote("it's"), `'it'\\''s'`)
  const { command, environment } = inTerminal(
    '/usr/bin/script',
    ['a', "b'c"],
    { A: '1', SHELL: '/x' },
    { terminalFile: '/t' },
  )
  assert.deepEqual(command, [
    '/usr/bin/script',
    '-qfec',
    `PATH=/usr/bin:/bin stty echo; PATH=/usr/bin:/bin tty >'/t'; SHELL='/x'; exec 'a' 'b'\\''c'`,
    '/dev/null',
  ])
  assert.deepEqual(environment, { TERM: 'xterm', A: '1', SHELL: '/bin/sh' })
})

test('what could not be started says why on the output there is', async () => {
  assert.deepEqual(await resultOf(failedSession('why', 127, false)), { stdout: '', stderr: 'why\n', exitCode: 127 })
  assert.deepEqual(await resultOf(failedSession('why', 126, true)), { stdout: 'why\n', stderr: '', exitCode: 126 })
})

test('attach: output from now on, input that stays open while clients come and go', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sh', '-c', 'echo before; exec cat'], { stdin: true }))
  const first = await runtime.attach(id, { stdin: true, tty: false })
  const firstSees = watch(first)
  first.stdin!.end('one\n')
  await firstSees('one\n')
  first.close()
  const second = await runtime.attach(id, { stdin: true, tty: false })
  const secondSees = watch(second)
  second.stdin!.write('two\n')
  await secondSees('two\n')
  await runtime.stopContainer(id, 0)
  assert.equal(await second.exited, 0, 'how it ended is for the pod to say')
  const reader = await startIdle(t)
  const mute = await reader.runtime.attach(reader.id, { stdin: true, tty: false })
  assert.equal(mute.stdin, undefined, 'a container without an input')
  mute.close()
})

test('attach: with stdinOnce the container’s input ends with the first client’s', async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['cat'], { stdin: true, stdinOnce: true }))
  const session = await runtime.attach(id, { stdin: true, tty: false })
  session.stdin!.end('all of it')
  const { stdout } = await resultOf(session)
  assert.equal(stdout, 'all of it')
  assert.equal((await endOf(runtime, id)).exitCode, 0)
})

test('a container in a terminal: typed to, resized, and found again after the agent’s end', {
  skip: NO_SCRIPT,
}, async (t) => {
  const { runtime, again } = await startRuntime(t)
  const { id } = await runtime.startContainer(container(['sh'], { stdin: true, tty: true }))
  const first = await runtime.attach(id, { stdin: true, tty: true, size: SIZE })
  const firstSees = watch(first)
  const typing = setInterval(() => first.stdin!.write('stty size; echo $((6 * 7))\n'), 100)
  t.after(() => clearInterval(typing))
  await firstSees('31 71')
  clearInterval(typing)
  await firstSees('42')
  first.close()
  await runtime.close()
  const adopted = again()
  const second = await adopted.attach(id, { stdin: true, tty: true })
  const secondSees = watch(second)
  second.stdin!.write('echo a$((1 + 1))b; exit 4\n')
  await secondSees('a2b')
  assert.equal((await endOf(adopted, id)).exitCode, 4)
  await adopted.close()
})

test('a container in a terminal gets its stop signal itself', { skip: NO_SCRIPT }, async (t) => {
  const { runtime } = await startRuntime(t)
  const { id } = await runtime.startContainer(
    container(['sh', '-c', 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'], { tty: true }),
  )
  const session = await runtime.attach(id, PLAIN)
  const { promise, resolve } = Promise.withResolvers<void>()
  session.stdout.once('data', () => resolve())
  // It may have been ready before anybody listened.
  await Promise.race([promise, new Promise((done) => setTimeout(done, 500))])
  await runtime.stopContainer(id, 20_000)
  assert.equal((await endOf(runtime, id)).exitCode, 5)
  assert.deepEqual(processesOf(new Set([id])), [])
})
