import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, get, ok, post, startBackend, startProxy } from './engine-fixture.ts'

const VIA = 'Via: 1.1 wherry\r\n'
const END = /THE-END/

/** What the endpoint says, and what the client is to be told; both end in `THE-END` or by closing. */
const RESPONSES: readonly {
  readonly name: string
  readonly given: string
  readonly want: string
  readonly method?: string
}[] = [
  {
    name: 'by length',
    given: 'HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 7\r\n\r\nTHE-END',
    want: `HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 7\r\n${VIA}\r\nTHE-END`,
  },
  {
    name: 'by chunks with extensions and trailers',
    given: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: THE-END\r\n\r\n',
    want: `HTTP/1.1 200 OK\r\n${VIA}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: THE-END\r\n\r\n`,
  },
  { name: 'no content', given: 'HTTP/1.1 204 THE-END\r\n\r\n', want: `HTTP/1.1 204 THE-END\r\n${VIA}\r\n` },
  {
    name: 'not modified, with the length of what it is not sending',
    given: 'HTTP/1.1 304 THE-END\r\nContent-Length: 1000\r\n\r\n',
    want: `HTTP/1.1 304 THE-END\r\nContent-Length: 1000\r\n${VIA}\r\n`,
  },
  {
    name: 'to HEAD',
    method: 'HEAD',
    given: 'HTTP/1.1 200 THE-END\r\nContent-Length: 1000\r\n\r\n',
    want: `HTTP/1.1 200 THE-END\r\nContent-Length: 1000\r\n${VIA}\r\n`,
  },
  {
    name: 'interim ones first',
    given: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nTHE-END',
    want: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n${VIA}\r\nTHE-END`,
  },
]

for (const { name, given, want, method = 'GET' } of RESPONSES) {
  test(`a response reaches the client as it is: ${name}`, async (t) => {
    for (const pieces of [[given], [...given]]) {
      const backend = await startBackend(t)
      const { client } = await startProxy(t, [backend])
      const peer = await client()
      for (let round = 0; round < 2; round++) {
        peer.send(`${method} /x HTTP/1.1\r\nHost: a\r\n\r\n`)
        const upstream = await backend.peer(0)
        await upstream.until(/\r\n\r\n$/)
        for (const piece of pieces) upstream.send(piece)
        await peer.until(new RegExp(`^${want.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}$`), want)
      }
      assert.equal(backend.peers.length, 1, 'the connection was used again')
    }
  })
}

test('a response that ends with its connection ends the client’s too', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(get())
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  upstream.send('HTTP/1.1 200 OK\r\n\r\nsome text')
  upstream.socket.end()
  assert.equal(await peer.ended(), `HTTP/1.1 200 OK\r\n${VIA}Connection: close\r\n\r\nsome text`)
  assert.equal(peer.error, undefined)
})

test('an HTTP/1.0 client gets what is in the chunks, up to the end of the connection', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n4\r\ndefg\r\n0\r\nX: y\r\n\r\n'
  for (const pieces of [[chunked], [...chunked]]) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    peer.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    const upstream = await backend.peer(0)
    await upstream.until(/^GET \/ HTTP\/1\.1\r\nHost: \r\n/)
    for (const piece of pieces) upstream.send(piece)
    assert.equal(await peer.ended(), `HTTP/1.1 200 OK\r\n${VIA}Connection: close\r\n\r\nabcdefg`)
  }
})

test('an HTTP/1.0 client that asks for it keeps its connection', async (t) => {
  const backend = await startBackend(
    t,
    answering((target) => ok(target)),
  )
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  for (const target of ['/1', '/2']) {
    peer.send(`GET ${target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
    assert.match(await peer.until(new RegExp(`${target}$`)), /Connection: keep-alive\r\n/)
  }
  peer.send('GET /3 HTTP/1.0\r\n\r\n')
  assert.match(await peer.ended(), /Connection: close\r\n[\s\S]*\/3$/)
})

test('requests that a client sends at once are answered in their order, bodies and all', async (t) => {
  const backend = await startBackend(t, (peer) => {
    peer.socket.on('data', () => {
      const match = /^(GET|POST) (\S+) [\s\S]*?\r\n\r\n(?:hello)?/.exec(peer.text)
      if (match === null || (match[1] === 'POST' && !match[0].endsWith('hello'))) return
      peer.text = peer.text.slice(match[0].length)
      peer.send(ok(match[2]!))
    })
  })
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  const all = Array.from({ length: 20 }, (_, i) => (i % 3 === 1 ? post('hello').replace('/p', `/${i}`) : get(`/${i}`)))
  peer.send(`${all.join('')}${get('/THE-END')}`)
  const text = await peer.until(END)
  assert.deepEqual(
    [...text.matchAll(/\r\n\r\n\/(\d+|THE-END)/g)].map(([, n]) => n),
    [...all.map((_, i) => `${i}`), 'THE-END'],
  )
})

test('a client that has ended its side still gets its answer', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.socket.end(get())
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  upstream.send(ok('late'))
  assert.match(await peer.ended(), /late$/)
})

