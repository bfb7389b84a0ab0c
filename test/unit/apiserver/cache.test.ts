import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { CachedEvent, CachedObject } from '../../../src/controlplane/apiserver/cache/cached-object.ts'
import { ClusterCache } from '../../../src/controlplane/apiserver/cache/cluster-cache.ts'
import { ResourceCache } from '../../../src/controlplane/apiserver/cache/resource-cache.ts'
import { SortedObjects } from '../../../src/controlplane/apiserver/cache/sorted-objects.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { Revision, Store, StoreEvent } from '../../../src/controlplane/store/store.ts'
import { eventually } from '../../harness/eventually.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer, summary, take } from './server-fixture.ts'

const revision = (value: number): Revision => BigInt(value) as Revision
const object = (key: string, at = 1): CachedObject =>
  new CachedObject(key, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: key } }, revision(at), 10)

describe('objects in order', () => {
  test('are those of a plain sorted map, whatever is put in and taken out', () => {
    const key = fc.stringMatching(/^[a-c]{0,3}$/).map((text) => `/p/${text}`)
    const step = fc.oneof(
      fc.record({ put: key }),
      fc.record({ remove: key }),
      fc.record({ fill: fc.array(key, { maxLength: 30 }) }),
    )
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        key,
        fc.constantFrom('/p/', '/p/a', '/p/bb', '/q/'),
        (steps, after, prefix) => {
          const sorted = new SortedObjects()
          const model = new Map<string, CachedObject>()
          for (const one of steps) {
            if ('put' in one) {
              const next = object(one.put)
              sorted.set(next)
              model.set(one.put, next)
            } else if ('remove' in one) {
              sorted.delete(one.remove)
              model.delete(one.remove)
            } else {
              const all = one.fill.map((name) => object(name))
              sorted.fill(all)
              model.clear()
              for (const next of all) model.set(next.key, next)
            }
          }
          const want = [...model.keys()].sort().filter((name) => name.startsWith(prefix))
          assert.deepEqual(
            [...sorted.range(prefix)].map((one) => one.key),
            want,
          )
          assert.deepEqual(
            [...sorted.range(prefix, after)].map((one) => one.key),
            want.filter((name) => name > after),
          )
          assert.equal(sorted.count(prefix, after), want.filter((name) => name > after).length)
          assert.equal(sorted.size, model.size)
          for (const [name, one] of model) assert.equal(sorted.get(name), one)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('stay so over many chunks, in any order of insertion', () => {
    const sorted = new SortedObjects()
    const keys = Array.from({ length: 20_000 }, (_, i) => `/p/${String((i * 7_919) % 20_000).padStart(5, '0')}`)
    for (const key of keys) sorted.set(object(key))
    for (const key of keys.filter((_, i) => i % 3 === 0)) sorted.delete(key)
    const want = keys.filter((_, i) => i % 3 !== 0).sort()
    assert.deepEqual(
      [...sorted.range('/p/')].map((one) => one.key),
      want,
    )
    assert.equal(sorted.count('/p/', '/p/10000'), want.filter((key) => key > '/p/10000').length)
    assert.deepEqual(
      [...sorted.range('/p/', '/p/10000')].map((one) => one.key),
      want.filter((key) => key > '/p/10000'),
    )
  })
})

describe('the recent past of a resource', () => {
  test('is there to resume from, as far as it reaches, and says when it does not', () => {
    const cache = new ResourceCache('/p/')
    cache.fill([object('/p/a', 5)], revision(5))
    for (let at = 6; at < 6 + 6_000; at++)
      cache.apply(new CachedEvent('MODIFIED', object('/p/a', at), cache.get('/p/a')))
    assert.equal(cache.since(revision(4)), undefined)
    assert.equal(cache.since(cache.oldest)?.[0]?.current.revision, cache.oldest + 1n)
    assert.deepEqual(
      cache.since(revision(6_004))?.map(({ current }) => current.revision),
      [6_005n],
    )
    assert.deepEqual(cache.since(revision(6_005)), [])
    assert.ok(6_005n - cache.oldest >= 4_096n)
  })

  test('an event is encoded once for all who are told of it, and later gives its memory back', () => {
    const cache = new ResourceCache('/p/')
    const event = new CachedEvent('ADDED', object('/p/a'), undefined)
    cache.apply(event)
    const line = event.line('ADDED')
    assert.equal(event.line('ADDED'), line)
    assert.equal(event.current.json, event.current.json)
    assert.equal(event.frame('ADDED'), event.frame('ADDED'))
    for (let at = 2; at < 200; at++) cache.apply(new CachedEvent('ADDED', object(`/p/${at}`, at), undefined))
    assert.notEqual(event.line('ADDED'), line)
    assert.deepEqual(event.line('ADDED'), line)
  })

  test('who only asks once leaves no encoding behind', () => {
    const one = object('/p/a')
    assert.notEqual(one.jsonOnce(), one.jsonOnce())
    const kept = one.json
    assert.equal(one.jsonOnce(), kept)
  })
})

test('a thousand watchers of one change get one and the same piece of memory', async () => {
  const api = await startTestServer()
  const abort = new AbortController()
  const first: Uint8Array[] = []
  const watch = async (): Promise<void> => {
    const { body } = await api.server.handle({
      method: 'GET',
      path: CONFIG_MAPS_PATH,
      query: new URLSearchParams({ watch: '1' }),
      headers: {},
      user: { name: 'a', groups: [] },
      readBody: async () => new Uint8Array(0),
      gone: () => abort.signal,
    })
    for await (const chunk of body as AsyncIterable<Uint8Array>) first.push(chunk)
  }
  const watches = Array.from({ length: 1_000 }, watch)
  await eventually(async () => ((await api.wire({ path: CONFIG_MAPS_PATH })).status === 200 ? true : undefined))
  await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('shared') })
  await eventually(() => first.length === 1_000 || undefined)
  assert.equal(new Set(first).size, 1)
  abort.abort()
  await Promise.all(watches)
  await api.close()
})

/** A store whose watch can be broken, and can be made to leave events out. */
function faulty(memory: Store): Store & { breakWatch(): void; lose: boolean } {
  let breakIt = (): void => {}
  const store = {
    lose: false,
    breakWatch: () => breakIt(),
    get: (key: string) => memory.get(key),
    list: (...args: Parameters<Store['list']>) => memory.list(...args),
    commit: (...args: Parameters<Store['commit']>) => memory.commit(...args),
    compact: (...args: Parameters<Store['compact']>) => memory.compact(...args),
    digest: (...args: Parameters<Store['digest']>) => memory.digest(...args),
    currentRevision: () => memory.currentRevision(),
    close: () => memory.close(),
    async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncGenerator<readonly StoreEvent[]> {
      const broken = new Promise<'broken'>((resolve) => {
        breakIt = () => resolve('broken')
      })
      const inner = memory.watch(prefix, from, signal)[Symbol.asyncIterator]()
      for (;;) {
        const next = await Promise.race([inner.next(), broken])
        if (next === 'broken') throw new Error('the watch broke')
        if (next.done === true) return
        // What is lost still moves the revision on, as a bug in a store would.
        yield store.lose ? next.value.map((event) => ({ ...event, key: '/registry/lost/x' })) : next.value
      }
    },
  }
  return store
}

describe('a copy that cannot be trusted', () => {
  test('because the watch of the store broke is read anew; watchers are told to list again', async () => {
    const store = faulty(createMemoryStore())
    const api = await startTestServer({ store })
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('a') })
    const pending = take(api.transport, { path: CONFIG_MAPS_PATH, query: { labelSelector: 'none' } }, 1)
    await api.wire({ path: CONFIG_MAPS_PATH })
    store.breakWatch()
    assert.deepEqual(summary(await pending), ['ERROR 410'])
    await eventually(async () => ((await api.wire({ path: CONFIG_MAPS_PATH })).status === 200 ? true : undefined))
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('b') })
    assert.equal((await api.wire({ path: CONFIG_MAPS_PATH })).body.items.length, 2)
    assert.equal(await api.server.verifyCaches(), true)
    await api.close()
  })

  test('because it differs from the store is found by digest, stops serving and is read anew', async () => {
    const store = faulty(createMemoryStore())
    const api = await startTestServer({ store })
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('a') })
    assert.equal(await api.server.verifyCaches(), true)
    store.lose = true
    await store.commit({
      expect: [],
      puts: [
        {
          key: '/registry/configmaps/default/hidden',
          value: Buffer.from(
            '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hidden","namespace":"default"}}',
          ),
        },
      ],
      deletes: [],
    })
    await eventually(async () =>
      (await api.wire({ path: `${CONFIG_MAPS_PATH}/hidden` })).status === 404 ? true : undefined,
    )
    store.lose = false
    assert.equal(await api.server.verifyCaches(), false)
    await eventually(async () =>
      (await api.wire({ path: `${CONFIG_MAPS_PATH}/hidden` })).status === 200 ? true : undefined,
    )
    assert.equal(await api.server.verifyCaches(), true)
    assert.ok(api.errors.some((line) => line.includes('differs from the store')))
    await api.close()
  })

  test('answers 503 with a time to come back at while it is read', async () => {
    const memory = createMemoryStore()
    const store = faulty(memory)
    let hold: (() => void) | undefined
    let holding = false
    const api = await startTestServer({
      store: {
        ...store,
        watch: store.watch,
        list: async (...args: Parameters<Store['list']>) => {
          if (holding)
            await new Promise<void>((resolve) => {
              hold = resolve
            })
          return memory.list(...args)
        },
      },
    })
    holding = true
    store.breakWatch()
    const { body, headers } = await eventually(async () => {
      const answer = await api.wire({ path: `${CONFIG_MAPS_PATH}?resourceVersion=0` })
      return answer.status === 503 ? answer : undefined
    })
    assert.deepEqual([body.reason, headers['retry-after']], ['ServiceUnavailable', '1'])
    assert.equal((await api.wire({ path: '/readyz' })).status, 500)
    assert.equal((await api.wire({ path: '/livez' })).status, 200)
    holding = false
    await eventually(() => hold)
    hold!()
    await eventually(async () => ((await api.wire({ path: '/readyz' })).status === 200 ? true : undefined))
    await api.close()
  })

  test('verification is not fooled by writes that go on meanwhile', async () => {
    const api = await startTestServer()
    let stop = false
    const writing = (async () => {
      for (let i = 0; !stop; i++) {
        await api.client.create(CONFIG_MAPS, configMap(`n${i}`, {}, { namespace: 'default' }))
        if (i % 3 === 0) await api.client.delete(CONFIG_MAPS, { namespace: 'default', name: `n${i}` })
      }
    })()
    for (let i = 0; i < 20; i++) assert.equal(await api.server.verifyCaches(), true)
    stop = true
    await writing
    await api.close()
    assert.deepEqual(api.errors, [])
  })
})

test('a reader that asks for what is to come is let go after a while, and the waiting is not kept', async () => {
  const store = createMemoryStore()
  const cache = new ClusterCache({
    store,
    prefixes: ['/registry/p'],
    transform: undefined,
    clock: systemClock,
    logger: silentLogger,
  })
  await cache.start()
  const reached = cache.reach(revision(2))
  await store.commit({ expect: [], puts: [{ key: '/registry/p/a', value: Buffer.from('{}') }], deletes: [] })
  await reached
  await assert.rejects(cache.reach(revision(100)), /Too large resource version: 100, current: 2/)
  cache.close()
  await store.close()
})

test('objects that were handed out cannot be changed', async () => {
  const api = await startTestServer()
  await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('frozen', { a: '1' }) })
  const read = await api.client.get(CONFIG_MAPS, { namespace: 'default', name: 'frozen' })
  assert.throws(() => {
    ;(read.data as Record<string, string>).a = '2'
  }, TypeError)
  assert.throws(() => {
    ;(read.metadata as { name: string }).name = 'x'
  }, TypeError)
  await api.close()
})
