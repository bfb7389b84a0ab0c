import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import * as f from '../../../../../src/proxy/l7/http2/frames.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, ok, startBackend, startProxy } from '../engine-fixture.ts'
import { block, data, frame, GET, headers, openFrames, POST, uint32 } from './http2-fixture.ts'

interface Echo {
  readonly port: number
}

interface Request extends NodeJS.EventEmitter {
  readonly url?: string | undefined
}

interface Response extends NodeJS.EventEmitter {
  write(text: string): unknown
  end(text: string): unknown
}

/** Answers with what it was sent, sometimes early, sometimes late, in pieces; sometimes its connections go away. */
async function startEcho(t: TestContext, speaks: 'http1' | 'h2c', random: () => number): Promise<Echo> {
  const sessions = new Set<ServerHttp2Session>()
  const answer = (request: Request, response: Response): void => {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      const text = `${request.url} ${body}`
      if (random() < 0.3) {
        response.write(text.slice(0, 5))
        setTimeout(() => response.end(text.slice(5)), random() * 5)
      } else response.end(text)
    })
    request.on('error', () => {})
    response.on('error', () => {})
  }
  const server = speaks === 'http1' ? createHttpServer(answer) : createServer(answer)
  if (speaks === 'h2c') {
    server.on('session', (session: ServerHttp2Session) => {
      sessions.add(session)
      session.on('error', () => {})
      // In order: what is under way is answered.
      if (random() < 0.5) setTimeout(() => session.close(), 50 + random() * 200)
    })
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return { port: (server.address() as AddressInfo).port }
}

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state / 0x7fff_ffff
  }
}

for (const speaks of ['http1', 'h2c'] as const) {
  test(`clients of HTTP/2 that ask much, change their minds and leave: each answer is its own (${speaks} endpoints)`, async (t) => {
    const random = seeded(7)
    const endpoints = await Promise.all([1, 2, 3].map(() => startEcho(t, speaks, random)))
    const { proxy } = await startProxy(
      t,
      endpoints.map(({ port }) => port),
      {},
      { protocol: speaks },
    )
    // What an endpoint refuses can be sent to another one as long as it is no larger.
    const large = speaks === 'http1' ? 200_000 : 50_000
    let answered = 0
    let cancelled = 0
    const failed: string[] = []
    const ask = async (session: ClientHttp2Session, nonce: string): Promise<void> => {
      const hasBody = random() < 0.5
      const size = random() < 0.1 ? large : 10
      const stream = session.request({ ':method': hasBody ? 'POST' : 'GET', ':path': `/${nonce}` })
      stream.on('error', () => {})
      let status = 0
      let body = ''
      stream.on('response', (head) => {
        status = Number(head[':status'])
      })
      stream.setEncoding('latin1')
      stream.on('data', (part) => {
        body += part
      })
      const sent = hasBody ? `${nonce}${'b'.repeat(size)}` : ''
      if (hasBody) stream.end(sent)
      const isCancelled = random() < 0.1
      if (isCancelled) setTimeout(() => stream.close(f.CANCEL), random() * 4)
      await once(stream, 'close')
      if (isCancelled) {
        cancelled++
        assert.ok(`/${nonce} ${sent}`.startsWith(body), 'no part of another answer')
        return
      }
      if (status === 200) assert.equal(body, `/${nonce} ${sent}`)
      else failed.push(`${status} ${body.slice(0, 40)}`)
      answered++
    }
    await Promise.all(
      Array.from({ length: 6 }, async (_, client) => {
        for (let round = 0; round < 6; round++) {
          const session = connect(`http://127.0.0.1:${proxy.port}`)
          session.on('error', () => {})
          await Promise.all(Array.from({ length: 40 }, (_, i) => ask(session, `${client}-${round}-${i}`)))
          if (random() < 0.5) session.close()
          else session.destroy()
        }
      }),
    )
    assert.deepEqual(failed, [])
    assert.ok(answered > 1_000 && cancelled > 50, `${answered} answered, ${cancelled} cancelled`)
    await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
    assert.equal(proxy.engine.upstreams[0]!.metrics.inFlight, 0)
    for (const { balanced } of proxy.engine.upstreams[0]!.endpoints()) assert.equal(balanced.inFlight, 0)
  })
}

const streamId = fc.constantFrom(0, 1, 1, 3, 3, 5, 7, 2)
const anyFrame: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.tuple(streamId, fc.boolean()).map(([id, isLast]) => headers(id, GET, isLast)),
  fc.tuple(streamId, fc.boolean()).map(([id, isLast]) => headers(id, POST, isLast)),
  fc
    .tuple(streamId, fc.uint8Array({ maxLength: 40 }), fc.boolean())
    .map(([id, bytes, isLast]) => data(id, bytes, isLast)),
  fc.tuple(streamId, fc.nat({ max: 13 })).map(([id, code]) => frame(f.RST_STREAM, 0, id, uint32(code))),
  fc
    .tuple(streamId, fc.constantFrom(0, 1, 70_000, 0x7fff_ffff))
    .map(([id, n]) => frame(f.WINDOW_UPDATE, 0, id, uint32(n))),
  fc
    .tuple(fc.nat({ max: 9 }), fc.constantFrom(0, 1, 100, 0xffff_ffff))
    .map(([name, value]) => frame(f.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, name]), uint32(value)]))),
  fc.tuple(streamId, fc.nat({ max: 30 })).map(([id, cut]) => frame(f.HEADERS, 1, id, block(GET).subarray(0, cut))),
  fc.tuple(streamId, fc.constantFrom(0, 4)).map(([id, flags]) => frame(f.CONTINUATION, flags, id, block([['x', 'y']]))),
  fc
    .tuple(fc.nat({ max: 12 }), fc.nat({ max: 255 }), streamId, fc.uint8Array({ maxLength: 60 }))
    .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  fc.uint8Array({ minLength: 1, maxLength: 30 }),
)

test('whatever frames come, in whatever pieces, the proxy goes on for others, and forgets what is over', async (t) => {
  const backend = await startBackend(
    t,
    answering(() => ok('fine')),
  )
  const { proxy } = await startProxy(t, [backend], { lingerMs: 50 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyFrame, { maxLength: 25 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 6 }),
      async (frames, cuts) => {
        const socket = connectTcp({ port: proxy.port, host: '127.0.0.1', noDelay: true })
        socket.on('error', () => {})
        socket.resume()
        await once(socket, 'connect')
        const all = Buffer.concat([f.PREFACE, frame(f.SETTINGS, 0, 0), ...frames])
        let at = 0
        for (const cut of [...cuts.toSorted((x, y) => x - y), all.length]) {
          if (cut <= at || socket.destroyed) continue
          socket.write(all.subarray(at, cut))
          at = cut
          await new Promise((resolve) => setImmediate(resolve))
        }
        await new Promise((resolve) => setImmediate(resolve))
        socket.destroy()
      },
    ),
    { numRuns: 300 },
  )
  const peer = await openFrames(t, proxy.port)
  peer.send(headers(1, GET))
  assert.equal((await peer.head(1))[':status'], '200')
  peer.socket.destroy()
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
  assert.equal(proxy.engine.upstreams[0]!.metrics.inFlight, 0)
  for (const { balanced } of proxy.engine.upstreams[0]!.endpoints()) assert.equal(balanced.inFlight, 0)
})
