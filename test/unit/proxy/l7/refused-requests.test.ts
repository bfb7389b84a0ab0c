import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RefusalName } from '../../../../src/proxy/l7/http1/refusal.ts'
import { readRequests } from './read-all.ts'

interface Case {
  readonly name: string
  readonly given: string
  readonly want: RefusalName
}

const post = (headers: string, body = ''): string => `POST / HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`
const get = (headers: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n`
const chunked = (body: string): string => post('Transfer-Encoding: chunked', body)

/** Request-smuggling and abuse classes of HTTP/1, one or more rows each. RFC 9112 §§2–7, §11.2. */
const CASES: readonly Case[] = [
  // Desync by two lengths.
  {
    name: 'CL.TE: both lengths',
    given: post('Content-Length: 6\r\nTransfer-Encoding: chunked', '0\r\n\r\nX'),
    want: 'length-and-encoding',
  },
  {
    name: 'TE.CL: both lengths, other order',
    given: post('Transfer-Encoding: chunked\r\nContent-Length: 4', '5c\r\n'),
    want: 'length-and-encoding',
  },
  {
    name: '0.CL: an underscored length that some backends read',
    given: post('Content_Length: 5', 'hello'),
    want: 'ambiguous-header-name',
  },
  {
    name: 'TE.0: an underscored encoding',
    given: post('Transfer_Encoding: chunked', '0\r\n\r\n'),
    want: 'ambiguous-header-name',
  },
  {
    name: 'TE.TE: two encodings in two headers',
    given: post('Transfer-Encoding: chunked\r\nTransfer-Encoding: cow', '0\r\n\r\n'),
    want: 'bad-transfer-encoding',
  },
  {
    name: 'TE.TE: two encodings in one header',
    given: post('Transfer-Encoding: chunked, identity', '0\r\n\r\n'),
    want: 'bad-transfer-encoding',
  },
  { name: 'Expect desync: an unknown expectation', given: post('Expect: 200-ok'), want: 'expectation-failed' },
  { name: 'Expect desync: a padded list', given: post('Expect: 100-continue, x'), want: 'expectation-failed' },
  {
    name: 'Expect desync: twice',
    given: post('Expect: 100-continue\r\nExpect: 100-continue'),
    want: 'expectation-failed',
  },
  { name: 'Expect desync: obfuscated by a line break', given: post('Expect:\r\n 100-continue'), want: 'obs-fold' },
  // Content-Length.
  {
    name: 'two different lengths',
    given: post('Content-Length: 5\r\nContent-Length: 6'),
    want: 'duplicate-content-length',
  },
  {
    name: 'two equal lengths',
    given: post('Content-Length: 5\r\nContent-Length: 5'),
    want: 'duplicate-content-length',
  },
  { name: 'a list of lengths', given: post('Content-Length: 5, 5'), want: 'bad-content-length' },
  { name: 'a length with a plus', given: post('Content-Length: +5'), want: 'bad-content-length' },
  { name: 'a length with a minus', given: post('Content-Length: -5'), want: 'bad-content-length' },
  { name: 'a hexadecimal length', given: post('Content-Length: 0x5'), want: 'bad-content-length' },
  { name: 'a length with an underscore', given: post('Content-Length: 1_0'), want: 'bad-content-length' },
  { name: 'a length with a leading zero', given: post('Content-Length: 05'), want: 'bad-content-length' },
  { name: 'an empty length', given: post('Content-Length:'), want: 'bad-content-length' },
  { name: 'a length with a space inside', given: post('Content-Length: 1 0'), want: 'bad-content-length' },
  { name: 'a fractional length', given: post('Content-Length: 5.0'), want: 'bad-content-length' },
  { name: 'a length beyond 2^53', given: post('Content-Length: 9007199254740993'), want: 'bad-content-length' },
  { name: 'a length beyond 2^64', given: post('Content-Length: 18446744073709551621'), want: 'bad-content-length' },
  // Transfer-Encoding.
  {
    name: 'an encoding that only ends in chunked',
    given: post('Transfer-Encoding: xchunked'),
    want: 'bad-transfer-encoding',
  },
  { name: 'chunked with a vertical tab', given: post('Transfer-Encoding: \x0bchunked'), want: 'bad-header-value' },
  { name: 'chunked with a NUL', given: post('Transfer-Encoding: chunked\0'), want: 'bad-header-value' },
  { name: 'a folded encoding', given: post('Transfer-Encoding:\r\n chunked'), want: 'obs-fold' },
  { name: 'chunked quoted', given: post('Transfer-Encoding: "chunked"'), want: 'bad-transfer-encoding' },
  { name: 'chunked with a parameter', given: post('Transfer-Encoding: chunked;q=1'), want: 'bad-transfer-encoding' },
  { name: 'chunked not last', given: post('Transfer-Encoding: chunked, gzip'), want: 'bad-transfer-encoding' },
  {
    name: 'chunked after another coding',
    given: post('Transfer-Encoding: gzip, chunked'),
    want: 'bad-transfer-encoding',
  },
  { name: 'chunked with an empty item', given: post('Transfer-Encoding: ,chunked'), want: 'bad-transfer-encoding' },
  { name: 'identity', given: post('Transfer-Encoding: identity'), want: 'bad-transfer-encoding' },
  { name: 'an empty encoding', given: post('Transfer-Encoding:'), want: 'bad-transfer-encoding' },
  {
    name: 'an encoding on HTTP/1.0',
    given: 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
    want: 'encoding-in-http10',
  },
  // Chunks.
  { name: 'a chunk size with 0x', given: chunked('0x5\r\nhello\r\n'), want: 'bad-chunk-size' },
  { name: 'a chunk size with an underscore', given: chunked('1_0\r\n'), want: 'bad-chunk-size' },
  { name: 'a chunk size with a plus', given: chunked('+5\r\nhello\r\n'), want: 'bad-chunk-size' },
  { name: 'a negative chunk size', given: chunked('-1\r\n'), want: 'bad-chunk-size' },
  { name: 'an empty chunk size', given: chunked('\r\n'), want: 'bad-chunk-size' },
  { name: 'a chunk size before a space', given: chunked('5 \r\nhello\r\n'), want: 'bad-chunk-size' },
  { name: 'a chunk size after a space', given: chunked(' 5\r\nhello\r\n'), want: 'bad-chunk-size' },
  { name: 'a chunk size that overflows', given: chunked('fffffffffffffffff\r\n'), want: 'bad-chunk-size' },
  {
    name: 'a chunk size wrapped around 2^64',
    given: chunked('10000000000000005\r\nhello\r\n'),
    want: 'bad-chunk-size',
  },
  { name: 'a chunk size ended by LF', given: chunked('5\nhello\r\n'), want: 'bad-line-end' },
  { name: 'a chunk size ended by CR alone', given: chunked('5\rhello\r\n'), want: 'bad-line-end' },
  { name: 'an extension with LF', given: chunked('5;a\nhello\r\n'), want: 'bad-line-end' },
  { name: 'an extension with CR', given: chunked('5;a\rb\r\nhello\r\n'), want: 'bad-line-end' },
  { name: 'an extension without a name', given: chunked('5;\r\nhello\r\n'), want: 'bad-chunk-extension' },
  { name: 'an extension with a space', given: chunked('5; a\r\nhello\r\n'), want: 'bad-chunk-extension' },
  {
    name: 'a line break inside a quoted extension',
    given: chunked('5;a="\r\n"\r\nhello\r\n'),
    want: 'bad-chunk-extension',
  },
  {
    name: 'an extension of 64 KiB',
    given: chunked(`5;${'a'.repeat(65_536)}\r\nhello\r\n`),
    want: 'bad-chunk-extension',
  },
  { name: 'many short extensions', given: chunked('1;aaaaaaaa\r\nx\r\n'.repeat(1_000)), want: 'bad-chunk-extension' },
  { name: 'a chunk longer than its size', given: chunked('3\r\nhello\r\n'), want: 'bad-chunk-end' },
  { name: 'a chunk ended by LF', given: chunked('5\r\nhello\n0\r\n\r\n'), want: 'bad-chunk-end' },
  { name: 'a last chunk ended by LF', given: chunked('0\n\n'), want: 'bad-line-end' },
  { name: 'a body ended by CR and another byte', given: chunked('0\r\n\rX'), want: 'bad-line-end' },
  { name: 'a body ended by LF', given: chunked('0\r\n\n'), want: 'bad-line-end' },
  { name: 'a trailer ended by LF', given: chunked('0\r\nA: b\n\r\n'), want: 'bad-line-end' },
  { name: 'a trailer without a colon', given: chunked('0\r\nGET / HTTP/1.1\r\n\r\n'), want: 'bad-trailer' },
  { name: 'a folded trailer', given: chunked('0\r\nA: b\r\n c\r\n\r\n'), want: 'obs-fold' },
  { name: 'a length as a trailer', given: chunked('0\r\nContent-Length: 5\r\n\r\n'), want: 'forbidden-trailer' },
  {
    name: 'an encoding as a trailer',
    given: chunked('0\r\ntransfer-encoding: chunked\r\n\r\n'),
    want: 'forbidden-trailer',
  },
  { name: 'a host as a trailer', given: chunked('0\r\nHOST: b\r\n\r\n'), want: 'forbidden-trailer' },
  { name: 'credentials as a trailer', given: chunked('0\r\nAuthorization: b\r\n\r\n'), want: 'forbidden-trailer' },
  {
    name: 'an underscored length as a trailer',
    given: chunked('0\r\nContent_Length: 5\r\n\r\n'),
    want: 'forbidden-trailer',
  },
  { name: 'trailers without end', given: chunked(`0\r\n${'A: b\r\n'.repeat(2_000)}`), want: 'trailers-too-large' },
  // Lines.
  { name: 'a header ended by LF', given: 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', want: 'bad-line-end' },
  { name: 'a request line ended by LF', given: 'GET / HTTP/1.1\nHost: a\n\n', want: 'bad-line-end' },
  { name: 'a head ended by LF', given: 'GET / HTTP/1.1\r\nHost: a\r\n\n', want: 'bad-line-end' },
  { name: 'CR inside a value', given: get('X: a\rb'), want: 'bad-line-end' },
  { name: 'CR inside a name', given: get('X\r: a'), want: 'bad-line-end' },
  { name: 'a space before the colon', given: get('X : a'), want: 'bad-header-name' },
  { name: 'a tab before the colon', given: get('X\t: a'), want: 'bad-header-name' },
  { name: 'a space before the first header', given: 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', want: 'bad-header-name' },
  { name: 'a folded header', given: get('X: a\r\n\tb'), want: 'obs-fold' },
  { name: 'an empty name', given: get(': a'), want: 'bad-header-name' },
  { name: 'no colon', given: get('X'), want: 'bad-line-end' },
  { name: 'NUL in a name', given: get('X\0: a'), want: 'bad-header-name' },
  { name: 'NUL in a value', given: get('X: a\0b'), want: 'bad-header-value' },
  { name: 'a control byte in a value', given: get('X: a\x01'), want: 'bad-header-value' },
  { name: 'DEL in a value', given: get('X: a\x7f'), want: 'bad-header-value' },
  { name: 'a byte above ASCII in a name', given: get('X\xe4: a'), want: 'bad-header-name' },
  // Request line.
  { name: 'two spaces', given: 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'a tab for a space', given: 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'a leading space', given: ' GET / HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'two leading empty lines', given: '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'a leading LF', given: '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'a space in the target', given: 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'a fragment', given: 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'a raw byte in the target', given: 'GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'NUL in the target', given: 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'a target without a slash', given: 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: '* for GET', given: 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'a scheme other than http', given: 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'user information in the target', given: 'GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'an absolute target without a host', given: 'GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n', want: 'bad-target' },
  { name: 'HTTP/0.9', given: 'GET /\r\n', want: 'bad-target' },
  { name: 'HTTP/2 by name', given: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', want: 'unsupported-version' },
  { name: 'HTTP/1.2', given: 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', want: 'unsupported-version' },
  { name: 'HTTP/1.10', given: 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'a version in lower case', given: 'GET / http/1.1\r\nHost: a\r\n\r\n', want: 'bad-request-line' },
  { name: 'CONNECT', given: 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', want: 'method-not-allowed' },
  { name: 'TRACE', given: 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', want: 'method-not-allowed' },
  { name: 'TLS on a plain port', given: '\x16\x03\x01\x02\x00\x01\x00', want: 'bad-request-line' },
  // Host.
  { name: 'no host', given: 'GET / HTTP/1.1\r\n\r\n', want: 'missing-host' },
  { name: 'two hosts', given: get('Host: b'), want: 'duplicate-host' },
  { name: 'two equal hosts', given: get('Host: a'), want: 'duplicate-host' },
  { name: 'a host with a path', given: 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', want: 'bad-host' },
  { name: 'a host with user information', given: 'GET / HTTP/1.1\r\nHost: b@a\r\n\r\n', want: 'bad-host' },
  { name: 'a list of hosts', given: 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', want: 'bad-host' },
  { name: 'a host with a port that is no number', given: 'GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n', want: 'bad-host' },
  { name: 'a host with two ports', given: 'GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n', want: 'bad-host' },
  { name: 'a host with an open bracket', given: 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', want: 'bad-host' },
  { name: 'quotes in an address literal', given: 'GET / HTTP/1.1\r\nHost: ["]\r\n\r\n', want: 'bad-host' },
  { name: 'a host that is only a port', given: 'GET / HTTP/1.1\r\nHost: :80\r\n\r\n', want: 'bad-host' },
  // Connection and upgrades.
  {
    name: 'a nominated Content-Length',
    given: post('Connection: content-length\r\nContent-Length: 0'),
    want: 'bad-connection',
  },
  {
    name: 'a nominated Transfer-Encoding',
    given: post('Connection: close, Transfer-Encoding'),
    want: 'bad-connection',
  },
  { name: 'a nominated Host', given: get('Connection: host'), want: 'bad-connection' },
  { name: 'a nominated X-Forwarded-For', given: get('Connection: x-forwarded-for'), want: 'bad-connection' },
  { name: 'a nominated header that is no token', given: get('Connection: a b'), want: 'bad-connection' },
  { name: 'many nominated headers', given: get(`Connection: ${'a,'.repeat(17)}`), want: 'bad-connection' },
  {
    name: 'an upgrade with a body',
    given: post('Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1', 'x'),
    want: 'bad-upgrade',
  },
  { name: 'a WebSocket by POST', given: post('Connection: upgrade\r\nUpgrade: websocket'), want: 'bad-upgrade' },
  { name: 'a choice of upgrades', given: get('Connection: upgrade\r\nUpgrade: websocket, foo'), want: 'bad-upgrade' },
  {
    name: 'two upgrades',
    given: get('Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: foo'),
    want: 'bad-upgrade',
  },
  // Limits.
  { name: 'a long target', given: `GET /${'a'.repeat(8_192)} HTTP/1.1\r\nHost: a\r\n\r\n`, want: 'target-too-long' },
  { name: 'a long head', given: get(`X: ${'a'.repeat(16_384)}`), want: 'head-too-large' },
  {
    name: 'a head without an end',
    given: `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(20_000)}`,
    want: 'head-too-large',
  },
  { name: 'many headers', given: get('A: b\r\n'.repeat(100).trimEnd()), want: 'too-many-headers' },
  { name: 'a long method', given: `${'A'.repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, want: 'bad-request-line' },
]

