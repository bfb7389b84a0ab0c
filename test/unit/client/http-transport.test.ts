import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { ApiServers } from '../../../src/client/api-servers.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createInformer } from '../../../src/client/create-informer.ts'
import { createHttpTransport } from '../../../src/client/http-transport.ts'
import type { Transport, WatchEvent } from '../../../src/client/transport.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestFront, type TestFront } from '../apiserver/front-fixture.ts'
import { CONFIG_MAPS_PATH, configMap } from '../apiserver/server-fixture.ts'
import { startTcpRelay, type TcpRelay } from './tcp-relay.ts'

let server: TestFront
let relay: TcpRelay
let transport: Transport
before(async () => {
  server = await startTestFront()
})
after(async () => {
  await server.close()
  assert.deepEqual(server.api.errors, [])
})
beforeEach(async () => {
  relay = await startTcpRelay(server.front.port)
  transport = open()
})
afterEach(async () => {
  await transport.close()
  await relay.close()
})

function open(more: Partial<Parameters<typeof createHttpTransport>[0]> = {}): Transport {
  return createHttpTransport({
    server: `https://127.0.0.1:${relay.port}`,
    ca: server.pki.caPem,
    ...server.pki.admin,
    ...more,
  })
}

const get = (path: string): ReturnType<Transport['request']> => transport.request({ method: 'GET', path })

/** A watch that gathers its events; `ended` resolves with what ended it. */
async function follow(
  signal?: AbortSignal,
): Promise<{ readonly events: WatchEvent[]; readonly ended: Promise<unknown> }> {
  const stream = await transport.watch({
    method: 'GET',
    path: CONFIG_MAPS_PATH,
    query: { watch: '1' },
    ...(signal === undefined ? {} : { signal }),
  })
  const events: WatchEvent[] = []
  const ended = (async () => {
    try {
      for await (const event of stream) events.push(event)
      return 'ended'
    } catch (error) {
      return error
    }
  })()
  return { events, ended }
}

describe('requests', () => {
  test('share one connection and come back with status and body', async () => {
    const client = createClient(transport)
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        client.create(CONFIG_MAPS, configMap(`a${i}`, { x: String(i) }, { namespace: 'default' })),
      ),
    )
    assert.equal((await client.get(CONFIG_MAPS, { namespace: 'default', name: 'a7' })).data?.x, '7')
    assert.equal((await client.list(CONFIG_MAPS, { namespace: 'default', limit: 5 })).items.length, 5)
    assert.equal(relay.accepted, 1)
  })

  test('any status is an answer; the client makes an error of it with reason and code', async () => {
    assert.equal((await get('/api/v1/none')).status, 404)
    await assert.rejects(
      createClient(transport).get(CONFIG_MAPS, { namespace: 'default', name: 'none' }),
      (error) => error instanceof StatusError && error.reason === 'NotFound' && error.code === 404,
    )
  })

  test('reject when the wire breaks under them, and the next one connects anew', async () => {
    await get('/version')
    const pending = Promise.allSettled(Array.from({ length: 5 }, () => get('/api/v1/configmaps')))
    relay.cut()
    for (const result of await pending)
      if (result.status === 'rejected') assert.match(result.reason.message, /127\.0\.0\.1/)
    await eventually(async () => ((await get('/version')).status === 200 ? true : undefined))
    assert.ok(relay.accepted >= 2)
  })

  test('reject while nobody listens, and go on once somebody does', async () => {
    const { port } = server.front
    relay.target = 1
    await assert.rejects(get('/version'))
    await assert.rejects(get('/version'))
    relay.target = port
    await eventually(async () => ((await get('/version')).status === 200 ? true : undefined))
  })

  test('that are not answered reject after the deadline', async () => {
    transport = open({ deadlineMs: 200 })
    await get('/version')
    relay.freeze()
    await assert.rejects(get('/version'), (error) => error instanceof StatusError && error.reason === 'Timeout')
  })

  test('go on another connection once the silent one is found out by its pings', async () => {
    transport = open({ deadlineMs: 30_000, pingEveryMs: 50, pingAnswerMs: 100 })
    await get('/version')
    relay.freeze()
    await assert.rejects(get('/version'))
    assert.equal((await get('/version')).status, 200)
    assert.equal(relay.accepted, 2)
  })

  test('end when their signal says so, before or while they run', async () => {
    const abort = new AbortController()
    relay.freeze()
    const pending = transport.request({ method: 'GET', path: '/version', signal: abort.signal })
    abort.abort()
    await assert.rejects(pending, /aborted/)
    await assert.rejects(transport.request({ method: 'GET', path: '/version', signal: abort.signal }), /aborted/)
  })

  test('are not sent once the transport is closed', async () => {
    await transport.close()
    await assert.rejects(get('/version'), /closed/)
  })

  test('go to no server that another authority vouches for', async () => {
    const stranger = await startTestFront()
    relay.target = stranger.front.port
    await assert.rejects(get('/version'))
    await stranger.close()
  })

  test('carry a token where there is no certificate', async () => {
    server.bindings.accounts.set('default/robot', 'u1')
    const { token } = await server.tokens.issue({ namespace: 'default', name: 'robot', uid: 'u1' }, [], 600)
    const own = createHttpTransport({ server: server.url, ca: server.pki.caPem, token })
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const { body } = await own.request({ method: 'POST', path, body: {} })
    assert.equal(
      (body as { status: { userInfo: { username: string } } }).status.userInfo.username,
      'system:serviceaccount:default:robot',
    )
    await own.close()
  })
})

