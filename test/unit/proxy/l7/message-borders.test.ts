import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ReadMessage, readRequests } from './read-all.ts'
import { referenceRequests } from './reference-reader.ts'

/** Text that is mostly right, so that what follows a mistake is reached too. */
const name = fc.constantFrom(
  'Host',
  'host',
  'Content-Length',
  'content-length',
  'Content_Length',
  'Transfer-Encoding',
  'Transfer-encoding',
  'Transfer_Encoding',
  'Connection',
  'Upgrade',
  'Expect',
  'Via',
  'X-A',
  'TE',
  'x',
  '',
  ' X',
  'X ',
  'X\t',
)
const value = fc.constantFrom(
  'a',
  '0',
  '3',
  '5',
  '05',
  '+5',
  '0x5',
  '5, 5',
  '',
  'chunked',
  'Chunked',
  ' chunked',
  'chunked ',
  'gzip, chunked',
  '\tchunked',
  '\x0bchunked',
  'close',
  'keep-alive, x-a',
  'upgrade',
  'websocket',
  'h2c',
  '100-continue',
  'a:80',
  '[::1]',
  'b@a',
  '\r\n x',
  'x\ry',
  'x\ny',
  'x\0',
  '\xff',
)
const eol = fc.oneof({ weight: 30, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\r\r\n', '\n\r', ''))
const header = fc.tuple(name, fc.constantFrom(':', ': ', ' :'), value, eol).map((parts) => parts.join(''))
const line = fc
  .tuple(
    fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS', 'CONNECT', 'get', 'G\x01T', ''),
    fc.constantFrom(' ', ' ', ' ', '  ', '\t'),
    fc.constantFrom('/', '/a?b', '*', 'http://h/x', 'http://h', 'http://h?x', 'a', '/\x80', '/a b'),
    fc.constantFrom(' HTTP/1.1', ' HTTP/1.1', ' HTTP/1.1', ' HTTP/1.0', ' HTTP/2.0', ' http/1.1', ''),
    eol,
  )
  .map((parts) => parts.join(''))
const chunk = fc
  .tuple(
    fc.constantFrom('3', '03', '0', '5', '0x3', '3;a', '3;a=b', '3;a="b;\\""', '3; a', '3 ', '-3', 'fffffffffffff'),
    eol,
    fc.constantFrom('abc', 'ab\n', 'abcde', ''),
    eol,
  )
  .map((parts) => parts.join(''))
const goodRequest = fc.constantFrom(
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n',
  '\r\nGET /e HTTP/1.0\r\n\r\n',
)
const looseRequest = fc
  .tuple(
    line,
    fc.array(header, { maxLength: 4 }),
    fc.constantFrom('Host: a\r\n', 'Host: a\r\nTransfer-Encoding: chunked\r\n', 'Host: a\r\nContent-Length: 3\r\n', ''),
    eol,
    fc.array(chunk, { maxLength: 3 }),
    fc.constantFrom('0\r\n\r\n', '0\r\nX: y\r\n\r\n', '0\r\nHost: y\r\n\r\n', '0\n\n', ''),
  )
  .map(([start, headers, fixed, end, chunks, last]) => start + headers.join('') + fixed + end + chunks.join('') + last)
const mutated = fc
  .tuple(goodRequest, fc.nat(200), fc.constantFrom('\r', '\n', '\0', ' ', ':', 'x', '', '\r\n'), fc.nat(2))
  .map(([text, at, put, cut]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut))
const anyBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const input = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: goodRequest },
      { weight: 5, arbitrary: looseRequest },
      { weight: 5, arbitrary: mutated },
      { weight: 1, arbitrary: anyBytes },
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.join(''))
const cuts = fc.array(fc.nat(600), { maxLength: 12 })

test('whatever arrives in whatever splits, messages end where a plain reading of the grammar says', () => {
  let messages = 0
  let refusals = 0
  fc.assert(
    fc.property(input, cuts, (text, at) => {
      const got = readRequests(text, at)
      assert.deepEqual(got.messages, referenceRequests(text))
      messages += got.messages.length
      if (got.refusal !== 'none') refusals += 1
    }),
    { numRuns: 20_000 },
  )
  assert.ok(messages > 10_000 && refusals > 1_000, `${messages} messages, ${refusals} refusals`)
})

test('how the bytes were split never changes what is refused', () => {
  fc.assert(
    fc.property(input, (text) => {
      // A mistake in the last line may wait for its end.
      const ended = `${text}\n`
      const whole = readRequests(ended)
      assert.deepEqual(
        readRequests(
          ended,
          Array.from({ length: ended.length }, (_, i) => i),
        ),
        whole,
      )
    }),
    { numRuns: 5_000 },
  )
})

/** A connection without a socket: what is given arrives, what is answered is dropped. */
class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
}

/** What Node's own parser makes of the bytes: start lines and contents of the requests that it got to the end of. */
async function nodeRequests(text: string): Promise<readonly Pick<ReadMessage, 'startLine' | 'content'>[]> {
  const seen: { startLine: string; content: string }[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const startLine = `${request.method} ${request.url} HTTP/${request.httpVersion}`
      seen.push({ startLine, content: Buffer.concat(parts).toString('latin1') })
      response.end()
    })
    request.on('error', () => {})
  })
  // Requests before the mistake are still to be handed out.
  server.on('clientError', () => {})
  const wire = new Wire()
  wire.on('error', () => {})
  server.emit('connection', wire)
  wire.push(Buffer.from(text, 'latin1'))
  // Nothing here waits for anything outside this process, so a few turns without news mean that it is over.
  for (let idle = 0, before = 0; idle < 8 && !wire.destroyed; idle++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (seen.length > before) idle = 0
    before = seen.length
  }
  wire.destroy()
  server.close()
  return seen
}

test('where Node’s parser accepts the same requests, it reads the same contents', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(input, cuts, async (text, at) => {
      const ours = readRequests(text, at).messages
      const theirs = await nodeRequests(text)
      for (let i = 0; i < Math.min(ours.length, theirs.length); i++) {
        const { startLine, content } = ours[i]!
        assert.deepEqual({ startLine, content }, theirs[i])
        compared += 1
      }
    }),
    { numRuns: 2_000 },
  )
  assert.ok(compared > 500, `only ${compared} requests were read by both`)
})