for (const { name, given, want } of CASES) {
  test(`refused: ${name}`, () => {
    const whole = readRequests(given)
    assert.deepEqual(whole, { messages: [], refusal: want })
    const byByte = readRequests(
      given,
      Array.from({ length: given.length }, (_, i) => i),
    )
    assert.deepEqual(byByte, whole)
  })
}

const SECRET = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

interface Accepted {
  readonly name: string
  readonly given: string
  /** Start line and content of each message. */
  readonly want: readonly (readonly [string, string])[]
}

const ACCEPTED: readonly Accepted[] = [
  {
    name: 'pipelined requests',
    given: get('A: b') + get('C: d'),
    want: [
      ['GET / HTTP/1.1', ''],
      ['GET / HTTP/1.1', ''],
    ],
  },
  { name: 'one empty line before a request', given: `\r\n${get('A: b')}`, want: [['GET / HTTP/1.1', '']] },
  {
    name: 'CL.0: a body on GET stays a body',
    given: `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SECRET.length}\r\n\r\n${SECRET}`,
    want: [['GET / HTTP/1.1', SECRET]],
  },
  {
    name: 'a chunked body on DELETE stays a body',
    given: `DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${SECRET.length.toString(16)}\r\n${SECRET}\r\n0\r\n\r\n`,
    want: [['DELETE / HTTP/1.1', SECRET]],
  },
  {
    name: 'Chunked in another case, after tabs',
    given: post('Transfer-Encoding:\t CHUNKED \t', '0\r\n\r\n'),
    want: [['POST / HTTP/1.1', '']],
  },
  {
    name: 'extensions and trailers',
    given: chunked('5;a;b=c;d="e\\"f ;"\r\nhello\r\n0;x\r\nX-Checksum: 1\r\nY:\r\n\r\n') + get('A: b'),
    want: [
      ['POST / HTTP/1.1', 'hello'],
      ['GET / HTTP/1.1', ''],
    ],
  },
  {
    name: 'chunk sizes with leading zeros and any case',
    given: chunked('00A\r\n0123456789\r\n000\r\n\r\n'),
    want: [['POST / HTTP/1.1', '0123456789']],
  },
  {
    name: 'an absolute target',
    given: 'GET http://b:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n',
    want: [['GET http://b:80/x?y HTTP/1.1', '']],
  },
  { name: 'HTTP/1.0 without a host', given: 'GET / HTTP/1.0\r\n\r\n', want: [['GET / HTTP/1.0', '']] },
  { name: 'an empty host', given: 'GET / HTTP/1.1\r\nHost:\r\n\r\n', want: [['GET / HTTP/1.1', '']] },
  { name: 'an IPv6 host', given: 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', want: [['GET / HTTP/1.1', '']] },
  { name: 'OPTIONS *', given: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', want: [['OPTIONS * HTTP/1.1', '']] },
  { name: 'an unknown method', given: 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n', want: [['BREW / HTTP/1.1', '']] },
  {
    name: 'an offer of h2c, passed over',
    given: get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA'),
    want: [['GET / HTTP/1.1', '']],
  },
  {
    name: 'an offer of h2c with a body, as Java’s client makes it, passed over',
    given: post('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nContent-Length: 1', 'x'),
    want: [['POST / HTTP/1.1', 'x']],
  },
  {
    name: 'an offer of TLS with a body, as Apache HttpClient makes it, passed over',
    given: post('Connection: Upgrade\r\nUpgrade: TLS/1.2\r\nContent-Length: 1', 'x'),
    want: [['POST / HTTP/1.1', 'x']],
  },
  {
    name: 'names of JavaScript’s own',
    given: get('__proto__: a\r\nconstructor: b\r\ntoString: c'),
    want: [['GET / HTTP/1.1', '']],
  },
  { name: 'bytes above ASCII in a value', given: get('X: \xe4\xff'), want: [['GET / HTTP/1.1', '']] },
  { name: 'a hundred headers', given: get('A: b\r\n'.repeat(99).trimEnd()), want: [['GET / HTTP/1.1', '']] },
]

for (const { name, given, want } of ACCEPTED) {
  test(`read in one way: ${name}`, () => {
    for (const cuts of [[], Array.from({ length: given.length }, (_, i) => i)]) {
      const { messages, refusal } = readRequests(given, cuts)
      assert.equal(refusal, 'none')
      assert.deepEqual(
        messages.map(({ startLine, content }) => [startLine, content]),
        want,
      )
    }
  })
}
