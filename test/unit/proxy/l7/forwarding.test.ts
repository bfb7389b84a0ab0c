import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type AfterRequest,
  CLOSES,
  DEFAULT_FORWARD_SETTINGS,
  type ForwardSettings,
  PERSISTS,
  RequestForwarder,
  UPGRADES,
} from '../../../../src/proxy/l7/http1/forward-request.ts'
import {
  type ConnectionWord,
  ResponseForwarder,
  SAYS_CLOSE,
  SAYS_KEEP_ALIVE,
  SAYS_NOTHING,
} from '../../../../src/proxy/l7/http1/forward-response.ts'
import { DEFAULT_HEAD_LIMITS } from '../../../../src/proxy/l7/http1/head-limits.ts'
import { RandomHex } from '../../../../src/proxy/l7/http1/random-hex.ts'
import { refusalName } from '../../../../src/proxy/l7/http1/refusal.ts'
import { RequestHead } from '../../../../src/proxy/l7/http1/request-head.ts'
import { ResponseHead } from '../../../../src/proxy/l7/http1/response-head.ts'
import { readRequests } from './read-all.ts'

const SEED = Int32Array.of(1, 2, 3, 4)

function forward(given: string, changes: Partial<ForwardSettings> = {}, after: AfterRequest = PERSISTS): string[] {
  const settings = { ...DEFAULT_FORWARD_SETTINGS, createsRequestId: false, ...changes }
  const head = new RequestHead(DEFAULT_HEAD_LIMITS)
  const bytes = Buffer.from(given, 'latin1')
  assert.equal(head.scan(bytes, 0, bytes.length), bytes.length, refusalName(head.refusal))
  const forwarder = new RequestForwarder(settings, new RandomHex(SEED))
  const refusal = forwarder.check(head, bytes)
  if (refusal !== 0) return [refusalName(refusal)]
  const client = forwarder.clientBlock('192.0.2.7', 'http')
  const out = new Uint8Array(10 + forwarder.bytesMax(head, client))
  const end = forwarder.write(head, bytes, client, after, out, 10)
  const text = Buffer.from(out.subarray(10, end)).toString('latin1')
  assert.ok(text.endsWith('\r\n\r\n'))
  assert.equal(readRequests(text).messages.length + (text.includes('chunked') ? 1 : 0), 1, 'it can be read again')
  return text.slice(0, -4).split('\r\n')
}

const OURS = ['X-Forwarded-Host: a', 'X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http', 'Via: 1.1 wherry']

test('hop-by-hop headers go no further, nor those that Connection names', () => {
  const given =
    'GET /x?y HTTP/1.1\r\nAccept: */*\r\nHost: a\r\nConnection: keep-alive, X-Secret, x-other\r\nKeep-Alive: timeout=5\r\n' +
    'TE: trailers\r\nX-Secret: 1\r\nX-Kept: 2\r\nx-OTHER: 3\r\nProxy-Connection: x\r\nProxy: http://evil\r\n' +
    'Proxy-Authorization: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-Last: 4\r\n\r\n'
  assert.deepEqual(forward(given), ['GET /x?y HTTP/1.1', 'Accept: */*', 'Host: a', 'X-Kept: 2', 'X-Last: 4', ...OURS])
})

test('what a client says of proxies before us is replaced, under every spelling', () => {
  const given =
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n' +
    'x-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\r\n'
  assert.deepEqual(forward(given), ['GET / HTTP/1.1', 'Host: a', ...OURS])
})

test('a proxy that is trusted is added to, in one header', () => {
  const given =
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\nX-Forwarded-Proto: https\r\n\r\n'
  assert.deepEqual(forward(given, { trustsForwarded: true }), [
    'GET / HTTP/1.1',
    'Host: a',
    'X-Forwarded-Proto: https',
    'X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7',
    'X-Forwarded-Host: a',
    'Via: 1.1 wherry',
  ])
})

test('Forwarded is an option', () => {
  const lines = forward('GET / HTTP/1.1\r\nHost: a:80\r\n\r\n', { writesForwarded: true })
  assert.ok(lines.includes('Forwarded: for=192.0.2.7;proto=http;host="a:80"'), lines.join('\n'))
})

