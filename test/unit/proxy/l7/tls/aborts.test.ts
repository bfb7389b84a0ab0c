import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { type AddressInfo, connect as connectPlain } from 'node:net'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { startHttpProxy } from '../../../../../src/proxy/l7/standalone.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { createCertificates } from './certificates.ts'

const CLIENTS = 400
const AT_ONCE = 20

/** Numbers that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test('whatever clients and endpoints break off, through TLS on both sides, nothing is left nor mixed up', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  const random = numbers(7)
  const server = createServer({ cert, key }, (incoming, outgoing) => {
    incoming.on('error', () => {})
    const size = Math.floor(random() * 200_000)
    const answer = `${incoming.url}|`.repeat(1 + Math.floor(size / 20))
    const fate = random()
    if (fate < 0.1) incoming.socket.destroy()
    else if (fate < 0.2) {
      outgoing.writeHead(200, { 'content-length': answer.length })
      outgoing.write(answer.slice(0, answer.length / 2))
      setImmediate(() => incoming.socket.destroy())
    } else {
      incoming.resume()
      outgoing.end(answer)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const proxy = await startHttpProxy({
    listen: { host: '127.0.0.1', port: 0, tls: { certificates: [files] } },
    endpoints: [{ address: '127.0.0.1', port: (server.address() as AddressInfo).port }],
    upstream: { tls: { ca: certificates.ca, serverName: 'a.example' } },
    settings: { lingerMs: 500 },
  })
  t.after(() => proxy.close())
  let whole = 0

  async function serve(n: number): Promise<void> {
    const plain = connectPlain({ port: proxy.port, host: '127.0.0.1' })
    plain.on('error', () => {})
    if (random() < 0.1) {
      // In the middle of the handshake.
      plain.write(Buffer.from([22, 3, 1, 1, 0, 1]))
      await once(plain, 'connect')
      plain.destroy()
      return
    }
    const socket = connect({ socket: plain, ca: certificates.ca, servername: 'a.example' })
    let text = ''
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => {})
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1')
      if (random() < 0.02) {
        socket.pause()
        setImmediate(() => socket.resume())
      }
    })
    const fate = random()
    const body = 'b'.repeat(Math.floor(random() * 100_000))
    const method =
      random() < 0.5 ? `GET /${n} HTTP/1.1\r\n` : `POST /${n} HTTP/1.1\r\nContent-Length: ${body.length}\r\n`
    const sent = `${method}Host: a\r\nConnection: close\r\n\r\n${method.startsWith('POST') ? body : ''}`
    socket.write(fate < 0.1 ? sent.slice(0, sent.length / 2) : sent)
    if (fate < 0.1) socket.end()
    else if (fate < 0.2) socket.once('data', () => socket.destroy())
    else if (fate < 0.3) socket.once('data', () => plain.resetAndDestroy())
    await closed
    const at = text.indexOf('\r\n\r\n')
    if (!text.startsWith('HTTP/1.1 200') || at === -1) return
    const content = text.slice(at + 4).replaceAll(`/${n}|`, '')
    // What has come is this client's, all of it; its end may be missing.
    assert.ok(`/${n}|`.startsWith(content), `${content.slice(0, 40)} came to client ${n}`)
    if (content === '') whole++
  }

  let next = 0
  const workers = Array.from({ length: AT_ONCE }, async () => {
    while (next < CLIENTS) await serve(next++)
  })
  await Promise.all(workers)
  assert.ok(whole > CLIENTS / 3, `${whole} whole answers`)
  const { engine } = proxy
  const upstream = engine.upstreams[0]!
  await eventually(() => {
    const inFlight = [...upstream.endpoints()].map(({ balanced }) => balanced.inFlight)
    return engine.connections === 0 && upstream.metrics.inFlight === 0 && inFlight.every((n) => n === 0)
      ? true
      : undefined
  })
})
