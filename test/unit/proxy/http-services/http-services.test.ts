import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { parseCidr } from '../../../../src/base/ipv4.ts'
import { REFUSED } from '../../../../src/proxy/l4/service-port.ts'
import type { Listener } from '../../../../src/proxy/table/routing-table.ts'
import { IP, listenerOf, POD, readAll, startLab, until } from '../proxy-fixture.ts'
import { askMany, httpListener, OPTIONS, startClient, startPod } from './http-fixture.ts'

const NODE_1 = '127.127.0.1'
const RESET = { code: 'ECONNRESET' }

test('requests of one kept connection are spread over the endpoints', async (t) => {
  const lab = await startLab(t)
  const pods = await Promise.all(['a', 'b', 'c'].map((name, i) => startPod(t, name, POD(i + 1))))
  await lab.go([
    httpListener(
      lab.port,
      pods.map(({ endpoint }) => endpoint),
    ),
  ])
  const client = startClient(t, { port: lab.port })
  assert.deepEqual(await askMany(client, 9), { a: 3, b: 3, c: 3 })
  assert.equal(client.connections, 1)
})

test('an endpoint that leaves gets nothing more, what is under way there ends well, and is counted until then', async (t) => {
  const lab = await startLab(t)
  let held: ServerResponse | undefined
  const slow = await startPod(t, 'slow', POD(1), (_request, response) => {
    held = response
  })
  const fast = await startPod(t, 'fast', POD(2))
  await lab.go([httpListener(lab.port, [slow.endpoint])])
  const waiting = startClient(t, { port: lab.port }).ask()
  await until(() => held !== undefined, 'the request')
  await lab.go([httpListener(lab.port, [fast.endpoint])], [POD(1)])
  assert.equal(lab.dataplane.active(POD(1)), 1)
  assert.deepEqual(await askMany(startClient(t, { port: lab.port }), 5), { fast: 5 })
  held!.end('late')
  assert.equal((await waiting).body, 'late')
  assert.equal(lab.dataplane.active(POD(1)), 0)
  await until(() => slow.sockets.every((socket) => socket.destroyed), 'the end of its connections')
  assert.equal(slow.requests, 1)
})

test('an endpoint that stays keeps its connections when others come and go', async (t) => {
  const lab = await startLab(t)
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name, i) => startPod(t, name, POD(i + 1))))
  const client = startClient(t, { port: lab.port })
  await lab.go([httpListener(lab.port, [a!.endpoint, b!.endpoint])])
  await askMany(client, 4)
  await lab.go([httpListener(lab.port, [a!.endpoint, c!.endpoint])], [POD(2)])
  await askMany(client, 4)
  await lab.go([httpListener(lab.port, [b!.endpoint, a!.endpoint])])
  await askMany(client, 4)
  assert.equal(a!.sockets.length, 1)
  assert.equal(client.connections, 1)
})

test('a request whose endpoint does not accept it goes to another one, also one that changes something', async (t) => {
  const lab = await startLab(t)
  const alive = await startPod(t, 'alive', POD(1))
  await lab.go([httpListener(lab.port, [await lab.nobody(POD(2)), alive.endpoint])])
  const client = startClient(t, { port: lab.port })
  for (const method of ['GET', 'POST', 'GET', 'POST']) {
    const { status, body } = await client.ask('/', { method, ...(method === 'POST' ? { body: 'x' } : {}) })
    assert.deepEqual([status, body], [200, 'alive'])
  }
})

