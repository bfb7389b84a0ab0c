import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ok, startBackend, startProxy } from './engine-fixture.ts'

// The situations of two public probes, h1spec and the malformed input of Http11Probe, over real connections: what a
// server has to wait for, what it has to answer, and what it has to refuse. What stands here of them is what is sent.

const HOST = 'Host: example.com\r\n'
const get = (headers: string): string => `GET / HTTP/1.1\r\n${HOST}${headers}\r\n`

const WHOLE = 'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n'
/** Where h1spec cuts a request; the rest must be waited for. */
const PIECES: readonly string[] = [
  'G',
  'GET ',
  'GET /hello',
  'GET /hello ',
  'GET /hello HTTP',
  'GET /hello HTTP/1.1',
  'GET /hello HTTP/1.1\r',
  'GET /hello HTTP/1.1\r\n',
  'GET /hello HTTP/1.1\r\nHos',
  'GET /hello HTTP/1.1\r\nHost:',
  'GET /hello HTTP/1.1\r\nHost: ',
  'GET /hello HTTP/1.1\r\nHost: localhost',
  'GET /hello HTTP/1.1\r\nHost: localhost\r',
  'GET /hello HTTP/1.1\r\nHost: localhost\r\n',
  'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r',
]

const ANSWERED: readonly (readonly [name: string, given: string])[] = [
  ['an expectation without a body', get('Expect: 100-continue\r\n')],
  ['a plain request', get('')],
  ['a tab before the host, an empty value', 'GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n'],
  ['a value of one space', get('X-Empty-Header: \r\n')],
  ['a request with a body', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`],
]

/** With the status that is wanted: any of 4xx and 505 is what the probes accept. */
const REFUSED: readonly (readonly [name: string, given: string, status: number])[] = [
  ['no version', 'GET / \r\n\r\n', 400],
  ['brackets in a name', get('X-Invalid[]: test\r\n'), 400],
  ['no host', 'GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n', 400],
  ['two hosts', get('Host: example.org\r\n'), 400],
  ['a length far below zero', get('Content-Length: -123456789123456789123456789\r\n'), 400],
  ['a length below zero', get('Content-Length: -1234\r\n'), 400],
  ['a length of letters', get('Content-Length: abc\r\n'), 400],
  ['a bell in a value', get('X-Bad-Control-Char: test\x07\r\n'), 400],
  ['version 9.9', `GET / HTTP/9.9\r\n${HOST}\r\n`, 505],
  ['words before the method', `Extra lineGET / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a header behind a lone CR', get('\rSome-Header: Test\r\n'), 400],
  ['a length and an encoding', get('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'), 400],
  ['a target of 100 KB', `GET /${'A'.repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n`, 414],
  ['a value of 100 KB', get(`X-Big: ${'B'.repeat(100_000)}\r\n`), 431],
  ['10,000 headers', get(Array.from({ length: 10_000 }, (_, i) => `X-H-${i}: value\r\n`).join('')), 431],
  ['a NUL in the target', `GET /\0test HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['control characters in a value', get('X-Test: abc\x07\x08\x0bdef\r\n'), 400],
  ['a name of 100 KB', get(`${'A'.repeat(100_000)}: val\r\n`), 431],
  ['a method of 100 KB', `${'A'.repeat(100_000)} / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['UTF-8 in a name', get('X-T\xc3\xabst: value\r\n'), 400],
  ['UTF-8 in the target', `GET /caf\xc3\xa9 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a length beyond 64 bits', `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\n`, 400],
  ['a line of spaces', '   \r\n\r\n', 400],
]

/** What is on its way within this process has arrived. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('situations of public probes', async (t) => {
  const seen: string[] = []
  const backend = await startBackend(t, (peer) => {
    peer.socket.on('data', () => {
      const end = peer.text.indexOf('\r\n\r\n')
      if (end === -1) return
      seen.push(peer.text.slice(0, end))
      peer.text = ''
      peer.send(ok('fine'))
    })
  })
  const { client } = await startProxy(t, [backend])

  for (const piece of PIECES) {
    await t.test(`waits behind ${JSON.stringify(piece)}`, async () => {
      const peer = await client()
      peer.send(piece)
      await quiet()
      assert.deepEqual([peer.text, peer.isEnded, peer.isClosed], ['', false, false])
      peer.send(WHOLE.slice(piece.length))
      assert.match(await peer.until(/fine$/), /^HTTP\/1\.1 200 /)
    })
  }
  for (const [name, given] of ANSWERED) {
    await t.test(`answers ${name}`, async () => {
      const peer = await client()
      peer.send(given)
      assert.match(await peer.until(/fine$/), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 /)
    })
  }
  for (const [name, given, status] of REFUSED) {
    await t.test(`refuses ${name}`, async () => {
      const reached = seen.length
      const peer = await client()
      peer.send(given)
      assert.match(await peer.ended(), new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.equal(seen.length, reached, 'nothing of it goes on')
    })
  }
})