test('100-continue: the client sends its body when the endpoint says so', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(post('', 'Expect: 100-continue\r\nContent-Length: 5\r\n'))
  const upstream = await backend.peer(0)
  assert.match(await upstream.until(/\r\n\r\n$/), /Expect: 100-continue\r\n/)
  upstream.send('HTTP/1.1 100 Continue\r\n\r\n')
  await peer.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  peer.send('hello')
  await upstream.until(/^hello$/)
  upstream.send(ok('done'))
  await peer.until(/done$/)
})

test('an answer before the body ends both connections: neither may be taken for the start of a request', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(post('', 'Expect: 100-continue\r\nContent-Length: 60\r\n'))
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  upstream.send('HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno')
  assert.match(await peer.ended(), /^HTTP\/1\.1 401 No\r\n[\s\S]*Connection: close\r\n[\s\S]*no$/)
  peer.send(get('/smuggled'))
  await upstream.ended()
  assert.equal(upstream.text, '')
  assert.equal(backend.peers.length, 1)
})

test('bytes that nobody asked for are never taken for the answer to the next request', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(get('/1'))
  const first = await backend.peer(0)
  await first.until(/\r\n\r\n$/)
  first.send(`${ok('one')}${ok('poison')}`)
  await peer.until(/one$/)
  await first.ended()
  peer.send(get('/2'))
  const second = await backend.peer(1)
  await second.until(/\/2/)
  second.send(ok('two'))
  assert.doesNotMatch(await peer.until(/two$/), /poison/)
})

test('a request with a body that servers often pass over goes on a connection of its own', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  const smuggled = get('/smuggled')
  peer.send(`GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`)
  const first = await backend.peer(0)
  assert.match(await first.until(/smuggled/), /Connection: close\r\n/)
  // This server takes the body for another request.
  first.send(`${ok('one')}${ok('smuggled answer')}`)
  await peer.until(/one$/)
  peer.send(get('/2'))
  const second = await backend.peer(1)
  await second.until(/\/2/)
  second.send(ok('two'))
  assert.doesNotMatch(await peer.until(/two$/), /smuggled/)
})

test('refused requests are answered and their connection ends, with nothing sent on', async (t) => {
  const backend = await startBackend(t)
  const { client, proxy } = await startProxy(t, [backend], { bodyBytesMax: 10 })
  for (const [request, status, code] of [
    [get('/', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'), 400, 'length-and-encoding'],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 405, 'method-not-allowed'],
    [get('/', 'Via: 1.1 wherry\r\n'.repeat(8)), 508, 'loop-detected'],
    [post('', 'Content-Length: 11\r\n'), 413, 'body-too-large'],
    [get('/', `X: ${'a'.repeat(20_000)}\r\n`), 431, 'head-too-large'],
  ] as const) {
    const peer = await client()
    peer.send(`${request}${get('/next')}`)
    const text = await peer.ended()
    assert.match(
      text,
      new RegExp(`^HTTP/1\\.1 ${status} [^]*x-wherry-error: ${code}\r\n[^]*Connection: close\r\n[^]*${code}\n$`),
    )
  }
  assert.equal(backend.peers.length, 0)
  assert.equal(proxy.engine.errors.get('loop-detected'), 1)
})

test('a chunked body is cut off where it goes wrong or becomes too long, and so is its request', async (t) => {
  for (const [rest, code] of [
    ['0x5\r\n', 'bad-chunk-size'],
    [`5\r\n${'a'.repeat(5)}\r\n6\r\n${'b'.repeat(6)}\r\n0\r\n\r\n`, 'body-too-large'],
  ] as const) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend], { bodyBytesMax: 20 })
    const peer = await client()
    peer.send(post('', 'Transfer-Encoding: chunked\r\n'))
    const upstream = await backend.peer(0)
    await upstream.until(/\r\n\r\n$/)
    peer.send(rest)
    assert.match(await peer.ended(), new RegExp(`x-wherry-error: ${code}\r\n`))
    await upstream.ended()
  }
})

test('a bad response is not passed on', async (t) => {
  for (const bad of [
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx',
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17),
  ]) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    peer.send(get())
    const upstream = await backend.peer(0)
    await upstream.until(/\r\n\r\n$/)
    upstream.send(bad)
    assert.match(await peer.until(/bad-response\n$/), /HTTP\/1\.1 502 Bad Gateway\r\n/)
    await upstream.ended()
  }
})

test('a response that breaks off looks broken to the client', async (t) => {
  for (const part of [
    'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nX',
  ]) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    peer.send(get())
    const upstream = await backend.peer(0)
    await upstream.until(/\r\n\r\n$/)
    upstream.send(part.endsWith('X') ? part.slice(0, -1) : part)
    await peer.until(/half/)
    if (part.endsWith('X')) upstream.send('garbage')
    else upstream.socket.end()
    await peer.closed()
    assert.equal(peer.error?.code, 'ECONNRESET')
  }
})
