import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ContainerProber } from '../../../src/agent/probes/container-prober.ts'
import { grpcProbe } from '../../../src/agent/probes/grpc-probe.ts'
import { httpProbe } from '../../../src/agent/probes/http-probe.ts'
import { ProbeTargets, probePort } from '../../../src/agent/probes/probe-target.ts'
import { tcpProbe } from '../../../src/agent/probes/tcp-probe.ts'
import type { Container } from '../../../src/api/types/core-v1.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

async function httpTarget(t: TestContext, listener: RequestListener): Promise<Parameters<typeof httpProbe>[0]> {
  const port = await listen(t, createServer(listener))
  return { scheme: 'http', host: '127.0.0.1', port, path: '/', headers: [], timeoutMs: 300 }
}

test('HTTP: 200 to 399 is success, and what was asked is what was meant', async (t) => {
  const seen: string[] = []
  const target = await httpTarget(t, (request, response) => {
    seen.push(`${request.url} ${request.headers['user-agent']} ${request.headers['x-a']} ${request.headers.host}`)
    response.statusCode = Number(new URL(request.url ?? '', 'http://x').searchParams.get('s') ?? 200)
    response.end('body')
  })
  const headers = [
    { name: 'X-A', value: '1' },
    { name: 'Host', value: 'example.com' },
  ]
  for (const [status, ok] of [
    [200, true],
    [204, true],
    [304, true],
    [399, true],
    [400, false],
    [404, false],
    [500, false],
  ] as const) {
    const result = await httpProbe({ ...target, path: `/p?s=${status}`, headers })
    assert.equal(result.ok, ok, String(status))
    if (!ok) assert.equal(result.output, `HTTP probe failed with statuscode: ${status}`)
  }
  assert.equal(seen[0], '/p?s=200 kube-probe/1.36 1 example.com')
})

test('HTTP: redirects are followed on the same host only', async (t) => {
  let elsewhere = 0
  const other = await httpTarget(t, (_, response) => {
    elsewhere += 1
    response.end()
  })
  const target = await httpTarget(t, (request, response) => {
    if (request.url === '/here') response.writeHead(302, { location: '/bad' })
    else if (request.url === '/loop') response.writeHead(302, { location: '/loop' })
    else if (request.url === '/away') response.writeHead(302, { location: `http://127.0.0.2:${other.port}/` })
    else response.statusCode = 500
    response.end()
  })
  assert.match((await httpProbe({ ...target, path: '/here' })).output, /statuscode: 500/)
  assert.match((await httpProbe({ ...target, path: '/loop' })).output, /stopped after 10 redirects/)
  assert.equal((await httpProbe({ ...target, path: '/away' })).ok, true)
  assert.equal(elsewhere, 0)
})

test('HTTP: no answer in time, no listener, no HTTP', async (t) => {
  const silent = await httpTarget(t, () => {})
  assert.match((await httpProbe({ ...silent, timeoutMs: 50 })).output, /context deadline exceeded/)
  const dripping = await httpTarget(t, (_, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('x'), 10)
    response.on('close', () => clearInterval(timer))
  })
  assert.equal((await httpProbe({ ...dripping, timeoutMs: 100 })).ok, false)
  const port = await listen(
    t,
    createTcpServer((socket) => socket.on('error', () => {}).end('nonsense\r\n\r\n')),
  )
  assert.equal((await httpProbe({ ...silent, port })).ok, false)
  const closed = createTcpServer()
  const free = await listen(t, closed)
  await new Promise((resolve) => closed.close(resolve))
  assert.equal(
    (await httpProbe({ ...silent, port: free })).output,
    `Get "http://127.0.0.1:${free}/": dial tcp 127.0.0.1:${free}: connect: connection refused`,
  )
  assert.equal(
    (await tcpProbe('127.0.0.1', free, 300)).output,
    `dial tcp 127.0.0.1:${free}: connect: connection refused`,
  )
  assert.equal((await tcpProbe('127.0.0.1', port, 300)).ok, true)
})

test('gRPC: the health service decides', async (t) => {
  const answer = (service: string): { body: Buffer; status: string } => {
    if (service === 'none') return { body: Buffer.alloc(0), status: '12' }
    return { body: Buffer.from([0, 0, 0, 0, 2, 8, service === 'down' ? 2 : 1]), status: '0' }
  }
  const server = createHttp2Server()
  server.on('stream', (stream) => {
    const parts: Buffer[] = []
    stream.on('data', (chunk: Buffer) => parts.push(chunk))
    stream.on('end', () => {
      const { body, status } = answer(Buffer.concat(parts).subarray(7).toString())
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
      stream.end(body)
    })
  })
  const port = await listen(t, server)
  assert.equal((await grpcProbe('127.0.0.1', port, '', 500)).ok, true)
  assert.equal((await grpcProbe('127.0.0.1', port, 'up', 500)).ok, true)
  assert.match(
    (await grpcProbe('127.0.0.1', port, 'down', 500)).output,
    /service unhealthy \(responded with "NOT_SERVING"\)/,
  )
  assert.match((await grpcProbe('127.0.0.1', port, 'none', 500)).output, /does not implement the grpc health protocol/)
  const silent = await listen(
    t,
    createTcpServer(() => {}),
  )
  assert.match((await grpcProbe('127.0.0.1', silent, '', 100)).output, /failed to connect service .* within 0.1s/)
})

