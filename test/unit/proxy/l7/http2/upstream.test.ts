import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import * as f from '../../../../../src/proxy/l7/http2/frames.ts'
import type { RequestRecord } from '../../../../../src/proxy/l7/observe/request-observer.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { deadPort, get, post, startProxy } from '../engine-fixture.ts'
import { block, data, FramePeer, fields, frame, GET, headers, openFrames, uint32 } from './http2-fixture.ts'

type OnStream = (stream: ServerHttp2Stream, head: Record<string, string | string[] | undefined>) => void

interface Endpoint {
  readonly port: number
  readonly server: Http2Server
  sessions: number
}

async function startEndpoint(t: TestContext, onStream: OnStream): Promise<Endpoint> {
  const server = createServer({ settings: { maxConcurrentStreams: 50 } })
  const endpoint = { port: 0, server, sessions: 0 }
  const open = new Set<{ destroy(): void }>()
  server.on('session', (session) => {
    endpoint.sessions++
    open.add(session)
  })
  server.on('stream', (stream, head) => {
    stream.on('error', () => {})
    onStream(stream, head as Record<string, string>)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  endpoint.port = (server.address() as AddressInfo).port
  t.after(() => {
    server.close()
    for (const session of open) session.destroy()
  })
  return endpoint
}

/** Says what it was asked. */
const echo: OnStream = (stream, head) => {
  let body = ''
  stream.on('data', (part) => {
    body += part
  })
  stream.on('end', () => {
    stream.respond({
      ':status': 200,
      'x-method': String(head[':method']),
      'x-path': String(head[':path']),
      'x-authority': String(head[':authority']),
    })
    stream.end(body)
  })
}

function client(t: TestContext, port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  t.after(() => session.destroy())
  return session
}

interface Answer {
  readonly head: Record<string, unknown>
  readonly body: string
  readonly trailers: Record<string, unknown>
}

async function ask(session: ClientHttp2Session, head: Record<string, string>, body = ''): Promise<Answer> {
  const stream = session.request(head)
  let answer: Record<string, unknown> = {}
  let trailers: Record<string, unknown> = {}
  let text = ''
  stream.on('response', (fields) => {
    answer = fields
  })
  stream.on('trailers', (fields) => {
    trailers = fields
  })
  stream.on('data', (part) => {
    text += part
  })
  if (head[':method'] === 'POST') stream.end(body)
  await once(stream, 'close')
  return { head: answer, body: text, trailers }
}

test('an HTTP/1.1 client is served by an endpoint that speaks HTTP/2', async (t) => {
  const endpoint = await startEndpoint(t, echo)
  const { client: open } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const peer = await open()
  peer.send(get('/x?y=1'))
  const answer = await peer.until(/\r\n\r\n0\r\n\r\n$/)
  assert.match(answer, /^HTTP\/1\.1 200 \r\n/)
  assert.match(answer, /x-method: GET\r\nx-path: \/x\?y=1\r\nx-authority: a\r\n/)
  peer.send(post('hello'))
  assert.match(await peer.until(/hello\r\n0\r\n\r\n$/), /x-method: POST/)
  peer.send(post('5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n', 'Transfer-Encoding: chunked\r\n'))
  await peer.until(/6\r\nhello!\r\n0\r\n\r\n$/)
  peer.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  await peer.until(/\r\n\r\n$/)
  assert.equal(endpoint.sessions, 1)
})

test('an HTTP/1.0 client gets no chunks', async (t) => {
  const endpoint = await startEndpoint(t, echo)
  const { client: open } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const peer = await open()
  peer.send('POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
  assert.match(await peer.ended(), /\r\n\r\nhello$/)
})

test('many requests at once share a connection, and none gets the answer of another', async (t) => {
  const endpoint = await startEndpoint(t, echo)
  const { proxy } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const session = client(t, proxy.port)
  await Promise.all(
    Array.from({ length: 400 }, async (_, i) => {
      const { head, body } = await ask(session, { ':method': 'POST', ':path': `/${i}` }, `body ${i}`)
      assert.equal(head['x-path'], `/${i}`)
      assert.equal(body, `body ${i}`)
    }),
  )
  assert.ok(endpoint.sessions <= 4, `${endpoint.sessions} connections for 128 streams of at most 50 each`)
  await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
})

test('trailers go both ways, also when the client speaks HTTP/1.1', async (t) => {
  let asked: Record<string, unknown> = {}
  const endpoint = await startEndpoint(t, (stream) => {
    stream.on('trailers', (fields) => {
      asked = fields
    })
    stream.resume()
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
      stream.end('body')
    })
  })
  const { proxy, client: open } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const stream = client(t, proxy.port).request({ ':method': 'POST' }, { waitForTrailers: true } as object)
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-asked': 'yes' }))
  stream.end('x')
  stream.resume()
  const [trailers] = await once(stream, 'trailers')
  assert.equal(trailers['x-sum'], '42')
  assert.equal(asked['x-asked'], 'yes')
  const peer = await open()
  peer.send(post('1\r\nx\r\n0\r\nX-Asked: again\r\n\r\n', 'Transfer-Encoding: chunked\r\n'))
  await peer.until(/4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n$/)
  assert.equal(asked['x-asked'], 'again')
})

for (const [name, asks] of [
  ['HTTP/1.1', false],
  ['HTTP/2', true],
] as const) {
  test(`large bodies go both ways with a client of ${name}, and who reads slowly stops who sends`, async (t) => {
    const size = 32 << 20
    const part = Buffer.alloc(64 * 1024, 'z')
    let received = 0
    let sent = 0
    const endpoint = await startEndpoint(t, (stream) => {
      stream.on('data', (bytes: Buffer) => {
        received += bytes.length
      })
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        const more = (): void => {
          sent += part.length
          if (sent < size) stream.write(part, more)
          else stream.end()
        }
        stream.write(part, more)
      })
    })
    /** The endpoint has stopped sending before it was through. */
    const stopped = async (): Promise<void> => {
      let before = -1
      await eventually(() => {
        const isStill = sent === before && sent > 0
        before = sent
        return isStill ? true : undefined
      })
      assert.ok(sent < size, `${sent} bytes were taken while nobody read`)
    }
    const { proxy, client: open } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
    let got = 0
    if (asks) {
      const stream = client(t, proxy.port).request({ ':method': 'POST' })
      stream.end(Buffer.alloc(size, 'x'))
      await once(stream, 'response')
      await stopped()
      stream.on('data', (bytes: Buffer) => {
        got += bytes.length
      })
      await once(stream, 'end')
    } else {
      const peer = await open()
      peer.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
      peer.socket.write(Buffer.alloc(size, 'x'))
      peer.socket.once('data', () => peer.socket.pause())
      await eventually(() => (sent > 0 ? true : undefined), 15_000)
      await stopped()
      peer.socket.resume()
      await eventually(() => (peer.text.endsWith('\r\n0\r\n\r\n') ? true : undefined))
      got = peer.text.split('z').length - 1
    }
    assert.equal(received, size)
    assert.equal(got, size)
  })
}

