import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RefusalName } from '../../../../src/proxy/l7/http1/refusal.ts'
import { readResponses } from './read-all.ts'

const byByte = (text: string): readonly number[] => Array.from({ length: text.length }, (_, i) => i)
const ok = (headers: string, body = ''): string => `HTTP/1.1 200 OK\r\n${headers}\r\n\r\n${body}`

const REFUSED: readonly { readonly name: string; readonly given: string; readonly want: RefusalName }[] = [
  { name: 'both lengths', given: ok('Content-Length: 5\r\nTransfer-Encoding: chunked'), want: 'length-and-encoding' },
  { name: 'two lengths', given: ok('Content-Length: 5\r\nContent-Length: 5'), want: 'duplicate-content-length' },
  { name: 'a signed length', given: ok('Content-Length: +5'), want: 'bad-content-length' },
  {
    name: 'an encoding other than chunked',
    given: ok('Transfer-Encoding: gzip, chunked'),
    want: 'bad-transfer-encoding',
  },
  {
    name: 'an encoding on HTTP/1.0',
    given: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    want: 'encoding-in-http10',
  },
  { name: 'a body on 204', given: 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', want: 'unexpected-body' },
  { name: 'chunks on 204', given: 'HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n', want: 'unexpected-body' },
  { name: 'a body on 103', given: 'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n', want: 'unexpected-body' },
  { name: 'an underscored length', given: ok('Content_Length: 5'), want: 'ambiguous-header-name' },
  { name: 'a status of two digits', given: 'HTTP/1.1 99 X\r\n\r\n', want: 'bad-status-line' },
  { name: 'a status of four digits', given: 'HTTP/1.1 2000 X\r\n\r\n', want: 'bad-status-line' },
  { name: 'status 600', given: 'HTTP/1.1 600 X\r\n\r\n', want: 'bad-status' },
  { name: 'status 099', given: 'HTTP/1.1 099 X\r\n\r\n', want: 'bad-status' },
  { name: 'HTTP/2.0', given: 'HTTP/2.0 200 OK\r\n\r\n', want: 'bad-status-line' },
  { name: 'text', given: 'hello, this is not HTTP\r\n', want: 'bad-status-line' },
  { name: 'a status line ended by LF', given: 'HTTP/1.1 200 OK\n\n', want: 'bad-line-end' },
  { name: 'a header ended by LF', given: ok('X: a\nY: b'), want: 'bad-line-end' },
  { name: 'a folded header', given: ok('X: a\r\n b'), want: 'obs-fold' },
  { name: 'a space before the colon', given: ok('Content-Length : 5'), want: 'bad-header-name' },
  { name: 'a nominated length', given: ok('Connection: content-length\r\nContent-Length: 0'), want: 'bad-connection' },
  { name: 'NUL in the phrase', given: 'HTTP/1.1 200 O\0K\r\n\r\n', want: 'bad-line-end' },
  {
    name: 'a flood of interim responses',
    given: 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(17),
    want: 'too-many-interim-responses',
  },
  {
    name: 'a chunk with a bad size',
    given: ok('Transfer-Encoding: chunked', '0x5\r\nhello\r\n'),
    want: 'bad-chunk-size',
  },
  {
    name: 'a length as a trailer',
    given: ok('Transfer-Encoding: chunked', '0\r\nContent-Length: 1\r\n\r\n'),
    want: 'forbidden-trailer',
  },
]

for (const { name, given, want } of REFUSED) {
  test(`a response is refused: ${name}`, () => {
    assert.deepEqual(readResponses(given), { messages: [], refusal: want })
    assert.deepEqual(readResponses(given, byByte(given)), { messages: [], refusal: want })
  })
}

const NEXT = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nN'
const FRAMED: readonly {
  readonly name: string
  readonly given: string
  readonly toHead?: boolean
  readonly want: string
}[] = [
  { name: 'by length', given: ok('Content-Length: 5', 'hello'), want: 'hello' },
  {
    name: 'by chunks',
    given: ok('Transfer-Encoding: chunked', '5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX: y\r\n\r\n'),
    want: 'hello!',
  },
  { name: 'a length of 0', given: ok('Content-Length: 0'), want: '' },
  { name: 'to HEAD with a length', given: ok('Content-Length: 5'), toHead: true, want: '' },
  { name: 'to HEAD with chunks', given: ok('Transfer-Encoding: chunked'), toHead: true, want: '' },
  { name: 'to HEAD with neither', given: ok('X: y'), toHead: true, want: '' },
  { name: '304 with a length', given: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', want: '' },
  { name: '304 with chunks', given: 'HTTP/1.1 304 \r\nTransfer-Encoding: chunked\r\n\r\n', want: '' },
  { name: '204', given: 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', want: '' },
  { name: 'no phrase', given: 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab', want: 'ab' },
]

for (const { name, given, toHead, want } of FRAMED) {
  test(`a response ends where it should: ${name}`, () => {
    const next = toHead === true ? 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n' : NEXT
    for (const cuts of [[], byByte(given + next)]) {
      const { messages, refusal } = readResponses(given + next, cuts, toHead)
      assert.equal(refusal, 'none')
      assert.deepEqual(
        messages.map(({ end, content }) => [end, content]),
        [
          [given.length, want],
          [given.length + next.length, toHead === true ? '' : 'N'],
        ],
      )
    }
  })
}

test('a response without a length goes on until the connection ends', () => {
  const { messages, refusal } = readResponses(ok('X: y', `some text${NEXT}`))
  assert.deepEqual({ messages, refusal }, { messages: [], refusal: 'none' })
})

test('interim responses come before the final one, whatever the splits', () => {
  const given = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${NEXT}`
  fc.assert(
    fc.property(fc.array(fc.nat(given.length), { maxLength: 6 }), (cuts) => {
      const { messages } = readResponses(given, cuts)
      assert.deepEqual(messages, [
        { startLine: 'HTTP/1.1 200 OK', content: 'N', end: given.length, headEnd: given.length - 1 },
      ])
    }),
  )
})

test('any chunked body gives back what went into it, whatever the chunks and splits', () => {
  const body = fc.array(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.constantFrom('', ';a', ';a=b', ';a="\\";"')),
    { maxLength: 8 },
  )
  fc.assert(
    fc.property(body, fc.array(fc.nat(500), { maxLength: 10 }), (chunks, cuts) => {
      const texts = chunks.map(([bytes]) => Buffer.from(bytes).toString('latin1'))
      const framed = chunks.map(
        ([bytes, extension], i) => `${bytes.length.toString(16)}${extension}\r\n${texts[i]}\r\n`,
      )
      const given = ok('Transfer-Encoding: chunked', `${framed.join('')}0\r\n\r\n${NEXT}`)
      const { messages } = readResponses(given, cuts)
      assert.deepEqual(
        messages.map(({ content }) => content),
        [texts.join(''), 'N'],
      )
    }),
  )
})
