import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as f from '../../../../../src/proxy/l7/http2/frames.ts'
import { answering, ok, startBackend, startProxy } from '../engine-fixture.ts'
import { data, type Fields, fields, GET, headers, openFrames, POST } from './http2-fixture.ts'

interface Refused {
  readonly name: string
  readonly given: Fields
  readonly want: string
}

const without = (base: Fields, ...names: readonly string[]): Fields => base.filter(([name]) => !names.includes(name))
const after = (base: Fields, ...more: Fields): Fields => [...base, ...more]

/**
 * Requests that would become another request, or two, in HTTP/1.1: all classes of HTTP/2 downgrade attacks, one or more
 * rows each. RFC 9113 §8.2, §8.3, §10.3.
 */
const REFUSED: readonly Refused[] = [
  // H2.TE
  { name: 'H2.TE: transfer-encoding', given: after(GET, ['transfer-encoding', 'chunked']), want: 'connection-header' },
  {
    name: 'H2.TE: with an underscore',
    given: after(GET, ['transfer_encoding', 'chunked']),
    want: 'ambiguous-header-name',
  },
  { name: 'H2.TE: in a value', given: after(GET, ['x', 'a\r\ntransfer-encoding: chunked']), want: 'bad-header-value' },
  { name: 'H2.TE: in a name', given: after(GET, ['x: a\r\ntransfer-encoding', 'chunked']), want: 'bad-header-name' },
  {
    name: 'H2.TE: with a tab before the colon',
    given: after(GET, ['transfer-encoding\t', 'chunked']),
    want: 'bad-header-name',
  },
  // H2.CL
  { name: 'H2.CL: a length without a body', given: after(GET, ['content-length', '5']), want: 'body-length-mismatch' },
  {
    name: 'H2.CL: two lengths',
    given: after(POST, ['content-length', '0'], ['content-length', '0']),
    want: 'duplicate-content-length',
  },
  { name: 'H2.CL: a list', given: after(POST, ['content-length', '0, 0']), want: 'bad-content-length' },
  { name: 'H2.CL: a sign', given: after(POST, ['content-length', '+0']), want: 'bad-content-length' },
  { name: 'H2.CL: an underscore', given: after(POST, ['content_length', '5']), want: 'ambiguous-header-name' },
  // Injection
  { name: 'CRLF in a value', given: after(GET, ['x', 'a\r\nx-evil: b']), want: 'bad-header-value' },
  { name: 'LF in a value', given: after(GET, ['x', 'a\nx-evil: b']), want: 'bad-header-value' },
  { name: 'CR in a value', given: after(GET, ['x', 'a\rb']), want: 'bad-header-value' },
  { name: 'NUL in a value', given: after(GET, ['x', 'a\0b']), want: 'bad-header-value' },
  { name: 'space before a value', given: after(GET, ['x', ' a']), want: 'bad-header-value' },
  { name: 'space after a value', given: after(GET, ['x', 'a\t']), want: 'bad-header-value' },
  {
    name: 'a whole request in a value',
    given: after(GET, ['x', 'a\r\n\r\nGET /evil HTTP/1.1\r\nHost: a']),
    want: 'bad-header-value',
  },
  { name: 'a colon in a name', given: after(GET, ['x:y', 'a']), want: 'bad-header-name' },
  { name: 'a space in a name', given: after(GET, ['x y', 'a']), want: 'bad-header-name' },
  { name: 'CRLF in a name', given: after(GET, ['x\r\ny', 'a']), want: 'bad-header-name' },
  { name: 'upper case in a name', given: after(GET, ['X-A', 'a']), want: 'bad-header-name' },
  { name: 'an empty name', given: after(GET, ['', 'a']), want: 'bad-header-name' },
  // :method
  {
    name: 'a method with a space',
    given: fields(GET, [':method', 'GET /evil HTTP/1.1\r\nX: ']),
    want: 'bad-header-value',
  },
  { name: 'a method with a path', given: fields(GET, [':method', 'GET /evil']), want: 'bad-pseudo-header' },
  { name: 'an empty method', given: fields(GET, [':method', '']), want: 'bad-pseudo-header' },
  { name: 'no method', given: without(GET, ':method'), want: 'bad-pseudo-header' },
  // :path
  { name: 'a path with a version', given: fields(GET, [':path', '/ HTTP/1.1']), want: 'bad-target' },
  { name: 'a path with CRLF', given: fields(GET, [':path', '/ HTTP/1.1\r\nx: y']), want: 'bad-header-value' },
  { name: 'a path with a space', given: fields(GET, [':path', '/a b']), want: 'bad-target' },
  { name: 'a path with a fragment', given: fields(GET, [':path', '/a#b']), want: 'bad-target' },
  { name: 'a path with bytes above ASCII', given: fields(GET, [':path', '/\xe4']), want: 'bad-target' },
  { name: 'an absolute target', given: fields(GET, [':path', 'http://evil/']), want: 'bad-target' },
  { name: 'an authority for a path', given: fields(GET, [':path', '@evil/']), want: 'bad-target' },
  { name: 'an empty path', given: fields(GET, [':path', '']), want: 'bad-pseudo-header' },
  { name: 'no path', given: without(GET, ':path'), want: 'bad-pseudo-header' },
  { name: '* without OPTIONS', given: fields(GET, [':path', '*']), want: 'bad-target' },
  // :scheme
  { name: 'no scheme', given: without(GET, ':scheme'), want: 'bad-pseudo-header' },
  { name: 'a scheme with an authority', given: fields(GET, [':scheme', 'http://evil/?']), want: 'bad-pseudo-header' },
  // :authority and Host
  { name: 'two hosts that differ', given: after(GET, ['host', 'b']), want: 'host-mismatch' },
  {
    name: 'two Host fields',
    given: after(without(GET, ':authority'), ['host', 'a'], ['host', 'a']),
    want: 'duplicate-host',
  },
  { name: 'no host at all', given: without(GET, ':authority'), want: 'missing-host' },
  { name: 'an authority with a user', given: fields(GET, [':authority', 'user@a']), want: 'bad-host' },
  { name: 'an authority with a path', given: fields(GET, [':authority', 'a/b']), want: 'bad-host' },
  { name: 'an authority with a list', given: fields(GET, [':authority', 'a,b']), want: 'bad-host' },
  { name: 'an authority with CRLF', given: fields(GET, [':authority', 'a\r\nx: y']), want: 'bad-header-value' },
  // Pseudo-fields
  { name: 'a pseudo-field twice', given: [...GET, [':path', '/b']], want: 'bad-pseudo-header' },
  { name: 'a pseudo-field after a field', given: [GET[0]!, ['x', 'y'], ...GET.slice(1)], want: 'bad-pseudo-header' },
  { name: 'a pseudo-field of responses', given: fields(GET, [':status', '200']), want: 'bad-pseudo-header' },
  { name: 'an unknown pseudo-field', given: [[':evil', 'x'], ...GET], want: 'bad-header-name' },
  { name: ':protocol without CONNECT', given: fields(GET, [':protocol', 'websocket']), want: 'bad-pseudo-header' },
  // Fields of a connection
  { name: 'connection', given: after(GET, ['connection', 'x-forwarded-for']), want: 'connection-header' },
  { name: 'keep-alive', given: after(GET, ['keep-alive', 'timeout=5']), want: 'connection-header' },
  { name: 'proxy-connection', given: after(GET, ['proxy-connection', 'close']), want: 'connection-header' },
  { name: 'upgrade', given: after(GET, ['upgrade', 'websocket']), want: 'connection-header' },
  { name: 'te of anything but trailers', given: after(GET, ['te', 'trailers, deflate']), want: 'connection-header' },
  // The same rules as for HTTP/1.1
  {
    name: 'CONNECT',
    given: [
      [':method', 'CONNECT'],
      [':authority', 'evil:25'],
    ],
    want: 'method-not-allowed',
  },
  { name: 'TRACE', given: fields(GET, [':method', 'TRACE']), want: 'method-not-allowed' },
  { name: 'an expectation nobody knows', given: after(GET, ['expect', '200-ok']), want: 'expectation-failed' },
  {
    name: 'a loop',
    given: after(GET, ...Array.from({ length: 8 }, () => ['via', '2.0 wherry'] as const)),
    want: 'loop-detected',
  },
  {
    name: 'a target that is too long',
    given: fields(GET, [':path', `/${'x'.repeat(9_000)}`]),
    want: 'target-too-long',
  },
  { name: 'fields that are too large', given: after(GET, ['x', 'y'.repeat(16_250)]), want: 'head-too-large' },
  {
    name: 'too many fields',
    given: after(GET, ...Array.from({ length: 100 }, (_, i) => [`x${i}`, ''] as const)),
    want: 'head-too-large',
  },
]