test('with a Local policy clients of a node reach its endpoints alone, and those of none reach all', async (t) => {
  const lab = await startLab(t)
  const [one, two] = await Promise.all([startPod(t, 'one', POD(1)), startPod(t, 'two', POD(1, 2))])
  const here = [one.endpoint]
  const there = [two.endpoint]
  const both = [...here, ...there]
  const local = (endpointsByNode: Listener['endpointsByNode']): Listener =>
    httpListener(lab.port, both, { endpointsByNode })
  const byNode = new Map([
    ['test-1', here],
    ['test-2', there],
  ])
  await lab.go([local(byNode)])
  const pod = startClient(t, { port: lab.port, localAddress: POD(9) })
  assert.deepEqual(await askMany(pod, 4), { one: 4 })
  assert.deepEqual(await askMany(startClient(t, { port: lab.port, localAddress: POD(9, 2) }), 4), { two: 4 })
  assert.deepEqual(await askMany(startClient(t, { port: lab.port }), 4), { one: 2, two: 2 })
  // The policy changes while a connection is kept.
  await lab.go([local(undefined)])
  assert.deepEqual(await askMany(pod, 4), { one: 2, two: 2 })
  await lab.go([local(new Map([...byNode, ['test-1', []]]))])
  await assert.rejects(startClient(t, { port: lab.port, localAddress: POD(9) }).ask(), RESET)
  assert.equal(lab.counts()[REFUSED], 1)
  const { status, headers } = await pod.ask()
  assert.deepEqual([status, headers['x-wherry-error']], [503, 'no-endpoint'])
  await lab.go([local(byNode)])
  assert.deepEqual(await askMany(pod, 2), { one: 2 })
  assert.equal(pod.connections, 1)
})

test('each node port of a Local policy leads to the endpoints of its node, the ClusterIP to all', async (t) => {
  const lab = await startLab(t)
  const [one, two] = await Promise.all([startPod(t, 'one', POD(1)), startPod(t, 'two', POD(1, 2))])
  const nodePort = (address: string, localTo: string, endpoint: Listener['endpoints'][number]): Listener =>
    httpListener(lab.port, [endpoint], { address, localTo, keepSource: true, kind: 'NodePort' })
  await lab.go([
    httpListener(lab.port, [one.endpoint, two.endpoint]),
    nodePort(NODE_1, 'test-1', one.endpoint),
    nodePort('127.127.0.2', 'test-2', two.endpoint),
  ])
  assert.deepEqual(await askMany(startClient(t, { port: lab.port, host: NODE_1 }), 4), { one: 4 })
  assert.deepEqual(await askMany(startClient(t, { port: lab.port, host: '127.127.0.2' }), 4), { two: 4 })
  assert.deepEqual(await askMany(startClient(t, { port: lab.port }), 4), { one: 2, two: 2 })
})

test('clients outside the source ranges are reset', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'pod')
  await lab.go([httpListener(lab.port, [pod.endpoint], { sourceRanges: [parseCidr('127.127.129.0/24')] })])
  await assert.rejects(startClient(t, { port: lab.port }).ask(), RESET)
  assert.equal((await startClient(t, { port: lab.port, localAddress: POD(7) }).ask()).body, 'pod')
})

test('with sessionAffinity ClientIP a client stays with its endpoint while that can be chosen', async (t) => {
  const lab = await startLab(t)
  const pods = await Promise.all(['a', 'b', 'c', 'd'].map((name, i) => startPod(t, name, POD(i + 1))))
  const table = (names: string): readonly Listener[] => [
    httpListener(
      lab.port,
      pods.filter(({ name }) => names.includes(name)).map(({ endpoint }) => endpoint),
      { affinityMs: 60_000 },
    ),
  ]
  await lab.go(table('ab'))
  const seats = new Map<string, string>()
  for (let i = 20; i < 28; i++) {
    const client = startClient(t, { port: lab.port, localAddress: POD(i) })
    const [seat, ...others] = Object.keys(await askMany(client, 3))
    assert.deepEqual(others, [], `client ${i} went elsewhere, too`)
    seats.set(POD(i), seat!)
  }
  assert.deepEqual(new Set(seats.values()), new Set(['a', 'b']))
  // More endpoints move nobody; one that leaves moves its own clients.
  await lab.go(table('abcd'))
  for (const [localAddress, seat] of seats)
    assert.equal((await startClient(t, { port: lab.port, localAddress }).ask()).body, seat)
  await lab.go(table('acd'), [POD(2)])
  for (const [localAddress, seat] of seats) {
    const { body } = await startClient(t, { port: lab.port, localAddress }).ask()
    assert.ok(seat === 'a' ? body === 'a' : body !== 'b', `${seat} became ${body}`)
  }
})