test('clients that read nothing hold up nobody else on the connection that they share', async (t) => {
  const endpoint = await startEndpoint(t, (stream, head) => {
    stream.respond({ ':status': 200 })
    stream.end(head[':path'] === '/big' ? Buffer.alloc(400_000, 'b') : 'small')
  })
  const { proxy } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const noWindow = Buffer.concat([Buffer.from([0, f.INITIAL_WINDOW_SIZE]), uint32(0)])
  const idle = await openFrames(t, proxy.port, noWindow)
  for (let id = 1; id <= 31; id += 2) idle.send(headers(id, fields(GET, [':path', '/big'])))
  for (let id = 1; id <= 31; id += 2) assert.equal((await idle.head(id))[':status'], '200')
  const session = client(t, proxy.port)
  for (let i = 0; i < 20; i++) assert.equal((await ask(session, { ':path': '/small' })).body, 'small')
  assert.equal(endpoint.sessions, 1)
  assert.equal(idle.body(1), '')
})

test('a stream that the endpoint refuses is sent to another one, whatever its method', async (t) => {
  let refused = 0
  const busy = await startEndpoint(t, (stream) => {
    refused++
    stream.close(f.REFUSED_STREAM)
  })
  const free = await startEndpoint(t, echo)
  const { proxy } = await startProxy(t, [busy.port, free.port], {}, { protocol: 'h2c', algorithm: 'round-robin' })
  const session = client(t, proxy.port)
  for (let i = 0; i < 6; i++) {
    const { head, body } = await ask(session, { ':method': 'POST' }, 'once')
    assert.equal(head[':status'], 200)
    assert.equal(body, 'once')
  }
  assert.ok(refused > 0)
})

