import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { formatAddress, parseAddress } from '../../../src/cli/proxy/parse-address.ts'
import { eventually } from '../../harness/eventually.ts'

test('addresses are read as they are written', () => {
  for (const text of ['127.0.0.1:8080', '[::1]:80', '0.0.0.0:0', '[fe80::1]:65535']) {
    assert.equal(formatAddress(parseAddress(text)!), text)
  }
  for (const text of [
    '',
    '127.0.0.1',
    ':80',
    'localhost:80',
    '::1:80',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '[127.0.0.1]:80',
    '1.2.3:80',
  ])
    assert.equal(parseAddress(text), undefined, text)
})

interface Run {
  readonly child: ChildProcess
  out: string
  error: string
}

function wherry(t: TestContext, ...args: readonly string[]): Run {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'proxy', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const run: Run = { child, out: '', error: '' }
  child.stdout!.on('data', (data) => {
    run.out += data
  })
  child.stderr!.on('data', (data) => {
    run.error += data
  })
  t.after(() => child.kill('SIGKILL'))
  return run
}

async function exitCode({ child }: Run): Promise<number | null> {
  if (child.exitCode === null) await once(child, 'exit')
  return child.exitCode
}

async function backend(t: TestContext, name: string, delayMs = 0, onRequest = () => {}): Promise<number> {
  const server = createServer((_request, response) => {
    onRequest()
    setTimeout(() => response.end(name), delayMs)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

test('wherry proxy balances over its endpoints, tells of itself, and ends in order', async (t) => {
  const [a, b] = [await backend(t, 'a'), await backend(t, 'b')]
  const run = wherry(
    t,
    '--listen',
    '127.0.0.1:0',
    '--to',
    `127.0.0.1:${a},127.0.0.1:${b}`,
    '--admin',
    '127.0.0.1:0',
    '--balance',
    'round-robin',
  )
  const [url, metrics] = await eventually(() => {
    const urls = [...run.out.matchAll(/http:\/\/[^\s,]+/g)].map(([found]) => found)
    return urls.length === 2 ? urls : undefined
  })
  const seen = new Set<string>()
  for (let i = 0; i < 8; i++) seen.add(await (await fetch(url!)).text())
  assert.deepEqual([...seen].sort(), ['a', 'b'])
  assert.match(await (await fetch(metrics!)).text(), /wherry_http_request_duration_seconds_count\{[^}]*\} 8\n/)
  const status = await (await fetch(metrics!.replace('/metrics', '/status'))).json()
  const { workers } = status as { workers: { upstreams: { endpoints: unknown[] }[] }[] }
  assert.equal(workers[0]!.upstreams[0]!.endpoints.length, 2)
  run.child.kill('SIGTERM')
  assert.equal(await exitCode(run), 0, run.error)
})

test('requests under way are finished when it ends', async (t) => {
  let arrived = (): void => {}
  const isThere = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const port = await backend(t, 'late', 500, () => arrived())
  const run = wherry(t, '--listen', '127.0.0.1:0', '--to', `127.0.0.1:${port}`)
  const url = await eventually(() => /http:\/\/[^\s,]+/.exec(run.out)?.[0])
  const answer = fetch(url)
  await isThere
  run.child.kill('SIGINT')
  const response = await answer
  assert.equal(response.headers.get('connection'), 'close')
  assert.equal(await response.text(), 'late')
  assert.equal(await exitCode(run), 0, run.error)
})

test('what cannot be is said in one sentence', async (t) => {
  const port = await backend(t, 'x')
  for (const [args, want] of [
    [['--listen', 'nowhere', '--to', '127.0.0.1:1'], /--listen: "nowhere" is no address and port/],
    [['--listen', '127.0.0.1:0', '--to', '127.0.0.1:1,,'], /--to: "" is no address and port/],
    [['--listen', '127.0.0.1:0', '--to', '127.0.0.1:1,127.0.0.1:1'], /is there twice/],
    [['--listen', '127.0.0.1:0', '--to', '127.0.0.1:1', '--balance', 'constructor'], /there is no "constructor"/],
    [['--listen', `127.0.0.1:${port}`, '--to', '127.0.0.1:1'], /is taken by another program/],
    [['--listen', '127.0.0.1:0', '--to', '127.0.0.1:1', '--admin', `127.0.0.1:${port}`], /is taken by another program/],
  ] as const) {
    const run = wherry(t, ...args)
    assert.equal(await exitCode(run), 1)
    assert.match(run.error, want)
    assert.doesNotMatch(run.error, /\n\s+at /)
  }
})