test('sessions stick by a cookie, whose token holds for every proxy and after a restart', async (t) => {
  const [first, second] = [await startLab(t), await startLab(t)]
  const pods = await Promise.all(['a', 'b', 'c'].map((name, i) => startPod(t, name, POD(i + 1))))
  const http = { ...OPTIONS, sticky: { by: 'cookie', name: 'seat' } } as const
  for (const lab of [first, second])
    await lab.go([
      httpListener(
        lab.port,
        pods.map(({ endpoint }) => endpoint),
        { http },
      ),
    ])
  const { body, headers } = await startClient(t, { port: first.port }).ask()
  const [cookie] = headers['set-cookie']![0]!.split(';')
  for (const { port } of [first, second]) {
    const client = startClient(t, { port })
    for (let i = 0; i < 4; i++) assert.equal((await client.ask('/', { headers: { cookie: cookie! } })).body, body)
  }
})

test('a port may become HTTP and bytes again; connections go on as they began, or are closed between two requests', async (t) => {
  const lab = await startLab(t)
  const [a, b] = await Promise.all([startPod(t, 'a', POD(1)), startPod(t, 'b', POD(2))])
  const endpoints = [a.endpoint, b.endpoint]
  await lab.go([listenerOf(lab.port, endpoints)])
  const relayed = startClient(t, { port: lab.port })
  assert.equal(Object.keys(await askMany(relayed, 4)).length, 1)
  await lab.go([httpListener(lab.port, endpoints)])
  const served = startClient(t, { port: lab.port })
  assert.deepEqual(await askMany(served, 4), { a: 2, b: 2 })
  assert.equal(Object.keys(await askMany(relayed, 4)).length, 1)
  assert.equal(relayed.connections, 1)
  await lab.go([listenerOf(lab.port, endpoints)])
  await until(() => lab.dataplane.http!.connections === 0, 'the end of idle connections')
  assert.equal(Object.keys(await askMany(served, 4)).length, 1)
  assert.equal(served.connections, 2)
})

test('a Service that is gone answers what it was asked, then closes', async (t) => {
  const lab = await startLab(t)
  let held: ServerResponse | undefined
  const pod = await startPod(t, 'pod', POD(1), (_request, response) => {
    held = response
  })
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const busy = startClient(t, { port: lab.port })
  const waiting = busy.ask()
  const idle = await lab.dial()
  await until(() => held !== undefined, 'the request')
  const ended = once(idle, 'end')
  idle.resume()
  await lab.go([])
  await ended
  await assert.rejects(startClient(t, { port: lab.port }).ask(), { code: 'ECONNREFUSED' })
  held!.end('last')
  const { body, headers } = await waiting
  assert.deepEqual([body, headers.connection], ['last', 'close'])
  await until(() => lab.dataplane.http!.connections === 0, 'the end of the connection')
})

test('without endpoints nothing listens; kept connections are answered 503 and go on when there are some again', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'pod')
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const kept = startClient(t, { port: lab.port })
  assert.equal((await kept.ask()).body, 'pod')
  await lab.go([httpListener(lab.port, [])])
  await assert.rejects(startClient(t, { port: lab.port }).ask(), { code: 'ECONNREFUSED' })
  assert.equal((await kept.ask()).status, 503)
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  assert.equal((await kept.ask()).body, 'pod')
  assert.equal(kept.connections, 1)
})

test('an endpoint that is a port of the proxy itself gets no request, as long as it is one', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'pod')
  const program = await startPod(t, 'program of the host', NODE_1)
  const circle = listenerOf(program.endpoint.port, [pod.endpoint], { address: NODE_1, kind: 'NodePort' })
  const http = httpListener(lab.port, [pod.endpoint, program.endpoint])
  await lab.go([http, circle])
  const client = startClient(t, { port: lab.port })
  assert.deepEqual(await askMany(client, 4), { pod: 4 })
  await lab.go([http])
  assert.deepEqual(await askMany(client, 4), { pod: 2, 'program of the host': 2 })
  await lab.go([http, circle])
  assert.deepEqual(await askMany(client, 4), { pod: 4 })
})