test('a connection that goes away takes no new requests, and those it did not look at go elsewhere', async (t) => {
  const servers: FramePeer[] = []
  const server = createTcpServer((socket) => {
    const peer = new FramePeer(socket, true)
    servers.push(peer)
    peer.send(frame(f.SETTINGS, 0, 0))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const { socket } of servers) socket.destroy()
  })
  const { proxy } = await startProxy(t, [(server.address() as AddressInfo).port], {}, { protocol: 'h2c' })
  const session = client(t, proxy.port)
  const first = ask(session, { ':method': 'POST', ':path': '/1' }, 'a')
  const second = ask(session, { ':method': 'POST', ':path': '/2' }, 'b')
  const old = await eventually(() => servers[0], 10_000, 'a connection')
  await old.ended(3)
  old.send(frame(f.GOAWAY, 0, 0, Buffer.concat([uint32(1), uint32(0)])))
  const next = await eventually(() => servers[1], 10_000, 'another connection')
  await next.ended(1)
  assert.equal((await next.head(1))[':path'], '/2')
  assert.equal(next.body(1), 'b')
  next.send(headers(1, [[':status', '200']], false), data(1, 'second', true))
  old.send(headers(1, [[':status', '200']], false), data(1, 'first', true))
  assert.equal((await first).body, 'first')
  assert.equal((await second).body, 'second')
  await old.goneAway()
  await old.closed()
})

interface Broken {
  readonly name: string
  readonly given: (id: number) => readonly Uint8Array[]
  readonly want: number
  readonly code: string
}

const status = (value: string, ...more: (readonly [string, string])[]): (readonly [string, string])[] => [
  [':status', value],
  ...more,
]

/** What an endpoint may not say. Each gets the client a 502 and never a part of what was said. */
const BROKEN: readonly Broken[] = [
  { name: 'no status', given: (id) => [headers(id, [['x', 'y']])], want: 502, code: 'bad-response' },
  { name: 'a status that is none', given: (id) => [headers(id, status('20x'))], want: 502, code: 'bad-response' },
  { name: 'a status of 101', given: (id) => [headers(id, status('101'), false)], want: 502, code: 'bad-response' },
  {
    name: 'an interim response as the last word',
    given: (id) => [headers(id, status('103'))],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'a pseudo-field of requests',
    given: (id) => [headers(id, status('200', [':path', '/']))],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'a connection field',
    given: (id) => [headers(id, status('200', ['connection', 'close']))],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'transfer-encoding',
    given: (id) => [headers(id, status('200', ['transfer-encoding', 'chunked']))],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'a name in upper case',
    given: (id) => [headers(id, status('200', ['X-A', 'b']))],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'a line break in a value',
    given: (id) => [headers(id, status('200', ['x', 'a\r\nSet-Cookie: b']))],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'two lengths',
    given: (id) => [headers(id, status('200', ['content-length', '1'], ['content-length', '2']), false)],
    want: 502,
    code: 'bad-response',
  },
  {
    name: 'a length and no body',
    given: (id) => [headers(id, status('200', ['content-length', '1']))],
    want: 502,
    code: 'bad-response',
  },
  { name: 'a body without a head', given: (id) => [data(id, 'x')], want: 502, code: 'bad-response' },
  {
    name: 'a flood of interim responses',
    given: (id) => Array.from({ length: 17 }, () => headers(id, status('103'), false)),
    want: 502,
    code: 'bad-response',
  },
  { name: 'a reset', given: (id) => [frame(f.RST_STREAM, 0, id, uint32(2))], want: 502, code: 'stream-reset' },
  {
    name: 'a header block that cannot be read',
    given: (id) => [frame(f.HEADERS, 5, id, Buffer.from([0xff, 0xff, 0xff]))],
    want: 502,
    code: 'upstream-closed',
  },
  {
    name: 'a pushed response',
    given: (id) => [frame(f.PUSH_PROMISE, 4, id, Buffer.concat([uint32(2), block(status('200'))]))],
    want: 502,
    code: 'upstream-closed',
  },
]

