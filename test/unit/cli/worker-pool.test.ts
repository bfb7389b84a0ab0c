import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { canReusePort } from '../../../src/cli/proxy/worker/reuse-port.ts'
import { WorkerPool } from '../../../src/cli/proxy/worker/worker-pool.ts'
import type { ProxyConfig } from '../../../src/proxy/l7/config/proxy-config.ts'
import { eventually } from '../../harness/eventually.ts'

async function startBackend(t: TestContext, name: string): Promise<number> {
  const server = createServer((_request, response) => response.end(name)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const configOf = (...ports: readonly number[]): ProxyConfig => ({
  listeners: [{ name: 'web', host: '127.0.0.1', port: 0 }],
  backends: [{ name: 'b', endpoints: ports.map((port) => ({ address: '127.0.0.1', port })), algorithm: 'round-robin' }],
  routes: [{ name: 'r', backends: [{ upstream: 'b' }] }],
})

function startPool(t: TestContext, workers: number, reusePort: boolean): WorkerPool {
  const pool = new WorkerPool({ workers, reusePort, secret: 'hush', onMessage() {} })
  t.after(() => pool.drain(0))
  return pool
}

const ask = async (pool: WorkerPool): Promise<string> =>
  (await fetch(`http://127.0.0.1:${pool.ports.web}/`, { headers: { connection: 'close' } })).text()

const workersOf = async (pool: WorkerPool): Promise<readonly { pid: number }[]> =>
  ((await pool.status()) as { workers: readonly { pid: number }[] }).workers

for (const reusePort of [true, false]) {
  test(`workers follow one configuration after another (${reusePort ? 'a socket each' : 'cluster'})`, async (t) => {
    if (reusePort && !canReusePort(process.versions.node, process.platform)) return t.skip('no reusePort here')
    const pool = startPool(t, 2, reusePort)
    await pool.apply(configOf(await startBackend(t, 'a')))
    const { web } = pool.ports
    for (let i = 0; i < 8; i++) assert.equal(await ask(pool), 'a')
    await pool.apply(configOf(await startBackend(t, 'b')))
    for (let i = 0; i < 8; i++) assert.equal(await ask(pool), 'b')
    assert.equal(pool.version, 2)
    assert.equal(pool.ports.web, web)
    const { text } = await pool.metrics()
    assert.match(text, /^wherry_http_requests_total\{[^}]*code="2xx"\} 8$/m)
    assert.match(text, /^wherry_proxy_workers 2$/m)
    const { pid: killed } = (await workersOf(pool))[0]!
    process.kill(killed, 'SIGKILL')
    // Two are told of until the pool hears of the end; a connection may still reach the dying one's socket until then.
    await eventually(
      async () => {
        const workers = await workersOf(pool)
        return (workers.length === 2 && workers.every(({ pid }) => pid !== killed)) || undefined
      },
      20_000,
      'two workers again, the killed one not among them',
    )
    for (let i = 0; i < 8; i++) assert.equal(await ask(pool), 'b')
  })
}

test('a configuration that one worker cannot follow reaches none', async (t) => {
  const taken = await startBackend(t, 'x')
  const pool = startPool(t, 2, canReusePort(process.versions.node, process.platform))
  const config = configOf(await startBackend(t, 'a'))
  await pool.apply(config)
  const wrong = {
    ...configOf(await startBackend(t, 'b')),
    listeners: [...config.listeners, { name: 'more', host: '127.0.0.1', port: taken }],
  }
  await assert.rejects(pool.apply(wrong), { code: 'EADDRINUSE' })
  for (let i = 0; i < 8; i++) assert.equal(await ask(pool), 'a')
  assert.equal(pool.version, 1)
})

test('reusePort is known from Node 23.1 on, on Linux', () => {
  assert.equal(canReusePort('24.1.0', 'linux'), true)
  assert.equal(canReusePort('23.1.0', 'linux'), true)
  assert.equal(canReusePort('23.0.9', 'linux'), false)
  assert.equal(canReusePort('22.18.0', 'linux'), false)
  assert.equal(canReusePort('24.1.0', 'darwin'), false)
})

/** Connections that each send a request at once, and what becomes of them. */
function burst(t: TestContext, port: number, count: number): { answered(): number; readonly broken: string[] } {
  let answered = 0
  const broken: string[] = []
  for (let i = 0; i < count; i++) {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    socket.on('error', (error) => broken.push(error.message))
    socket.once('data', () => answered++)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  }
  return { answered: () => answered, broken }
}

test('connections that wait for a worker that dies are served by the one in its place', async (t) => {
  if (!canReusePort(process.versions.node, process.platform)) return t.skip('no reusePort here')
  const pool = startPool(t, 2, true)
  await pool.apply(configOf(await startBackend(t, 'a')))
  const [{ pid: frozen } = { pid: 0 }] = await workersOf(pool)
  process.kill(frozen, 'SIGSTOP')
  const { answered, broken } = burst(t, pool.ports.web!, 32)
  // Those of the other one.
  await eventually(() => (answered() > 0 ? true : undefined))
  assert.ok(answered() < 32)
  process.kill(frozen, 'SIGKILL')
  await eventually(() => (answered() === 32 || broken.length > 0 ? true : undefined))
  assert.deepEqual(broken, [])
})

test('a worker that dies again and again leaves its connections to the others', async (t) => {
  if (!canReusePort(process.versions.node, process.platform)) return t.skip('no reusePort here')
  const pool = startPool(t, 2, true)
  await pool.apply(configOf(await startBackend(t, 'a')))
  const [{ pid: stays } = { pid: 0 }] = await workersOf(pool)
  for (let deaths = 0; deaths < 3; deaths++) {
    const other = await eventually(async () => {
      const workers = await workersOf(pool)
      return workers.length === 2 ? workers.find(({ pid }) => pid !== stays)?.pid : undefined
    })
    process.kill(other, 'SIGKILL')
    await eventually(async () => {
      const pids = (await workersOf(pool)).map(({ pid }) => pid)
      return pids.includes(other) ? undefined : true
    })
  }
  // Within the 200 ms in which nobody is in its place.
  const { answered, broken } = burst(t, pool.ports.web!, 16)
  await eventually(() => (answered() + broken.length === 16 ? true : undefined))
  assert.deepEqual(broken, [])
})