test('an absolute target becomes origin form, and its authority the Host', () => {
  assert.deepEqual(forward('GET HTTP://b:81/x HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n').slice(0, 4), [
    'GET /x HTTP/1.1',
    'Host: b:81',
    'A: 1',
    'X-Forwarded-Host: b:81',
  ])
  assert.equal(forward('GET http://b HTTP/1.1\r\nHost: a\r\n\r\n')[0], 'GET / HTTP/1.1')
  assert.equal(forward('OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n')[0], 'OPTIONS * HTTP/1.1')
})

test('HTTP/1.0 without a host is sent on as HTTP/1.1 with an empty one', () => {
  assert.deepEqual(forward('GET / HTTP/1.0\r\n\r\n').slice(0, 2), ['GET / HTTP/1.1', 'Host: '])
})

test('an encoding is said once and plainly, after the headers', () => {
  const lines = forward('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \t CHUNKED\r\n\r\n')
  assert.deepEqual(
    lines.filter((line) => /encoding/i.test(line)),
    ['Transfer-Encoding: chunked'],
  )
})

test('an expectation goes on only with a body that is to come', () => {
  const has = (lines: readonly string[]): boolean => lines.some((line) => line.startsWith('Expect'))
  assert.equal(has(forward('GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n')), false)
  const bytes = 'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n'
  assert.equal(has(forward(bytes)), false)
})

test('closing and upgrading are said to the next hop', () => {
  const given = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  assert.deepEqual(forward(given, {}, UPGRADES).slice(-2), ['Connection: Upgrade', 'Upgrade: websocket'])
  assert.equal(forward(given, {}, CLOSES).at(-1), 'Connection: close')
  assert.equal(forward(given).at(-1), 'Via: 1.1 wherry')
})

test('a request that has come round too often is refused; a few times are not a loop', () => {
  const via = (n: number): string =>
    `GET / HTTP/1.1\r\nHost: a\r\n${'Via: 1.0 other, HTTP/1.1 Wherry (x)\r\n'.repeat(n)}\r\n`
  assert.equal(forward(via(7))[0], 'GET / HTTP/1.1')
  assert.deepEqual(forward(via(8)), ['loop-detected'])
})

test('a request id passes through when it is usable, else there is a new one', () => {
  const ids = (headers: string): string[] =>
    forward(`GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`, { createsRequestId: true })
      .filter((line) => /^x.request.id/i.test(line))
      .map((line) => line.replace(/[0-9a-f]{32}/, 'NEW'))
  assert.deepEqual(ids('x-request-id: abc\r\n'), ['x-request-id: abc'])
  for (const bad of [
    '',
    'x-request-id:\r\n',
    'x-request-id: a b\r\n',
    'X_Request_Id: a\r\n',
    `x-request-id: ${'a'.repeat(129)}\r\n`,
  ])
    assert.deepEqual(ids(bad), ['X-Request-Id: NEW'], bad)
  assert.deepEqual(ids('x-request-id: a\r\nx-request-id: b\r\n'), ['X-Request-Id: NEW'])
})

test('a valid trace passes through; an invalid one is dropped with its state, and a new one begins where asked for', () => {
  const trace = (headers: string, createsTraceparent: boolean): string[] =>
    forward(`GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`, { createsTraceparent })
      .filter((line) => line.startsWith('trace'))
      .map((line) => line.replace(/00-[0-9a-f]{32}-[0-9a-f]{16}-00/, 'NEW'))
  const id = '4bf92f3577b34da6a3ce929d0e0e4736'
  const good = `traceparent: 00-${id}-00f067aa0ba902b7-01`
  assert.deepEqual(trace(`${good}\r\ntracestate: a=b\r\n`, true), [good, 'tracestate: a=b'])
  assert.deepEqual(trace(`traceparent: cc-${id}-00f067aa0ba902b7-01-x\r\n`, false).length, 1)
  const zeros = '0'.repeat(32)
  for (const bad of [
    `00-${zeros}-00f067aa0ba902b7-01`,
    `00-${id}-0000000000000000-01`,
    `ff-${id}-00f067aa0ba902b7-01`,
    `00-${id.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${id}-00f067aa0ba902b7-01-x`,
    '00',
    '',
  ]) {
    assert.deepEqual(trace(`traceparent: ${bad}\r\ntracestate: a=b\r\n`, false), [], bad)
    assert.deepEqual(trace(`traceparent: ${bad}\r\n`, true), ['traceparent: NEW'], bad)
  }
})