// Section 2.2 of the attack list, rows 3 and 4: a probe must not become a way to other machines.
test('probes go to the pod, the cluster’s range and loopback, and nowhere else', () => {
  const targets = new ProbeTargets('127.70.0.0/16')
  for (const host of [undefined, '', '127.70.129.4', '127.70.16.1', 'localhost', '127.0.0.1', '::1'])
    assert.doesNotThrow(() => targets.host(host, '127.70.129.4'), host)
  for (const host of [
    '127.71.0.1',
    '169.254.169.254',
    '10.0.0.1',
    '0.0.0.0',
    '::ffff:127.0.0.1',
    'example.com',
    '127.1',
    '2130706433',
  ])
    assert.throws(() => targets.host(host, '127.70.129.4'), /is not allowed here/, host)
  const container: Container = { name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }
  assert.equal(probePort('http', container), 8080)
  assert.equal(probePort('81', container), 81)
  assert.throws(() => probePort('grpc', container), /couldn't find port/)
})

interface Probing {
  readonly clock: VirtualClock
  readonly prober: ContainerProber
  readonly runs: number[]
  readonly unhealthy: string[]
  result: boolean
}

function probing(container: Partial<Container>, adopted?: { started: boolean; ready: boolean }): Probing {
  const clock = new VirtualClock()
  const began = clock.now()
  const state: { result: boolean } = { result: false }
  const runs: number[] = []
  const unhealthy: string[] = []
  const prober = new ContainerProber({
    container: { name: 'c', ...container },
    attempt: 0,
    startedAtMs: began,
    ...(adopted === undefined ? {} : { adopted }),
    clock,
    random: () => 0,
    async run() {
      runs.push(clock.now() - began)
      return { ok: state.result, output: 'no' }
    },
    onResult() {},
    onChange() {},
    onUnhealthy: (kind) => unhealthy.push(kind),
  })
  return Object.assign(state, { clock, prober, runs, unhealthy })
}

test('readiness is looked for at once and often, and only regular runs count as failures', async () => {
  const p = probing({ readinessProbe: { periodSeconds: 10 } })
  await p.clock.advance(500)
  assert.ok(p.runs.length >= 5 && p.runs[0] === 0, String(p.runs))
  assert.deepEqual([p.prober.summary().ready, p.unhealthy.length], [false, 0])
  p.result = true
  await p.clock.advance(500)
  assert.equal(p.prober.summary().ready, true)
  const before = p.runs.length
  await p.clock.advance(30_000)
  assert.equal(p.runs.length - before, 3, 'then once a period')
  p.result = false
  await p.clock.advance(20_000)
  assert.equal(p.prober.summary().ready, true, 'two failures of three')
  await p.clock.advance(10_000)
  assert.equal(p.prober.summary().ready, false)
  assert.equal(p.unhealthy.length, 3)
})

test('the initial delay is kept', async () => {
  const p = probing({ readinessProbe: { initialDelaySeconds: 5, periodSeconds: 1 } })
  await p.clock.advance(4_999)
  assert.deepEqual(p.runs, [])
  await p.clock.advance(1)
  assert.deepEqual(p.runs, [5_000])
})

test('a startup probe holds the others back and has all its failures before it gives up', async () => {
  const container = { startupProbe: { periodSeconds: 1, failureThreshold: 3 }, livenessProbe: {}, readinessProbe: {} }
  const p = probing(container)
  await p.clock.advance(2_999)
  assert.equal(p.prober.summary().failed, undefined)
  await p.clock.advance(1)
  assert.deepEqual(p.prober.summary().failed, { probe: 'startup' })
  const q = probing(container)
  q.result = true
  await q.clock.advance(1)
  const { started, ready } = q.prober.summary()
  assert.deepEqual([started, ready], [true, true])
})

test('liveness gives up once, with the grace of the probe', async () => {
  const p = probing({ livenessProbe: { periodSeconds: 2, failureThreshold: 2, terminationGracePeriodSeconds: 7 } })
  await p.clock.advance(60_000)
  assert.deepEqual(p.prober.summary().failed, { probe: 'liveness', graceMs: 7_000 })
  assert.deepEqual(p.runs, [0, 2_000])
})

test('an adopted container stays ready until a probe says otherwise', async () => {
  const p = probing(
    { startupProbe: {}, readinessProbe: { periodSeconds: 1, failureThreshold: 1 } },
    { started: true, ready: true },
  )
  assert.deepEqual([p.prober.summary().started, p.prober.summary().ready], [true, true])
  await p.clock.advance(1_500)
  assert.equal(p.prober.summary().ready, false)
})

test('while a pod ends, only its readiness is still told', async () => {
  const p = probing({ livenessProbe: { periodSeconds: 1 }, readinessProbe: { periodSeconds: 1 } })
  p.prober.keepReadinessOnly()
  await p.clock.advance(10_000)
  assert.equal(p.prober.summary().failed, undefined)
  assert.ok(p.runs.length > 0)
  p.prober.close()
  const before = p.runs.length
  await p.clock.advance(10_000)
  assert.equal(p.runs.length, before)
})
