import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { UpstreamOptions } from '../../../../src/proxy/l7/engine/upstream.ts'
import { answering, get, ok, type ProxyFixture, startBackend, startProxy } from './engine-fixture.ts'

/** A proxy before eight backends that answer with their number. */
async function startEight(
  t: TestContext,
  upstream: Omit<UpstreamOptions, 'name' | 'endpoints'>,
): Promise<ProxyFixture & { readonly ports: readonly number[] }> {
  const backends = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      startBackend(
        t,
        answering(() => ok(`<${i}>`)),
      ),
    ),
  )
  const fixture = await startProxy(t, backends, {}, upstream)
  return { ...fixture, ports: backends.map(({ port }) => port) }
}

async function ask(fixture: ProxyFixture, headers: readonly string[]): Promise<readonly string[]> {
  const client = await fixture.client()
  const texts: string[] = []
  for (const header of headers) {
    client.send(get('/', header))
    texts.push(await client.until(/<\d>$/))
  }
  client.socket.destroy()
  return texts
}

const numberOf = (text: string): string => /<(\d)>$/.exec(text)![1]!
const distinct = (texts: readonly string[]): number => new Set(texts.map(numberOf)).size

describe('hashing algorithms', () => {
  for (const algorithm of ['maglev', 'ring-hash'] as const) {
    it(`send requests of one header value to one endpoint (${algorithm})`, async (t) => {
      const fixture = await startEight(t, { algorithm, key: { from: 'header', name: 'X-User' } })
      assert.equal(distinct(await ask(fixture, new Array<string>(24).fill('x-user: ann\r\n'))), 1)
      const users = Array.from({ length: 24 }, (_, i) => `X-USER: u${i}\r\n`)
      const first = (await ask(fixture, users)).map(numberOf)
      assert.ok(new Set(first).size > 2, first.join(' '))
      assert.deepEqual((await ask(fixture, users)).map(numberOf), first)
    })
  }

  it('go by a cookie among others, and spread requests that have none', async (t) => {
    const fixture = await startEight(t, { algorithm: 'maglev', key: { from: 'cookie', name: 'sid' } })
    assert.equal(
      distinct(
        await ask(
          fixture,
          Array.from({ length: 16 }, (_, i) => `Cookie: a=${i}; sid=7; b=1\r\n`),
        ),
      ),
      1,
    )
    assert.ok(distinct(await ask(fixture, new Array<string>(24).fill(''))) > 2)
  })

  it('go by the client address if nothing else is said', async (t) => {
    const fixture = await startEight(t, { algorithm: 'ring-hash' })
    assert.equal(distinct(await ask(fixture, new Array<string>(16).fill(''))), 1)
  })
})

describe('sticky sessions', () => {
  const cookieOf = (text: string): string | undefined =>
    /^Set-Cookie: (sid=[\w-]{16}); Path=\/; HttpOnly/m.exec(text)?.[1]

  it('begin with a cookie that is said once and then followed', async (t) => {
    const fixture = await startEight(t, {
      algorithm: 'round-robin',
      affinity: { by: 'cookie', name: 'sid', secret: 'hush' },
    })
    const [first] = await ask(fixture, [''])
    const cookie = cookieOf(first!)
    assert.ok(cookie !== undefined, first)
    const later = await ask(fixture, new Array<string>(16).fill(`Cookie: x=1; ${cookie}\r\n`))
    assert.deepEqual(new Set(later.map(numberOf)), new Set([numberOf(first!)]))
    assert.equal(
      later.find((text) => /set-cookie/i.test(text)),
      undefined,
    )
  })

  it('move, and say so, when their endpoint ends or goes', async (t) => {
    const { ports, ...fixture } = await startEight(t, {
      algorithm: 'round-robin',
      affinity: { by: 'cookie', name: 'sid', secret: 'hush' },
    })
    const [first] = await ask(fixture, [''])
    const home = Number(numberOf(first!))
    const header = `Cookie: ${cookieOf(first!)}\r\n`
    const endpoints = ports.map((port) => ({ address: '127.0.0.1', port }))
    const ways = [
      endpoints.map((endpoint, i) => ({ ...endpoint, terminating: i === home })),
      endpoints.filter((_, i) => i !== home),
    ]
    for (const way of ways) {
      fixture.proxy.setEndpoints(way)
      const [moved] = await ask(fixture, [header])
      assert.notEqual(Number(numberOf(moved!)), home)
      assert.notEqual(cookieOf(moved!), undefined)
    }
    fixture.proxy.setEndpoints(endpoints)
    assert.equal(Number(numberOf((await ask(fixture, [header]))[0]!)), home)
  })

  it('are told and followed in a header, where that is wanted; a made-up token is passed over', async (t) => {
    const fixture = await startEight(t, {
      algorithm: 'round-robin',
      affinity: { by: 'header', name: 'X-Session', secret: 'hush' },
    })
    const [first] = await ask(fixture, ['X-Session: 0123456789abcdef\r\n'])
    const token = /^X-Session: ([\w-]{16})\r$/m.exec(first!)?.[1]
    assert.ok(token !== undefined, first)
    const later = await ask(fixture, new Array<string>(9).fill(`x-session: ${token}\r\n`))
    assert.deepEqual(new Set(later.map(numberOf)), new Set([numberOf(first!)]))
  })
})

describe('time limits of an upstream', () => {
  it('end a request that its endpoint does not answer', async (t) => {
    const backend = await startBackend(t)
    const fixture = await startProxy(t, [backend], {}, { timeouts: { requestMs: 50 } })
    const client = await fixture.client()
    client.send(get())
    assert.match(await client.until(/overall-timeout\n$/), /^HTTP\/1\.1 504 /)
    client.send(get())
    assert.match(await client.until(/overall-timeout\n$/), /^HTTP\/1\.1 504 /)
  })

  it('cut a response that goes on for too long', async (t) => {
    const backend = await startBackend(t, (peer) => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123'))
    const fixture = await startProxy(t, [backend], {}, { timeouts: { requestMs: 300 } })
    const client = await fixture.client()
    client.send(get())
    await client.closed()
    assert.doesNotMatch(client.text, /504/)
  })
})