test('beyond the limit connections are reset, and there is room again when some have ended', async (t) => {
  const lab = await startLab(t, { connectionsMax: 3 })
  const pod = await startPod(t, 'pod')
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const sockets = await Promise.all([lab.dial(), lab.dial(), lab.dial()])
  await until(() => lab.dataplane.http!.connections === 3, 'three connections')
  await assert.rejects(readAll(connect(lab.port, IP)), RESET)
  assert.equal(lab.dataplane.connections.shed, 1)
  for (const socket of sockets) socket.destroy()
  await until(() => lab.dataplane.http!.connections === 0, 'their end')
  assert.equal((await startClient(t, { port: lab.port }).ask()).body, 'pod')
})

test('other settings hold from the next request on, on kept connections too, and counts go on', async (t) => {
  const lab = await startLab(t)
  const slow = await startPod(t, 'slow', POD(1), () => {})
  const fast = await startPod(t, 'fast', POD(2))
  await lab.go([httpListener(lab.port, [fast.endpoint])])
  const client = startClient(t, { port: lab.port })
  await client.ask()
  const { metrics } = lab.dataplane.http!.service('shop/cart:http')!
  await lab.go([httpListener(lab.port, [slow.endpoint], { http: { ...OPTIONS, requestMs: 100 } })], [POD(2)])
  const { status, headers } = await client.ask()
  assert.deepEqual([status, headers['x-wherry-error']], [504, 'overall-timeout'])
  const after = lab.dataplane.http!.service('shop/cart:http')!
  assert.equal(after.metrics, metrics)
  assert.deepEqual(
    [...metrics.allSeries()].map(({ endpoint }) => after.pod(endpoint)),
    ['fast', 'slow'],
  )
})

test('a client that asks for a tunnel gets one, and it is counted as no request', async (t) => {
  const lab = await startLab(t)
  const pod = await lab.backend((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      socket.on('data', (data) => socket.write(data))
    })
  })
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const client = await lab.dial()
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  let text = ''
  client.on('data', (data) => {
    text += String(data)
  })
  await until(() => text.startsWith('HTTP/1.1 101'), 'the upgrade')
  client.write('ping')
  await until(() => text.endsWith('ping'), 'the echo')
  await lab.go([httpListener(lab.port, [await lab.nobody(POD(2))])], [POD(1)])
  assert.equal(lab.dataplane.active(POD(1)), 0)
  client.write('pong')
  await until(() => text.endsWith('pong'), 'the echo')
})

test('an answer that the Service says may be tried again is, and a try that takes too long is given up for another', async (t) => {
  const lab = await startLab(t)
  const busy = await startPod(t, 'busy', POD(1), (_request, response) => response.writeHead(503).end('busy'))
  const good = await startPod(t, 'good', POD(2))
  const slow = await startPod(t, 'slow', POD(3), () => {})
  const client = startClient(t, { port: lab.port })
  const statuses = async (count: number): Promise<readonly number[]> => {
    const found = new Set<number>()
    for (let i = 0; i < count; i++) found.add((await client.ask()).status)
    return [...found].sort()
  }
  const both = [busy.endpoint, good.endpoint]
  await lab.go([httpListener(lab.port, both)])
  assert.deepEqual(await statuses(4), [200, 503])
  await lab.go([httpListener(lab.port, both, { http: { ...OPTIONS, retryStatuses: [503] } })])
  assert.deepEqual(await statuses(4), [200])
  const http = { ...OPTIONS, perTryMs: 100, requestMs: 5_000 }
  await lab.go([httpListener(lab.port, [slow.endpoint, good.endpoint], { http })])
  assert.deepEqual(await statuses(3), [200])
  assert.ok(slow.requests > 0)
})