test('an answer that breaks off is an error, not half an answer', async () => {
  const payload = 'x'.repeat(900_000)
  for (let i = 0; i < 20; i++)
    await server.api.wire({
      method: 'POST',
      path: '/api/v1/namespaces/default/secrets',
      body: { metadata: { name: `big-${i}` }, stringData: { payload } },
    })
  await get('/version')
  for (let i = 0; i < 10; i++) {
    const pending = get('/api/v1/secrets').then(
      ({ status, body }) => assert.deepEqual([status, (body as { items: unknown[] }).items.length], [200, 20]),
      (error) => assert.ok(error instanceof Error),
    )
    await new Promise((resolve) => setTimeout(resolve, i * 2))
    relay.cut()
    await pending
  }
})

describe('several servers', () => {
  let second: TcpRelay
  let servers: ApiServers
  const url = (of: TcpRelay): string => `https://127.0.0.1:${of.port}`
  const post = (name: string): ReturnType<Transport['request']> =>
    transport.request({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(name) })
  beforeEach(async () => {
    second = await startTcpRelay(server.front.port)
    servers = new ApiServers([url(relay), url(second)])
    transport = open({ server: servers })
  })
  afterEach(() => second.close())

  test('one is used until it is gone; reads under way are asked again at the other', async () => {
    await get('/version')
    assert.deepEqual([relay.accepted, second.accepted], [1, 0])
    const pending = Promise.all(Array.from({ length: 5 }, () => get('/api/v1/configmaps')))
    relay.cut()
    assert.deepEqual(
      (await pending).map(({ status }) => status),
      Array.from({ length: 5 }, () => 200),
    )
    assert.equal(servers.current, url(second))
    await get('/version')
    assert.equal(second.accepted, 1)
  })

  test('writes go to the other one when the first cannot have seen them', async () => {
    await relay.close()
    assert.equal((await post('unseen')).status, 201)
  })

  test('a write that may have been seen is never sent again', async () => {
    await get('/version')
    relay.freeze()
    const pending = post('perhaps')
    // Once its bytes are out nobody knows what became of them.
    await new Promise((resolve) => setTimeout(resolve, 20))
    relay.cut()
    await assert.rejects(pending)
    assert.equal(second.accepted, 0)
    assert.equal((await get(`${CONFIG_MAPS_PATH}/perhaps`)).status, 404)
    assert.equal(servers.current, url(second))
  })

  test('a silent one is left for the other', async () => {
    transport = open({ server: servers, pingEveryMs: 50, pingAnswerMs: 100 })
    await get('/version')
    relay.freeze()
    assert.equal((await get('/version')).status, 200)
    assert.equal(servers.current, url(second))
  })

  test('a watch that ended is taken up at the other where it was', async () => {
    const informer = createInformer({
      client: createClient(transport),
      type: CONFIG_MAPS,
      clock: systemClock,
      logger: silentLogger,
    })
    await informer.synced
    const told: string[] = []
    informer.onChange(({ type, object }) => {
      if (/^over-/.test(object.metadata?.name ?? '')) told.push(`${type} ${object.metadata?.name}`)
    })
    await server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('over-1') })
    await eventually(() => told.length === 1 || undefined)
    await relay.close()
    await server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('over-2') })
    await eventually(() => told.length === 2 || undefined)
    informer.close()
    assert.deepEqual(told, ['added over-1', 'added over-2'])
  })

  test('what the cluster says of them is taken over; the one in use stays', () => {
    const known = new ApiServers(['https://a', 'https://b'])
    known.moveOn('https://a')
    known.moveOn('https://a')
    assert.equal(known.current, 'https://b')
    known.replace(['https://c', 'https://b'])
    assert.deepEqual([known.current, known.all], ['https://b', ['https://c', 'https://b']])
    known.replace([])
    known.replace(['https://c'])
    assert.deepEqual([known.current, known.all], ['https://c', ['https://c']])
  })
})

describe('watches', () => {
  test('that are refused reject with the Status', async () => {
    await assert.rejects(
      transport.watch({ method: 'GET', path: CONFIG_MAPS_PATH, query: { watch: '1', labelSelector: 'a b' } }),
      (error) => error instanceof StatusError && error.code === 400,
    )
  })

  test('outlast the deadline of requests', async () => {
    transport = open({ deadlineMs: 150 })
    const abort = new AbortController()
    const watch = await follow(abort.signal)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('late') })
    await eventually(() => watch.events.some(({ object }) => object.metadata?.name === 'late') || undefined)
    abort.abort()
    assert.equal(await watch.ended, 'ended')
  })

  test('end when the wire breaks, and when asked to', async () => {
    const abort = new AbortController()
    const asked = await follow(abort.signal)
    const cut = await follow()
    abort.abort()
    assert.equal(await asked.ended, 'ended')
    relay.cut()
    assert.notEqual(await cut.ended, undefined)
  })

  test('on a wire that has gone silent end once a ping finds it out', async () => {
    transport = open({ pingEveryMs: 50, pingAnswerMs: 100 })
    const watch = await follow()
    relay.freeze()
    assert.notEqual(await watch.ended, undefined)
  })

  test('end when the server closes in order', async () => {
    const own = await startTestFront()
    const direct = createHttpTransport({ server: own.url, ca: own.pki.caPem, ...own.pki.admin })
    const stream = await direct.watch({ method: 'GET', path: CONFIG_MAPS_PATH, query: { watch: '1' } })
    const ended = (async () => {
      for await (const _ of stream);
    })().catch(() => {})
    await own.close()
    await ended
    await direct.close()
  })
})
