import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ReadResult, readRequests, readResponses } from './read-all.ts'

/** What is read, and what it comes to: the contents of its messages, or why it is refused (after those before). */
type Row = readonly [name: string, given: string, want: string | readonly string[]]

const HOST = 'Host: a'
const lines = (...parts: readonly string[]): string => parts.join('\r\n')

/**
 * The situations of the test suite of llhttp, Node's own parser (test/request/*.md), with our verdicts. Where llhttp's
 * strict mode refuses, so do we; where we refuse more (no Host, folded lines, a length with zeros in front, bytes above
 * 0x7f in a target, a fragment), it is what servers behind a proxy have been seen to read differently.
 */
const REQUESTS: readonly Row[] = [
  ['a name and a value around a tab', lines('OPTIONS /url HTTP/1.1', HOST, 'Header2:\t Value2', '', ''), ['']],
  ['a method that begins as a response does', lines('HEAD /url HTTP/1.1', HOST, '', ''), ['']],
  ['a host that is none', lines('GET /test HTTP/1.1', 'Host: 0.0.0.0=5000', 'Accept: */*', '', ''), ['']],
  [
    'a value of plus signs without a space',
    lines('GET /dumbpack HTTP/1.1', HOST, 'aaaaaaaaaaaaa:++++++++++', '', ''),
    [''],
  ],
  ['no header in 1.1', lines('GET /get_no_headers_no_body/world HTTP/1.1', '', ''), 'missing-host'],
  [
    '1.0 with an empty body',
    lines('GET /test HTTP/1.0', 'Host: 0.0.0.0:5000', 'User-Agent: ApacheBench/2.3', '', ''),
    [''],
  ],
  ['an empty line before', lines('', 'GET /test HTTP/1.1', HOST, '', ''), ['']],
  ['no version', lines('GET /', '', ''), 'bad-target'],
  ['a folded value', lines('GET / HTTP/1.1', HOST, 'Line1:   abc', '\tdef', '', ''), 'obs-fold'],
  ['a folded value with bare LF', 'GET / HTTP/1.1\nLine1:   abc\n\tdef\n\n', 'bad-line-end'],
  ['a value in UTF-8', lines('GET / HTTP/1.1', HOST, 'Test: D\xc3\xbcsseldorf', '', ''), ['']],
  ['byte 255 in a value', lines('OPTIONS /url HTTP/1.1', HOST, 'Header2: \xffValue2', '', ''), ['']],
  [
    'empty Transfer-Encoding with a length',
    lines('POST /first HTTP/1.1', HOST, 'Transfer-Encoding:', 'Content-Length: 5', '', 'hello'),
    'length-and-encoding',
  ],
  [
    'chunks in lower case',
    lines('PUT /url HTTP/1.1', HOST, 'Transfer-Encoding: chunked', '', 'a', '0123456789', '0', '', ''),
    ['0123456789'],
  ],
  [
    'chunks in upper case',
    lines('PUT /url HTTP/1.1', HOST, 'Transfer-Encoding: chunked', '', 'A', '0123456789', '0', '', ''),
    ['0123456789'],
  ],
  [
    'a chunk of thirty',
    lines(
      'POST /all HTTP/1.1',
      HOST,
      'Transfer-Encoding: chunked',
      '',
      '1e',
      'all your base are belong to us',
      '0',
      '',
      '',
    ),
    ['all your base are belong to us'],
  ],
  [
    'a last chunk of three zeros',
    lines('POST /two HTTP/1.1', HOST, 'Transfer-Encoding: chunked', '', '5', 'hello', '6', ' world', '000', '', ''),
    ['hello world'],
  ],
  [
    'trailers',
    lines(
      'POST /t HTTP/1.1',
      HOST,
      'Transfer-Encoding: chunked',
      '',
      '5',
      'hello',
      '6',
      ' world',
      '0',
      'Vary: *',
      'Content-Type: text/plain',
      '',
      '',
    ),
    'forbidden-trailer',
  ],
  [
    'chunk extensions',
    lines(
      'POST /e HTTP/1.1',
      HOST,
      'Transfer-Encoding: chunked',
      '',
      '5;ilovew3;somuchlove=aretheseparametersfor;another=withvalue',
      'hello',
      '6;blahblah;blah',
      ' world',
      '0',
      '',
      '',
    ),
    ['hello world'],
  ],
  [
    'an extension without a semicolon',
    lines('POST /e HTTP/1.1', HOST, 'Transfer-encoding: chunked', '', '2 erfrferferf', 'aa', '0 rrrr', '', ''),
    'bad-chunk-size',
  ],
  [
    'a semicolon without an extension',
    lines('POST /e HTTP/1.1', HOST, 'Transfer-encoding: chunked', '', '2;', 'aa', '0', '', ''),
    'bad-chunk-extension',
  ],
  [
    'quoted extension values',
    lines(
      'POST /e HTTP/1.1',
      HOST,
      'Transfer-Encoding: chunked',
      '',
      '5;ilovew3="I \\"love\\"; \\\\extensions\\\\";blah;foo=bar',
      'hello',
      '0',
      '',
      '',
    ),
    ['hello'],
  ],
  [
    'an extension value whose quote never ends',
    lines(
      'POST /e HTTP/1.1',
      HOST,
      'Transfer-Encoding: chunked',
      '',
      '5;ilovew3="abc";somuchlove="def; ghi',
      'hello',
      '0',
      '',
      '',
    ),
    'bad-chunk-extension',
  ],
  [
    'an encoding nobody knows',
    lines('PUT /url HTTP/1.1', HOST, 'Transfer-Encoding: pigeons', '', ''),
    'bad-transfer-encoding',
  ],
  [
    'identity with a length',
    lines('POST /p?q=search HTTP/1.1', HOST, 'Transfer-Encoding: identity', 'Content-Length: 5', '', 'World'),
    'length-and-encoding',
  ],
  [
    'empty encodings after a length',
    lines(
      'POST / HTTP/1.1',
      HOST,
      'Content-Length: 10',
      'Transfer-Encoding:',
      'Transfer-Encoding:',
      '',
      '2',
      'AA',
      '0',
      '',
      '',
    ),
    'bad-transfer-encoding',
  ],
  [
    'a fragment in the target',
    lines('POST /p?q=search#hey HTTP/1.1', HOST, 'Content-Length: 5', '', 'World'),
    'bad-target',
  ],
  [
    'chunked before another encoding',
    lines('POST /c HTTP/1.1', HOST, 'Transfer-Encoding: chunked, deflate', '', 'World'),
    'bad-transfer-encoding',
  ],
  [
    'chunked in one header and another encoding in the next',
    lines('POST /c HTTP/1.1', HOST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: deflate', '', 'World'),
    'bad-transfer-encoding',
  ],
  [
    'chunked twice without a comma',
    lines('POST /c HTTP/1.1', HOST, 'Transfer-Encoding: chunkedchunked', '', '2', 'OK', '0', '', ''),
    'bad-transfer-encoding',
  ],
  [
    'a chunk size beyond 64 bits',
    lines('PUT /url HTTP/1.1', HOST, 'Transfer-Encoding: chunked', '', 'FFFFFFFFFFFFFFFFF', ''),
    'bad-chunk-size',
  ],
  ['ICE', lines('GET /music/sweet/music ICE/1.0', 'Host: example.com', '', ''), 'bad-request-line'],
  [
    'a protocol that only ends as HTTP',
    lines('GET /music/sweet/music IHTTP/1.0', 'Host: example.com', '', ''),
    'bad-request-line',
  ],
  ['RTSP', lines('PUT /music/sweet/music RTSP/1.0', 'Host: example.com', '', ''), 'bad-request-line'],
  ['a method of RTSP in HTTP', lines('ANNOUNCE /music/sweet/music HTTP/1.0', 'Host: example.com', '', ''), ['']],
  ['headers parted by CR', lines('GET / HTTP/1.1', HOST, 'Foo: 1\rBar: 2', '', ''), 'bad-line-end'],
  [
    'headers parted by LF',
    lines('POST / HTTP/1.1', HOST, 'x:x\nTransfer-Encoding: chunked', '', '1', 'A', '0', '', ''),
    'bad-line-end',
  ],
  [
    'a CR and a letter where the head ends',
    lines('GET / HTTP/1.1', 'Connection: close', HOST, '\rZGET /evil: HTTP/1.1', HOST, '', ''),
    'bad-line-end',
  ],
  [
    'an empty header ended by CR',
    lines('POST / HTTP/1.1', HOST, 'x:\rTransfer-Encoding: chunked', '', '1', 'A', '0', '', ''),
    'bad-line-end',
  ],
  [
    'an empty header ended by LF',
    lines('POST / HTTP/1.1', HOST, 'x:\nTransfer-Encoding: chunked', '', '1', 'A', '0', '', ''),
    'bad-line-end',
  ],
  ['an at sign in a name', lines('GET / HTTP/1.1', HOST, 'Fo@: Failure', '', ''), 'bad-header-name'],
  ['a control character in a name', lines('GET / HTTP/1.1', HOST, 'Foo\x01\test: Bar', '', ''), 'bad-header-name'],
  ['no name', lines('GET / HTTP/1.1', HOST, ': Bar', '', ''), 'bad-header-name'],
  ['a method that begins like another', lines('MKCOLA / HTTP/1.1', HOST, '', ''), ['']],
  ['a folded name', lines('GET / HTTP/1.1', HOST, 'name', ' : value', '', ''), 'bad-line-end'],
  [
    'a torn Connection header',
    lines('GET / HTTP/1.1', HOST, 'Connection\r\x1b\x35\xd5eep-Alive', 'Accept-Encoding: gzip', '', ''),
    'bad-line-end',
  ],
  [
    'a request behind a lone LF',
    lines(
      'GET / HTTP/1.1',
      HOST,
      'Dummy: x\nContent-Length: 23',
      '',
      'GET / HTTP/1.1',
      'Dummy: GET /admin HTTP/1.1',
      HOST,
      '',
      '',
    ),
    'bad-line-end',
  ],
  ['version 5.6', lines('GET / HTTP/5.6', HOST, '', ''), 'unsupported-version'],
  ['a space before the first header', lines('GET / HTTP/1.1', ' Host: foo', '', ''), 'bad-header-name'],
  ['LF alone everywhere', 'POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n1\nA\n0\n\n', 'bad-line-end'],
  [
    'a length behind a space',
    lines('POST /hello HTTP/1.1', HOST, 'Foo: bar', ' Content-Length: 38', '', 'GET /bye HTTP/1.1', HOST, '', ''),
    'obs-fold',
  ],
  [
    'a length with zeros in front',
    lines('PUT /url HTTP/1.1', HOST, 'Content-Length: 003', '', 'abc'),
    'bad-content-length',
  ],
  [
    'a length of 22 digits',
    lines('PUT /url HTTP/1.1', HOST, 'Content-Length: 1000000000000000000000', '', ''),
    'bad-content-length',
  ],
  [
    'two lengths',
    lines('PUT /url HTTP/1.1', HOST, 'Content-Length: 1', 'Content-Length: 2', '', ''),
    'duplicate-content-length',
  ],
  [
    'a length and identity',
    lines('PUT /url HTTP/1.1', HOST, 'Content-Length: 1', 'Transfer-Encoding: identity', '', ''),
    'length-and-encoding',
  ],
  [
    'a length and chunked',
    lines('PUT /url HTTP/1.1', HOST, 'Content-Length: 1', 'Transfer-Encoding: chunked', '', ''),
    'length-and-encoding',
  ],
  ['a length in odd case in a GET', lines('GET /funky HTTP/1.0', 'conTENT-Length: 5', '', 'HELLO'), ['HELLO']],
  ['spaces around a length', lines('POST / HTTP/1.1', HOST, 'Content-Length:  2 ', '', 'ab'), ['ab']],
  ['a space inside a length', lines('POST / HTTP/1.1', HOST, 'Content-Length: 4 2', '', ''), 'bad-content-length'],
  ['an empty length', lines('POST / HTTP/1.1', HOST, 'Content-Length:', '', ''), 'bad-content-length'],
  [
    'CR instead of the dash of a length',
    lines('PUT /url HTTP/1.1', HOST, 'Content\rLength: 003', '', 'abc'),
    'bad-line-end',
  ],
  [
    'one request after another',
    lines(
      'PUT /1 HTTP/1.1',
      HOST,
      'Connection: keep-alive',
      '',
      'PUT /2 HTTP/1.1',
      HOST,
      'Connection: keep-alive',
      '',
      '',
    ),
    ['', ''],
  ],
  [
    'an empty line between requests',
    lines('POST / HTTP/1.1', HOST, 'Content-Length: 4', '', 'q=42', '', 'GET /next HTTP/1.1', HOST, '', ''),
    ['q=42', 'bad-request-line'],
  ],
  [
    'a list of connection options',
    lines('PUT /url HTTP/1.1', HOST, 'Connection: close, token, upgrade, token, keep-alive', '', ''),
    [''],
  ],
  [
    'a folded list of connection options',
    lines('GET /demo HTTP/1.1', HOST, 'Connection: Something,', ' Upgrade, ,Keep-Alive', 'Upgrade: WebSocket', '', ''),
    'obs-fold',
  ],
  [
    'a body in an upgrade',
    lines('PUT /url HTTP/1.1', HOST, 'Connection: upgrade', 'Content-Length: 4', 'Upgrade: ws', '', 'abcd'),
    'bad-upgrade',
  ],
  [
    'an upgrade to HTTP/2 with a body',
    lines(
      'POST /demo HTTP/1.1',
      HOST,
      'Connection: Upgrade',
      'Upgrade: HTTP/2.0',
      'Content-Length: 15',
      '',
      'sweet post body',
    ),
    ['sweet post body'],
  ],
  [
    'CONNECT',
    lines('CONNECT 0-home0.netscape.com:443 HTTP/1.0', 'User-agent: Mozilla/1.1N', '', ''),
    'method-not-allowed',
  ],
  [
    'a method with a hyphen',
    lines('M-SEARCH * HTTP/1.1', 'HOST: 239.255.255.250:1900', 'MAN: "ssdp:discover"', '', ''),
    'bad-target',
  ],
  [
    'PATCH',
    lines('PATCH /file.txt HTTP/1.1', 'Host: www.example.com', 'Content-Length: 10', '', 'cccccccccc'),
    ['cccccccccc'],
  ],
  ['PRI with no HTTP/2 behind it', lines('PRI * HTTP/1.1', HOST, '', ''), 'bad-target'],
  ['QUERY', lines('QUERY /contacts HTTP/1.1', HOST, 'Content-Length: 2', '', 'x1'), ['x1']],
  ['a quote in the target', lines('GET /with_"lovely"_quotes?foo="bar" HTTP/1.1', HOST, '', ''), ['']],
  ['a target in UTF-8', lines('GET /\xce\xb4\xc2\xb6/\xce\xb4t/pope?q=1 HTTP/1.1', HOST, '', ''), 'bad-target'],
  [
    'an underscore in a host',
    lines('GET http://hypnotoad_foo.org/x HTTP/1.1', 'Host: hypnotoad_foo.org', '', ''),
    [''],
  ],
  ['two spaces after the method', lines('GET  / HTTP/1.1', HOST, '', ''), 'bad-request-line'],
  ['a NUL in a value', lines('GET / HTTP/1.1', HOST, 'X: a\x00b', '', ''), 'bad-header-value'],
]

/** As above, test/response/*.md. */
const RESPONSES: readonly Row[] = [
  ['a simple one', lines('HTTP/1.1 200 OK', 'Header2:\t Value2', 'Content-Length: 0', '', ''), ['']],
  ['RTSP', lines('RTSP/1.1 200 OK', '', ''), 'bad-status-line'],
  ['ICE', lines('ICE/1.1 200 OK', '', ''), 'bad-status-line'],
  ['a protocol that begins as HTTP', lines('HTTPER/1.1 200 OK', '', ''), 'bad-status-line'],
  [
    'a dollar sign in a name, spaces after a length',
    lines('HTTP/1.1 301 Moved Permanently', 'X-$PrototypeBI-Version: 1.6.0.3', 'Content-Length:  4  ', '', 'gone'),
    ['gone'],
  ],
  [
    'a chunk of one LF',
    lines('HTTP/1.1 301 MovedPermanently', 'Transfer-Encoding: chunked', '', '1', '\n', '0', '', ''),
    ['\n'],
  ],
  ['no reason phrase', lines('HTTP/1.1 301', 'Content-Length: 0', '', ''), ['']],
  ['no reason phrase behind a space', lines('HTTP/1.1 200 ', 'Content-Length: 0', '', ''), ['']],
  ['LF alone', 'HTTP/1.1 200 OK\nConnection: close\n\nbody', 'bad-line-end'],
  ['an underscore in a name', lines('HTTP/1.1 200 OK', 'Content-Length: 0', 'DCLK_imp: v7;x;1', '', ''), ['']],
  [
    'an empty value in 1.0',
    lines('HTTP/1.0 301 Moved Permanently', 'Pragma: ', 'Content-Length: 0', 'Connection: keep-alive', '', ''),
    [''],
  ],
  [
    'names that begin with a dot or an underscore',
    lines(
      'HTTP/1.1 200 OK',
      '.et-Cookie: x=1; path=/',
      '_eep-Alive: timeout=45',
      'Transfer-Encoding: chunked',
      'Connection: close',
      '',
      '0',
      '',
      '',
    ),
    [''],
  ],
  [
    'empty Transfer-Encoding with a length',
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding:', 'Content-Length: 5', '', 'hello'),
    'length-and-encoding',
  ],
  [
    'spaces after a chunk size',
    lines(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: chunked',
      '',
      '25  ',
      'This is the data in the first chunk\r\n',
      '0  ',
      '',
      '',
    ),
    'bad-chunk-size',
  ],
  [
    'chunked before another encoding',
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked, deflate', '', 'World'),
    'bad-transfer-encoding',
  ],
  [
    'chunked, then identity',
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity', '', 'World'),
    'bad-transfer-encoding',
  ],
  [
    'chunked twice without a comma',
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunkedchunked', '', '2', 'OK', '0', '', ''),
    'bad-transfer-encoding',
  ],
  [
    'chunk extensions',
    lines(
      'HTTP/1.1 200 OK',
      'Transfer-encoding: chunked',
      '',
      '5;ilovew3;somuchlove=aretheseparametersfor',
      'hello',
      '6;blahblah;blah',
      ' world',
      '0',
      '',
      '',
    ),
    ['hello world'],
  ],
  [
    'an extension without a semicolon',
    lines('HTTP/1.1 200 OK', 'Transfer-encoding: chunked', '', '2 erfrferferf', 'aa', '0 rrrr', '', ''),
    'bad-chunk-size',
  ],
  [
    'a semicolon without an extension',
    lines('HTTP/1.1 200 OK', 'Transfer-encoding: chunked', '', '2;', 'aa', '0', '', ''),
    'bad-chunk-extension',
  ],
  [
    'a quoted extension',
    lines(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: chunked',
      '',
      '5;ilovew3="I love; extensions";blah',
      'hello',
      '0',
      '',
      '',
    ),
    ['hello'],
  ],
  [
    'a quote that never ends',
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '5;a="def; ghi', 'hello', '0', '', ''),
    'bad-chunk-extension',
  ],
  [
    'a folded encoding',
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '  abc', '', '5', 'World', '0', '', ''),
    'obs-fold',
  ],
  ['a status of four digits', lines('HTTP/1.1 1000 OK', 'Content-Length: 0', '', ''), 'bad-status-line'],
  ['a status with a letter', lines('HTTP/1.1 20x OK', 'Content-Length: 0', '', ''), 'bad-status-line'],
  ['a tab in the reason', lines('HTTP/1.1 200 O\tK', 'Content-Length: 0', '', ''), ['']],
  [
    '204 with a length',
    lines('HTTP/1.1 204 No Content', 'Content-Length: 3', '', 'HTTP/1.1 200 OK', 'Content-Length: 0', '', ''),
    'unexpected-body',
  ],
  [
    '304 with a length',
    lines('HTTP/1.1 304 Not Modified', 'Content-Length: 5', '', 'HTTP/1.1 200 OK', 'Content-Length: 0', '', ''),
    ['', ''],
  ],
  [
    '100 before the answer',
    lines('HTTP/1.1 100 Continue', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'),
    ['ok'],
  ],
  [
    '103 before the answer',
    lines('HTTP/1.1 103 Early Hints', 'Link: </a>; rel=preload', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'),
    ['ok'],
  ],
  [
    'two lengths',
    lines('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 3', '', 'ok!'),
    'duplicate-content-length',
  ],
  ['version 5.6', lines('HTTP/5.6 200 OK', 'Content-Length: 0', '', ''), 'bad-status-line'],
  ['a space before the first header', lines('HTTP/1.1 200 OK', ' Host: foo', '', ''), 'bad-header-name'],
  [
    'one answer after another',
    lines('HTTP/1.1 200 OK', 'Content-Length: 3', '', 'AAAHTTP/1.1 201 Created', 'Content-Length: 4', '', 'BBBB'),
    ['AAA', 'BBBB'],
  ],
]

function verdict({ messages, refusal }: ReadResult): string | readonly string[] {
  const contents = messages.map(({ content }) => content)
  if (refusal === 'none') return contents
  return contents.length === 0 ? refusal : [...contents, refusal]
}

/** Whole, and byte by byte. */
const SPLITS: readonly ((text: string) => readonly number[])[] = [() => [], (text) => Array.from(text, (_, i) => i)]

for (const [kind, rows, read] of [
  ['requests', REQUESTS, readRequests],
  ['responses', RESPONSES, readResponses],
] as const) {
  test(`the situations of llhttp's suite: ${kind}`, async (t) => {
    for (const [name, given, want] of rows) {
      await t.test(name, () => {
        for (const split of SPLITS) assert.deepEqual(verdict(read(given, split(given))), want)
      })
    }
  })
}