test('clients may speak HTTP/2 on one connection, whose requests are spread, too', async (t) => {
  const lab = await startLab(t)
  const pods = await Promise.all(['a', 'b'].map((name, i) => startPod(t, name, POD(i + 1))))
  await lab.go([
    httpListener(
      lab.port,
      pods.map(({ endpoint }) => endpoint),
    ),
  ])
  const session = connectHttp2(`http://${IP}:${lab.port}`)
  t.after(() => session.destroy())
  const found: string[] = []
  for (let i = 0; i < 4; i++) {
    let body = ''
    for await (const chunk of session.request({ ':path': '/' })) body += String(chunk)
    found.push(body)
  }
  assert.deepEqual(found.sort(), ['a', 'a', 'b', 'b'])
  assert.equal(lab.dataplane.http!.connections, 1)
  const closed = once(session, 'close')
  await lab.go([])
  await closed
  await until(() => lab.dataplane.http!.connections === 0, 'the end of the connection')
})

test('endpoints of an h2c port are spoken to in HTTP/2, whatever their clients speak', async (t) => {
  const lab = await startLab(t)
  const pods = await Promise.all(
    ['a', 'b'].map(async (name, i) => {
      const server = createHttp2Server((request, response) => void response.end(`${name} ${request.httpVersion}`))
      server.listen(0, POD(i + 1))
      await once(server, 'listening')
      t.after(() => server.close())
      return { address: POD(i + 1), port: (server.address() as AddressInfo).port, nodeName: undefined, pod: name }
    }),
  )
  await lab.go([httpListener(lab.port, pods, { http: { ...OPTIONS, protocol: 'h2c' } })])
  assert.deepEqual(await askMany(startClient(t, { port: lab.port }), 4), { 'a 2.0': 2, 'b 2.0': 2 })
  const session = connectHttp2(`http://${IP}:${lab.port}`)
  t.after(() => session.destroy())
  let body = ''
  for await (const chunk of session.request({ ':path': '/' })) body += String(chunk)
  assert.match(body, /^[ab] 2\.0$/)
  await lab.go([])
  await until(() => session.destroyed, 'the end of the session')
})

test('what a pod says of the client it asks for goes on; what others say of themselves is replaced', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'pod', POD(1), (request, response) =>
    response.end(`${request.headers['x-forwarded-for']} ${request.headers['x-forwarded-proto']}`),
  )
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const headers = { 'x-forwarded-for': '10.1.2.3', 'x-forwarded-proto': 'https' }
  const ask = async (localAddress?: string): Promise<string> =>
    (
      await startClient(t, { port: lab.port, ...(localAddress === undefined ? {} : { localAddress }) }).ask('/', {
        headers,
      })
    ).body
  assert.equal(await ask(POD(7)), `10.1.2.3, ${POD(7)} https`)
  assert.match(await ask(), /^127\.[0-9.]+ http$/)
})

test('who looks sees each request that ends, and nothing is made of requests when nobody does', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'pod')
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const { http } = lab.dataplane
  const client = startClient(t, { port: lab.port })
  const [first, second]: readonly [string[], string[]] = [[], []]
  const ends = [first, second].map((lines) => http!.tap((text) => void lines.push(text)))
  await client.ask('/seen?by=all')
  await until(() => first.length > 0 && second.length > 0, 'a line for both')
  const { target, status, service, endpoint } = JSON.parse(first.join('')) as Readonly<Record<string, unknown>>
  assert.deepEqual(
    [target, status, service, endpoint],
    ['/seen?by=all', 200, 'shop/cart:http', `${pod.endpoint.address}:${pod.endpoint.port}`],
  )
  ends[0]!()
  await client.ask('/second')
  await until(() => second.join('').includes('/second'), 'a line for who still looks')
  assert.ok(!first.join('').includes('/second'))
  ends[1]!()
  assert.equal(http!.engine.context.observer, undefined)
})