test('whatever is forwarded is read by the next hop as one request with the same method, host and length', () => {
  const line = fc
    .tuple(
      fc.constantFrom('Accept', 'X-A', 'Via', 'TE', 'Connection', 'Proxy', 'Cookie', 'X-Forwarded-For'),
      fc.constantFrom('x-a', 'close', 'a', ''),
    )
    .map(([name, value]) => `${name}: ${value}\r\n`)
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 8 }),
      fc.boolean(),
      fc.boolean(),
      (lines, trustsForwarded, writesForwarded) => {
        const given = `POST /p HTTP/1.1\r\n${lines.join('')}Host: a\r\nContent-Length: 3\r\n\r\n`
        const head = new RequestHead(DEFAULT_HEAD_LIMITS)
        const bytes = Buffer.from(given, 'latin1')
        if (head.scan(bytes, 0, bytes.length) === -1) return
        const settings = { ...DEFAULT_FORWARD_SETTINGS, trustsForwarded, writesForwarded, createsTraceparent: true }
        const forwarder = new RequestForwarder(settings, new RandomHex(SEED))
        const client = forwarder.clientBlock('2001:db8::1', 'http')
        const out = new Uint8Array(forwarder.bytesMax(head, client))
        const end = forwarder.write(head, bytes, client, PERSISTS, out, 0)
        const text = `${Buffer.from(out.subarray(0, end)).toString('latin1')}abc`
        const { messages, refusal } = readRequests(text)
        assert.equal(refusal, 'none')
        assert.deepEqual(messages, [{ startLine: 'POST /p HTTP/1.1', content: 'abc', headEnd: end, end: end + 3 }])
        assert.doesNotMatch(text, /^(te|connection|proxy):/im)
      },
    ),
  )
})

function answer(given: string, takesChunks = true, word: ConnectionWord = SAYS_NOTHING): string[] {
  const head = new ResponseHead(DEFAULT_HEAD_LIMITS)
  const bytes = Buffer.from(given, 'latin1')
  assert.equal(head.scan(bytes, 0, bytes.length, false), bytes.length, refusalName(head.refusal))
  const forwarder = new ResponseForwarder('wherry')
  const out = new Uint8Array(forwarder.bytesMax(head))
  const end = forwarder.write(head, bytes, takesChunks, word, out, 0)
  return Buffer.from(out.subarray(0, end)).toString('latin1').split('\r\n')
}

test('a response loses its hop-by-hop headers and gains ours', () => {
  const given =
    'HTTP/1.0 200 Fine\r\nServer: x\r\nConnection: keep-alive, X-Internal\r\nKeep-Alive: timeout=5\r\nX-Internal: 1\r\n' +
    'Proxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Length: 5\r\nTrailer: X-Sum\r\n\r\n'
  const lines = ['HTTP/1.1 200 Fine', 'Server: x', 'Content-Length: 5', 'Trailer: X-Sum', 'Via: 1.1 wherry']
  assert.deepEqual(answer(given), [...lines, '', ''])
  assert.deepEqual(answer(given, true, SAYS_CLOSE), [...lines, 'Connection: close', '', ''])
  assert.deepEqual(answer(given, true, SAYS_KEEP_ALIVE), [...lines, 'Connection: keep-alive', '', ''])
})

test('chunks are announced to those that take them', () => {
  const given = 'HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n'
  assert.deepEqual(answer(given), ['HTTP/1.1 200 OK', 'Via: 1.1 wherry', 'Transfer-Encoding: chunked', '', ''])
  assert.deepEqual(answer(given, false), ['HTTP/1.1 200 OK', 'Via: 1.1 wherry', '', ''])
})

test('interim responses, 204 and 101 say nothing of bodies', () => {
  assert.deepEqual(answer('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'), [
    'HTTP/1.1 103 Early Hints',
    'Link: <a>',
    '',
    '',
  ])
  assert.deepEqual(answer('HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n'), ['HTTP/1.1 204 ', 'Via: 1.1 wherry', '', ''])
  assert.deepEqual(answer('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nUpgrade: websocket\r\n\r\n'), [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    '',
    '',
  ])
})

test('random digits are hexadecimal, never all zero and do not repeat', () => {
  const random = new RandomHex(Int32Array.of(0, 0, 0, 0))
  const out = new Uint8Array(32)
  const seen = new Set<string>()
  for (let i = 0; i < 1_000; i++) {
    assert.equal(random.write(out, 0, 32), 32)
    const text = Buffer.from(out).toString('latin1')
    assert.match(text, /^[0-9a-f]{32}$/)
    assert.doesNotMatch(text, /^0{32}$/)
    seen.add(text)
  }
  assert.equal(seen.size, 1_000)
})
