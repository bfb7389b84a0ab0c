import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../harness/eventually.ts'
import { freePort, IP, POD, readAll } from '../../unit/proxy/proxy-fixture.ts'

const FIXTURE = new URL('dataplane.fixture.ts', import.meta.url).pathname
const NOBODY_UID = 65_534

interface Dataplane {
  readonly child: ChildProcess
  readonly port: number
  output(): string
}

/** A data plane in front of an echo server, in a process with at most so many descriptors. */
async function start(
  t: TestContext,
  options: {
    readonly descriptors: number
    readonly connectionsMax: number
    readonly port?: number
    readonly uid?: number
  },
): Promise<Dataplane> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, POD(1))
  await once(server, 'listening')
  const port = options.port ?? (await freePort(IP))
  const endpoint = `${POD(1)}:${(server.address() as AddressInfo).port}`
  const args = [FIXTURE, `${IP}:${port}`, endpoint, String(options.connectionsMax)]
  if (options.uid !== undefined) args.push(String(options.uid))
  const child = spawn('sh', ['-c', `ulimit -n ${options.descriptors} && exec "$@"`, 'sh', process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    text += String(chunk)
  })
  t.after(() => {
    child.kill('SIGKILL')
    server.close()
  })
  await eventually(() => text || undefined, 20_000, 'the first word of the data plane')
  return { child, port, output: () => text }
}

interface Client {
  readonly socket: Socket
  isClosed: boolean
}

function openMany(t: TestContext, port: number, count: number): readonly Client[] {
  return Array.from({ length: count }, () => {
    const client: Client = { socket: connect(port, IP), isClosed: false }
    client.socket
      .on('error', () => {})
      .on('close', () => {
        client.isClosed = true
      })
    client.socket.resume()
    t.after(() => client.socket.destroy())
    return client
  })
}

async function echoes(port: number): Promise<true> {
  const socket = connect(port, IP)
  socket.end('hello')
  assert.equal(await readAll(socket), 'hello')
  return true
}

for (const [name, descriptors, connectionsMax] of [
  [
    'when descriptors run out, clients are turned away, others are served, and all is well once they are gone',
    96,
    10_000,
  ],
  ['with more clients than there is room for, some are turned away, and all is well once they are gone', 1_024, 32],
] as const)
  test(name, { timeout: 60_000 }, async (t) => {
    const { child, port } = await start(t, { descriptors, connectionsMax })
    await echoes(port)
    const early = connect(port, IP)
    t.after(() => early.destroy())
    early.write('a')
    await once(early, 'data')
    const clients = openMany(t, port, 200)
    await eventually(() => clients.some(({ isClosed }) => isClosed) || undefined, 20_000, 'clients are turned away')
    early.write('b')
    assert.equal(String((await once(early, 'data'))[0]), 'b', 'who is connected is served')
    for (const { socket } of clients) socket.destroy()
    await eventually(() => echoes(port), 20_000, 'service')
    assert.equal(child.exitCode, null)
  })

const firstFree = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
const skip =
  firstFree <= 80
    ? 'needs ports that are privileged (net.ipv4.ip_unprivileged_port_start)'
    : process.getuid?.() === 0
      ? false
      : 'needs root, to become somebody else (run as root)'

test('a port below 1024 that may not be bound is named with what to do about it', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { output } = await start(t, { descriptors: 1_024, connectionsMax: 16, port: 80, uid: NOBODY_UID })
  assert.match(
    output(),
    /^failed Cannot listen on TCP 127\.127\.16\.5:80: ports below 1024 need a privilege\. Either run "sysctl/,
  )
})
