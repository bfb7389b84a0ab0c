import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HttpExchange, isWholeResponse } from '../../../src/proxy/l4/http-exchange.ts'

const GET = 'GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

interface Row {
  readonly name: string
  /** Alternating: `>` from the client, `<` from the server. */
  readonly said: readonly string[]
  readonly want: 'idle' | 'repeatable' | 'neither'
}

const ROWS: readonly Row[] = [
  { name: 'nothing was said', said: [], want: 'neither' },
  { name: 'a request waits', said: [`>${GET}`], want: 'repeatable' },
  { name: 'a request was answered', said: [`>${GET}`, `<${OK}`], want: 'idle' },
  { name: 'the second request waits', said: [`>${GET}`, `<${OK}`, `>${GET}`], want: 'repeatable' },
  { name: 'HEAD has no body', said: ['>HEAD / HTTP/1.1\r\n\r\n', `<${OK.slice(0, -2)}`], want: 'idle' },
  { name: '304 has no body', said: [`>${GET}`, '<HTTP/1.1 304 Not Modified\r\n\r\n'], want: 'idle' },
  { name: '204 has no body', said: [`>${GET}`, '<HTTP/1.1 204 No Content\r\n\r\n'], want: 'idle' },
  {
    name: 'a body in chunks',
    said: [`>${GET}`, '<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n'],
    want: 'idle',
  },
  {
    name: 'a body in chunks with a trailer, in pieces',
    said: [
      `>${GET}`,
      '<HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      '<2\r',
      '<\nok\r\n0\r\nA: b',
      '<\r\n\r\n',
    ],
    want: 'idle',
  },
  { name: 'a body in pieces', said: [`>${GET}`, `<${OK.slice(0, -1)}`, '<k'], want: 'idle' },
  { name: 'a body is not complete', said: [`>${GET}`, `<${OK.slice(0, -1)}`], want: 'neither' },
  { name: 'a request with a body', said: ['>POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab', `<${OK}`], want: 'idle' },
  // RFC 9110 §9.2.2: what is not safe is not sent twice.
  { name: 'POST waits', said: ['>POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n'], want: 'neither' },
  { name: 'DELETE waits', said: ['>DELETE / HTTP/1.1\r\n\r\n'], want: 'neither' },
  { name: 'the answer has begun', said: [`>${GET}`, '<HTTP/1.1 200'], want: 'neither' },
  { name: 'a head in pieces', said: ['>GET / HTTP/1.1\r\n', '>\r\n'], want: 'neither' },
  { name: 'two requests at once', said: [`>${GET}${GET}`], want: 'neither' },
  { name: 'two requests one after the other', said: [`>${GET}`, `>${GET}`], want: 'neither' },
  { name: 'one answer to two requests', said: [`>${GET}${GET}`, `<${OK}`], want: 'neither' },
  { name: 'more than the answer', said: [`>${GET}`, `<${OK}x`], want: 'neither' },
  { name: 'a request within an answer', said: [`>${GET}`, `<${OK.slice(0, -1)}`, `>${GET}`], want: 'neither' },
  {
    name: 'the server closes',
    said: [`>${GET}`, `<${OK.replace('Content', 'Connection: Foo, Close\r\nContent')}`],
    want: 'neither',
  },
  { name: 'the client closes', said: [`>GET / HTTP/1.1\r\nConnection: close\r\n\r\n`, `<${OK}`], want: 'neither' },
  // RFC 9112 §6.3: such a body ends with the connection.
  { name: 'a body until the end', said: [`>${GET}`, '<HTTP/1.1 200 OK\r\n\r\nok'], want: 'neither' },
  { name: 'HTTP/1.0', said: ['>GET / HTTP/1.0\r\n\r\n', `<${OK}`], want: 'neither' },
  { name: 'an answer of HTTP/1.0', said: [`>${GET}`, `<${OK.replace('1.1', '1.0')}`], want: 'neither' },
  { name: 'an interim answer', said: [`>${GET}`, '<HTTP/1.1 100 Continue\r\n\r\n'], want: 'neither' },
  {
    name: 'an upgrade',
    said: ['>GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
    want: 'neither',
  },
  { name: 'a tunnel', said: ['>CONNECT x:1 HTTP/1.1\r\n\r\n', '<HTTP/1.1 200 OK\r\n\r\n'], want: 'neither' },
  {
    name: 'authentication of the connection',
    said: ['>GET / HTTP/1.1\r\nAuthorization: NTLM x\r\n\r\n'],
    want: 'neither',
  },
  {
    name: 'expectation',
    said: ['>POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n'],
    want: 'neither',
  },
  // RFC 9112 §6.1: contradictions are how requests are smuggled.
  {
    name: 'length and chunks',
    said: ['>GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    want: 'neither',
  },
  { name: 'two lengths', said: ['>GET / HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n'], want: 'neither' },
  { name: 'an unknown coding', said: ['>GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'], want: 'neither' },
  { name: 'a folded line', said: ['>GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n'], want: 'neither' },
  { name: 'a bare LF', said: ['>GET / HTTP/1.1\nHost: x\n\n'], want: 'neither' },
  {
    name: 'bad chunk size',
    said: [`>${GET}`, '<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n'],
    want: 'neither',
  },
  {
    name: 'bad chunk end',
    said: [`>${GET}`, '<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n'],
    want: 'neither',
  },
  { name: 'not HTTP at all', said: ['>\x16\x03\x01\x02\x00', '<\x16\x03\x03'], want: 'neither' },
  { name: 'HTTP/2', said: ['>PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], want: 'neither' },
  {
    name: 'what was not understood is forgotten with the next request',
    said: ['>?', '<!', `>${GET}`, `<${OK}`],
    want: 'idle',
  },
  { name: 'a request after an answer that may not be complete', said: [`>${GET}`, '<?', `>${GET}`], want: 'neither' },
  { name: 'the answer to it shows that it was', said: [`>${GET}`, '<?', `>${GET}`, `<${OK}`], want: 'idle' },
]

for (const { name, said, want } of ROWS)
  test(`exchange: ${name}`, () => {
    const exchange = new HttpExchange(false)
    for (const one of said) {
      const bytes = Buffer.from(one.slice(1), 'latin1')
      if (one.startsWith('>')) exchange.request(bytes)
      else exchange.response(bytes)
    }
    assert.equal(exchange.isIdle ? 'idle' : exchange.isRepeatable ? 'repeatable' : 'neither', want)
  })

test('a response alone is whole when it is complete and the connection goes on', () => {
  const whole = (text: string): boolean => isWholeResponse(Buffer.from(text))
  assert.ok(whole(OK))
  assert.ok(!whole(OK.slice(0, -1)))
  assert.ok(!whole(`${OK}x`))
  assert.ok(!whole(OK.replace('Content', 'Connection: close\r\nContent')))
  assert.ok(!whole('HTTP/1.1 200 OK\r\n\r\n'))
})

const body = fc.string({ maxLength: 40, unit: fc.constantFrom('a', '\r', '\n', '0', ';', ' ') })
const coded = fc.record({ text: body, cuts: fc.array(fc.nat(39), { maxLength: 4 }), chunked: fc.boolean() })

function message(start: string, { text, cuts, chunked }: { text: string; cuts: number[]; chunked: boolean }): Buffer {
  if (!chunked) return Buffer.from(`${start}\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
  const at = [...new Set([0, ...cuts.filter((cut) => cut < text.length), text.length])].sort((a, b) => a - b)
  const chunks = at.slice(1).map((end, i) => text.slice(at[i], end))
  const coding = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
  return Buffer.from(`${start}\r\nTransfer-Encoding: chunked\r\n\r\n${coding}0\r\n\r\n`)
}

/** Cut anywhere behind the head. */
function pieces(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const head = bytes.indexOf('\r\n\r\n') + 4
  const at = [...new Set([...cuts.map((cut) => head + (cut % (bytes.length - head + 1))), bytes.length])]
  at.sort((a, b) => a - b)
  return at.map((end, i) => bytes.subarray(at[i - 1] ?? 0, end)).filter(({ length }) => length > 0)
}

test('however bodies are cut, a connection is idle between exchanges and never within one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ask: coded, answer: coded, cuts: fc.array(fc.nat(), { maxLength: 5 }) }), { minLength: 1 }),
      (exchanges) => {
        const exchange = new HttpExchange(false)
        for (const { ask, answer, cuts } of exchanges) {
          for (const piece of pieces(message('POST / HTTP/1.1', ask), cuts)) {
            exchange.request(piece)
            assert.ok(!exchange.isIdle && !exchange.isRepeatable)
          }
          const answers = pieces(message('HTTP/1.1 200 OK', answer), cuts)
          for (const [i, piece] of answers.entries()) {
            exchange.response(piece)
            assert.equal(exchange.isIdle, i === answers.length - 1)
          }
        }
      },
    ),
  )
})

test('whatever is said, nothing is thrown', () => {
  const part = fc.constantFrom(
    GET,
    OK,
    'GET ',
    'HTTP/1.1 200 OK\r\n',
    'Content-Length: 3\r\n',
    '\r\n\r\n',
    'abc',
    '\x00\xff',
  )
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.boolean(),
          fc.array(part).map((parts) => parts.join('')),
        ),
      ),
      (said) => {
        const exchange = new HttpExchange(false)
        for (const [isClient, text] of said) {
          const bytes = Buffer.from(text, 'latin1')
          if (isClient) exchange.request(bytes)
          else exchange.response(bytes)
          assert.ok(!(exchange.isIdle && exchange.isRepeatable))
        }
      },
    ),
  )
})
