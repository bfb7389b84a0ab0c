import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../../src/api/object.ts'
import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import type { WatchEvent } from '../../../src/client/transport.ts'
import { eventually } from '../../harness/eventually.ts'
import {
  CONFIG_MAPS_PATH,
  configMap,
  startTestServer,
  summary,
  type TestServer,
  take,
  type WireRequest,
} from './server-fixture.ts'

let api: TestServer

before(async () => {
  api = await startTestServer()
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

async function create(name: string, labels: Readonly<Record<string, string>> = {}): Promise<KubeObject> {
  const { status, body } = await api.wire({
    method: 'POST',
    path: CONFIG_MAPS_PATH,
    body: configMap(name, {}, { labels }),
  })
  assert.equal(status, 201)
  return body
}

async function put(name: string, labels: Readonly<Record<string, string>>): Promise<KubeObject> {
  const path = `${CONFIG_MAPS_PATH}/${name}`
  return (await api.wire({ method: 'PUT', path, body: configMap(name, { x: String(Math.random()) }, { labels }) })).body
}

const remove = (name: string): ReturnType<TestServer['wire']> =>
  api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/${name}` })

const versionOf = (object: KubeObject): string => object.metadata!.resourceVersion!

/** Follows a watch in the process until told to stop; `events` grows. */
async function follow(
  query: Readonly<Record<string, string>>,
): Promise<{ events: WatchEvent[]; ended: Promise<void>; stop(): void }> {
  const abort = new AbortController()
  const events: WatchEvent[] = []
  const stream = await api.transport.watch({
    method: 'GET',
    path: CONFIG_MAPS_PATH,
    query: { ...query, watch: 'true' },
    signal: abort.signal,
  })
  const ended = (async () => {
    for await (const event of stream) events.push(event)
  })()
  return { events, ended, stop: () => abort.abort() }
}

describe('where a watch begins', () => {
  test('without a version: with what there is, then what changes', async () => {
    await create('start-a')
    await create('start-b')
    const watch = await follow({ labelSelector: '!later' })
    await remove('start-a')
    await eventually(() => watch.events.length === 3 || undefined)
    watch.stop()
    await watch.ended
    assert.deepEqual(summary(watch.events), ['ADDED start-a', 'ADDED start-b', 'DELETED start-a'])
    await remove('start-b')
  })

  test('version 0 is the same, from whatever state there is', async () => {
    await create('zero')
    assert.deepEqual(
      summary(await take(api.transport, { path: CONFIG_MAPS_PATH, query: { resourceVersion: '0' } }, 1)),
      ['ADDED zero'],
    )
    await remove('zero')
  })

  test('at a version: every later change once, in order, and nothing before', async () => {
    const first = await create('order-a')
    await create('order-b')
    await put('order-a', { x: '1' })
    await remove('order-b')
    const events = await take(
      api.transport,
      { path: CONFIG_MAPS_PATH, query: { resourceVersion: versionOf(first) } },
      3,
    )
    assert.deepEqual(summary(events), ['ADDED order-b', 'MODIFIED order-a', 'DELETED order-b'])
    const versions = events.map(({ object }) => Number(versionOf(object)))
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    )
    assert.ok(versions[0]! > Number(versionOf(first)))
    await remove('order-a')
  })

  test('with sendInitialEvents: the state, a marked bookmark, then what changes', async () => {
    await create('initial-a')
    const watch = await follow({
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
    })
    await create('initial-b')
    await eventually(() => watch.events.length === 3 || undefined)
    watch.stop()
    assert.deepEqual(summary(watch.events), ['ADDED initial-a', 'BOOKMARK initial-events-end', 'ADDED initial-b'])
    const [added, bookmark, later] = watch.events.map(({ object }) => Number(versionOf(object)))
    assert.ok(added! <= bookmark! && bookmark! < later!)
    assert.equal(watch.events[1]!.object.kind, 'ConfigMap')
    await remove('initial-a')
    await remove('initial-b')
  })

  test('with sendInitialEvents=false: only what changes, from the version if one is given', async () => {
    const first = await create('changes-a')
    await create('changes-b')
    const query = { sendInitialEvents: 'false', resourceVersionMatch: 'NotOlderThan' }
    const watch = await follow(query)
    await create('changes-c')
    await eventually(() => watch.events.length === 1 || undefined)
    watch.stop()
    assert.deepEqual(summary(watch.events), ['ADDED changes-c'])
    const from = await take(
      api.transport,
      { path: CONFIG_MAPS_PATH, query: { ...query, resourceVersion: versionOf(first) } },
      2,
    )
    assert.deepEqual(summary(from), ['ADDED changes-b', 'ADDED changes-c'])
    for (const name of ['changes-a', 'changes-b', 'changes-c']) await remove(name)
  })
})

describe('selectors', () => {
  test('an object that comes to fit is added, one that no longer fits is deleted with its last state that did', async () => {
    const start = await create('fits', { on: 'no' })
    await put('fits', { on: 'yes', step: '1' })
    await put('fits', { on: 'yes', step: '2' })
    const left = await put('fits', { on: 'no' })
    await remove('fits')
    await create('fits', { on: 'yes' })
    const query = { resourceVersion: versionOf(start), labelSelector: 'on=yes' }
    const events = await take(api.transport, { path: CONFIG_MAPS_PATH, query }, 4)
    assert.deepEqual(summary(events), ['ADDED fits', 'MODIFIED fits', 'DELETED fits', 'ADDED fits'])
    assert.deepEqual(events[2]!.object.metadata?.labels, { on: 'yes', step: '2' })
    assert.equal(versionOf(events[2]!.object), versionOf(left))
    await remove('fits')
  })

  test('over the wire, too, and live', async () => {
    const start = await create('wire', { on: 'yes' })
    const request = {
      path: `${CONFIG_MAPS_PATH}?watch=1&resourceVersion=${versionOf(start)}&labelSelector=on%3Dyes`,
      readMs: 300,
    }
    const [answer] = await Promise.all([api.wire(request), put('wire', { on: 'no' })])
    const line = JSON.parse(answer.text)
    assert.equal(line.type, 'DELETED')
    assert.deepEqual(line.object.metadata.labels, { on: 'yes' })
    await remove('wire')
  })

  test('one name in one namespace', async () => {
    const start = await create('one')
    await create('two')
    await remove('two')
    await remove('one')
    const query = { resourceVersion: versionOf(start), fieldSelector: 'metadata.name=one' }
    assert.deepEqual(summary(await take(api.transport, { path: '/api/v1/configmaps', query }, 1)), ['DELETED one'])
  })
})

describe('how a watch ends', () => {
  test('behind what is remembered: one event of type ERROR that says 410, inside an answer of 200', async () => {
    const own = await startTestServer()
    for (let i = 0; i < 5_200; i++)
      await own.client.create(CONFIG_MAPS, configMap(`n${i}`, {}, { namespace: 'default' }))
    const { status, text } = await own.wire({ path: `${CONFIG_MAPS_PATH}?watch=1&resourceVersion=2` })
    assert.equal(status, 200)
    const { type, object } = JSON.parse(text)
    assert.deepEqual([type, object.kind, object.code, object.reason], ['ERROR', 'Status', 410, 'Expired'])
    assert.match(object.message, /too old resource version: 2/)
    await own.close()
  })

  test('after timeoutSeconds, with a bookmark for who wants one', async () => {
    const clock = new VirtualClock()
    const own = await startTestServer({ clock })
    const pending = own.wire({ path: `${CONFIG_MAPS_PATH}?watch=1&timeoutSeconds=20&allowWatchBookmarks=true` })
    await own.wire({ method: 'POST', path: '/api/v1/namespaces/default/secrets', body: { metadata: { name: 's' } } })
    await clock.advance(20_000)
    const { type, object } = JSON.parse((await pending).text)
    assert.equal(type, 'BOOKMARK')
    assert.equal(BigInt(object.metadata.resourceVersion), await own.store.currentRevision())
    await own.close()
  })

  test('bookmarks come about once a minute to a watch that is silent', async () => {
    const clock = new VirtualClock()
    const own = await startTestServer({ clock })
    const pending = own.wire({ path: `${CONFIG_MAPS_PATH}?watch=1&timeoutSeconds=150&allowWatchBookmarks=true` })
    // By then the watch has begun.
    await own.wire({ path: CONFIG_MAPS_PATH })
    await clock.advance(150_000)
    const types = (await pending).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type)
    assert.deepEqual(types, ['BOOKMARK', 'BOOKMARK', 'BOOKMARK'])
    await own.close()
  })

  test('when the client goes; the server keeps nothing of it', async () => {
    const clock = new VirtualClock()
    const own = await startTestServer({ clock })
    const abort = new AbortController()
    const stream = await own.transport.watch({
      method: 'GET',
      path: CONFIG_MAPS_PATH,
      query: { watch: '1' },
      signal: abort.signal,
    })
    const ended = (async () => {
      for await (const _ of stream);
    })()
    abort.abort()
    await ended
    await own.close()
  })

  test('one that is aborted before it began gets nothing', async () => {
    const request: WireRequest = { path: `${CONFIG_MAPS_PATH}?watch=1&resourceVersion=0`, readMs: 0 }
    assert.equal((await api.wire(request)).status, 200)
  })

  test('a reader that does not keep up is cut off and told so; others go on', async () => {
    const own = await startTestServer()
    const slow = await own.transport.watch({ method: 'GET', path: CONFIG_MAPS_PATH, query: { watch: '1' } })
    const fast: string[] = []
    const abort = new AbortController()
    const stream = await own.transport.watch({
      method: 'GET',
      path: CONFIG_MAPS_PATH,
      query: { watch: '1' },
      signal: abort.signal,
    })
    const reading = (async () => {
      for await (const { object } of stream) fast.push(object.metadata!.name!)
    })()
    for (let i = 0; i < 2_100; i++)
      await own.client.create(CONFIG_MAPS, configMap(`n${i}`, {}, { namespace: 'default' }))
    await eventually(() => fast.length === 2_100 || undefined)
    const seen: WatchEvent[] = []
    for await (const event of slow) seen.push(event)
    assert.deepEqual(summary(seen.slice(-1)), ['ERROR 410'])
    assert.ok(seen.length < 2_100)
    abort.abort()
    await reading
    await own.close()
  })

  test('so is one whose waiting events weigh too much, long before they are many', async () => {
    const own = await startTestServer()
    const slow = await own.transport.watch({ method: 'GET', path: CONFIG_MAPS_PATH, query: { watch: '1' } })
    const payload = 'x'.repeat(900_000)
    for (let i = 0; i < 30; i++)
      await own.client.create(CONFIG_MAPS, configMap(`n${i}`, { payload }, { namespace: 'default' }))
    const seen: WatchEvent[] = []
    for await (const event of slow) seen.push(event)
    assert.deepEqual(summary(seen), ['ERROR 410'])
    await own.close()
  })
})

describe('what makes no sense is refused before the watch begins', () => {
  const rows: readonly { readonly query: string; readonly status: number; readonly message: RegExp }[] = [
    { query: 'sendInitialEvents=true', status: 422, message: /requires setting resourceVersionMatch to NotOlderThan/ },
    { query: 'sendInitialEvents=true&resourceVersionMatch=Exact', status: 422, message: /NotOlderThan/ },
    { query: 'resourceVersionMatch=NotOlderThan', status: 422, message: /unless sendInitialEvents is provided/ },
    { query: 'resourceVersion=x', status: 422, message: /resourceVersion: Invalid value/ },
    { query: 'timeoutSeconds=x', status: 400, message: /timeoutSeconds/ },
    { query: 'labelSelector=a+b', status: 400, message: /unable to parse/ },
    { query: 'fieldSelector=data.a%3Db', status: 400, message: /field label not supported/ },
  ]
  for (const { query, status, message } of rows)
    test(decodeURIComponent(query), async () => {
      const answer = await api.wire({ path: `${CONFIG_MAPS_PATH}?watch=true&${query}` })
      assert.equal(answer.status, status)
      assert.match(answer.body.message, message)
    })
})

test('only collections are watched: of one object the parameter says nothing', async () => {
  await create('single')
  const { body } = await api.wire({ path: `${CONFIG_MAPS_PATH}/single?watch=true` })
  assert.equal(body.kind, 'ConfigMap')
  await remove('single')
})

test('watch is what every value but false and 0 means', async () => {
  for (const [query, isWatch] of [
    ['watch', true],
    ['watch=1', true],
    ['watch=True', true],
    ['watch=false', false],
    ['watch=0', false],
  ] as const) {
    const { body } = await api.wire({ path: `${CONFIG_MAPS_PATH}?${query}&resourceVersion=0`, readMs: 0 })
    assert.equal(body.kind !== 'ConfigMapList', isWatch, query)
  }
})