for (const { name, given, want, code } of BROKEN) {
  test(`an endpoint that says ${name} gets the client a ${want}`, async (t) => {
    const sockets: FramePeer[] = []
    const server = createTcpServer((socket) => {
      const peer = new FramePeer(socket, true)
      sockets.push(peer)
      peer.send(frame(f.SETTINGS, 0, 0))
      void peer.ended(1).then(
        () => peer.send(...given(1)),
        () => {},
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      for (const { socket } of sockets) socket.destroy()
    })
    const { proxy, client: open } = await startProxy(
      t,
      [(server.address() as AddressInfo).port],
      {},
      { protocol: 'h2c', retry: { triesMax: 1 } },
    )
    const peer = await open()
    peer.send(post('x'))
    const answer = await peer.until(new RegExp(`${code}\\n$`))
    assert.match(answer, new RegExp(`^(?:HTTP/1.1 103 \\r\\n\\r\\n)*HTTP/1.1 ${want} `))
    assert.doesNotMatch(answer, /Set-Cookie/)
    await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
  })
}

test('a body that is not as long as it was said to be breaks the response off', async (t) => {
  for (const body of ['four', 'sixsix']) {
    const sockets: FramePeer[] = []
    const server = createTcpServer((socket) => {
      const peer = new FramePeer(socket, true)
      sockets.push(peer)
      peer.send(frame(f.SETTINGS, 0, 0))
      void peer.ended(1).then(
        () => peer.send(headers(1, status('200', ['content-length', '5']), false), data(1, body, true)),
        () => {},
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      for (const { socket } of sockets) socket.destroy()
    })
    const { client: open } = await startProxy(t, [(server.address() as AddressInfo).port], {}, { protocol: 'h2c' })
    const peer = await open()
    peer.send(get())
    await peer.closed()
    assert.equal(peer.isEnded, false)
    assert.doesNotMatch(peer.text, /sixsix/)
  }
})

test('trailers of an endpoint that could be taken for headers do not go on, others do', async (t) => {
  const sockets: FramePeer[] = []
  const server = createTcpServer((socket) => {
    const peer = new FramePeer(socket, true)
    sockets.push(peer)
    peer.send(frame(f.SETTINGS, 0, 0))
    void peer.ended(1).then(
      () =>
        peer.send(
          headers(1, status('200'), false),
          data(1, 'body'),
          headers(1, [
            ['x-a', '1'],
            ['content-length', '5'],
            ['set-cookie', 'a=b'],
            ['grpc-status', '0'],
          ]),
        ),
      () => {},
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const { socket } of sockets) socket.destroy()
  })
  const { client: open } = await startProxy(t, [(server.address() as AddressInfo).port], {}, { protocol: 'h2c' })
  const peer = await open()
  peer.send(get())
  assert.match(await peer.until(/\r\n0\r\n[\s\S]*\r\n\r\n$/), /\r\n4\r\nbody\r\n0\r\nx-a: 1\r\ngrpc-status: 0\r\n\r\n$/)
})

test('an endpoint that cannot be reached, or says nothing, is answered for', async (t) => {
  const silent = createTcpServer((socket) => socket.on('error', () => {}).resume())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const dead = await startProxy(t, [await deadPort()], {}, { protocol: 'h2c' })
  const answer = await ask(client(t, dead.proxy.port), { ':method': 'POST' }, 'x')
  assert.equal(answer.head[':status'], 503)
  assert.equal(answer.head['x-wherry-error'], 'connect-failed')
  const { proxy } = await startProxy(
    t,
    [(silent.address() as AddressInfo).port],
    {},
    { protocol: 'h2c', timeouts: { responseMs: 300 } },
  )
  const late = await ask(client(t, proxy.port), {})
  assert.equal(late.head[':status'], 504)
  assert.equal(late.head['x-wherry-error'], 'response-timeout')
})

test('a client that leaves has its stream reset at the endpoint, and nothing else', async (t) => {
  let codes: number[] = []
  const endpoint = await startEndpoint(t, (stream, head) => {
    if (head[':path'] === '/quick') return echo(stream, head)
    stream.respond({ ':status': 200 })
    stream.write('begun')
    stream.on('close', () => {
      codes = [...codes, stream.rstCode]
    })
  })
  const { proxy, client: open } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const session = client(t, proxy.port)
  const stream = session.request({ ':path': '/slow' })
  await once(stream, 'data')
  stream.close(f.CANCEL)
  await eventually(() => (codes.length === 1 ? true : undefined))
  const peer = await open()
  peer.send(get('/slow'))
  await peer.until(/begun/)
  peer.socket.resetAndDestroy()
  await eventually(() => (codes.length === 2 ? true : undefined))
  assert.deepEqual(codes, [f.CANCEL, f.CANCEL])
  assert.equal((await ask(session, { ':path': '/quick' })).head[':status'], 200)
  assert.equal(endpoint.sessions, 1)
  await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
})

test('an answer of 503 is tried again elsewhere where the policy says so', async (t) => {
  let busy = 0
  const full = await startEndpoint(t, (stream) => {
    busy++
    stream.respond({ ':status': 503 }, { endStream: true })
  })
  const free = await startEndpoint(t, echo)
  const { proxy } = await startProxy(
    t,
    [full.port, free.port],
    {},
    { protocol: 'h2c', algorithm: 'round-robin', retry: { triesMax: 3, statuses: [503] } },
  )
  const session = client(t, proxy.port)
  for (let i = 0; i < 6; i++) assert.equal((await ask(session, { ':path': `/${i}` })).head[':status'], 200)
  assert.ok(busy > 0)
  assert.ok(proxy.engine.upstreams[0]!.metrics.retries > 0)
})

test('what follows a refused upgrade is not taken for a request', async (t) => {
  const asked: unknown[] = []
  const endpoint = await startEndpoint(t, (stream, head) => {
    asked.push(head[':path'])
    stream.respond({ ':status': 200 }, { endStream: true })
  })
  const { client: open } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const peer = await open()
  peer.send(get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n') + get('/smuggled'))
  const text = await peer.ended()
  assert.match(text, /^HTTP\/1\.1 501 /)
  assert.match(text, /\r\nConnection: close\r\n/)
  assert.deepEqual(asked, [])
})

test('requests over HTTP/2 are told of as others are', async (t) => {
  const endpoint = await startEndpoint(t, echo)
  const { proxy } = await startProxy(t, [endpoint.port], {}, { protocol: 'h2c' })
  const records: RequestRecord[] = []
  proxy.engine.context.observer = { ended: (record) => records.push(record) }
  const session = client(t, proxy.port)
  await ask(session, { ':method': 'POST', ':path': '/told?a=b' }, 'body')
  await eventually(() => (records.length === 1 ? true : undefined))
  const { client: address, method, target, status: code, service, tries, error, bytesOut } = records[0]!
  assert.deepEqual(
    { address, method, target, code, service, tries, error },
    { address: '127.0.0.1', method: 'POST', target: '/told?a=b', code: 200, service: 'default', tries: 1, error: '' },
  )
  assert.ok(bytesOut > 4)
})

test('what does not go together is refused when it is set up', async (t) => {
  await assert.rejects(startProxy(t, [1], {}, { protocol: 'h2' }), /needs tls/)
  await assert.rejects(startProxy(t, [1], {}, { protocol: 'h2c', tls: {} }), /without tls/)
  await assert.rejects(startProxy(t, [1], {}, { protocol: 'h2c', proxyProtocol: 'v2' }), /one client only/)
})