for (const { name, given, want } of REFUSED) {
  test(`refused: ${name}`, async (t) => {
    let reached = ''
    const backend = await startBackend(t, (peer) => {
      peer.socket.on('data', (bytes) => {
        reached += bytes.toString('latin1')
      })
    })
    const { proxy } = await startProxy(t, [backend])
    const peer = await openFrames(t, proxy.port)
    peer.send(headers(1, given))
    assert.equal((await peer.head(1))['x-wherry-error'], want)
    // And the connection goes on.
    await peer.frame('end or reset', ({ type, streamId }) => {
      return streamId === 1 && (type === f.RST_STREAM || type === f.DATA)
    })
    assert.equal(reached, '')
    assert.equal(proxy.engine.upstreams[0]!.metrics.inFlight, 0)
  })
}

interface Passed {
  readonly name: string
  readonly given: Fields
  readonly body?: readonly string[]
  /** The request as an HTTP/1.1 endpoint gets it, without what the proxy says of the client. */
  readonly want: string
}

const PASSED: readonly Passed[] = [
  { name: 'a plain request', given: GET, want: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' },
  {
    name: 'Host in place of the authority',
    given: after(without(GET, ':authority'), ['host', 'b:80']),
    want: 'GET / HTTP/1.1\r\nhost: b:80\r\n\r\n',
  },
  {
    name: 'Host beside the same authority',
    given: after(GET, ['host', 'A']),
    want: 'GET / HTTP/1.1\r\nhost: A\r\n\r\n',
  },
  {
    name: 'cookies in pieces',
    given: after(GET, ['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['cookie', 'c=3']),
    want: 'GET / HTTP/1.1\r\nHost: a\r\nx: y\r\ncookie: a=1; b=2; c=3\r\n\r\n',
  },
  {
    name: 'te: trailers goes no further',
    given: after(GET, ['te', 'trailers']),
    want: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  },
  {
    name: 'OPTIONS *',
    given: fields(GET, [':method', 'OPTIONS'], [':path', '*']),
    want: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  },
  {
    name: 'a body without a length becomes chunks',
    given: POST,
    body: ['hello', '!'],
    want: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n',
  },
  {
    name: 'a body with a length keeps it',
    given: after(POST, ['content-length', '6']),
    body: ['hello', '!'],
    want: 'POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 6\r\n\r\nhello!',
  },
  { name: 'POST without a body says so', given: POST, want: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n' },
  {
    name: 'what a client says of proxies is replaced',
    given: after(GET, ['x-forwarded-for', '6.6.6.6'], ['forwarded', 'for=6.6.6.6']),
    want: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  },
]

const OURS = /^(?:X-Forwarded-(?:For|Proto|Host)|Via|X-Request-Id): .*\r\n/gm

for (const { name, given, body = [], want } of PASSED) {
  test(`passed on: ${name}`, async (t) => {
    const backend = await startBackend(t)
    const { proxy } = await startProxy(t, [backend])
    const peer = await openFrames(t, proxy.port)
    const isLast = body.length === 0
    peer.send(headers(1, given, isLast), ...body.map((part, i) => data(1, part, i === body.length - 1)))
    const upstream = await backend.peer(0)
    const end = body.length === 0 ? /\r\n\r\n$/ : /!$|0\r\n\r\n$/
    const text = await upstream.until(end)
    assert.equal(text.replace(OURS, ''), want)
    assert.match(text, /^Via: 2\.0 wherry\r$/m)
    assert.match(text, /^X-Forwarded-For: 127\.0\.0\.1\r$/m)
    upstream.send(ok('done'))
    assert.equal((await peer.head(1))[':status'], '200')
    await peer.ended(1)
    assert.equal(peer.body(1), 'done')
  })
}

test('responses lose what is not known in HTTP/2 and keep the rest', async (t) => {
  const backend = await startBackend(
    t,
    answering((target) => {
      if (target === '/chunks') {
        return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n'
      }
      if (target === '/none') return 'HTTP/1.1 204 No Content\r\n\r\n'
      return ok(
        'hello',
        'Connection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Yours: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n',
      )
    }),
  )
  const { proxy } = await startProxy(t, [backend])
  const peer = await openFrames(t, proxy.port)
  peer.send(
    headers(1, GET),
    headers(3, fields(GET, [':path', '/chunks'])),
    headers(5, fields(GET, [':path', '/none'])),
    headers(7, fields(GET, [':method', 'HEAD'])),
  )
  for (const id of [1, 3, 5]) await peer.ended(id)
  const head = await peer.head(1)
  assert.deepEqual(Object.keys(head).sort(), [':status', 'content-length', 'set-cookie', 'via', 'x-yours'])
  assert.equal(peer.body(3), 'abc')
  assert.deepEqual(await peer.head(3, 1), { 'x-sum': '6' })
  assert.equal((await peer.head(5))[':status'], '204')
  assert.equal((await peer.head(7))['content-length'], '5')
})
