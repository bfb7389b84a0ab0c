import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { KubeObject } from '../../../src/api/object.ts'
import { CONFIG_MAPS, DEPLOYMENTS, NODES } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { createClient, resourcePath, statusErrorOf } from '../../../src/client/create-client.ts'
import { Expectations } from '../../../src/client/expectations.ts'
import { jsonLines } from '../../../src/client/json-lines.ts'
import { ObjectCache } from '../../../src/client/object-cache.ts'
import type { ApiRequest, Transport } from '../../../src/client/transport.ts'

describe('expectations', () => {
  test('hold a controller back until its writes have been seen, or have failed', () => {
    const expectations = new Expectations(new VirtualClock())
    assert.ok(expectations.satisfied('a'))
    expectations.expect('a', 2, ['x', 'y'])
    for (const observe of [
      () => expectations.creationObserved('a'),
      () => expectations.deletionObserved('a', 'x'),
      () => expectations.creationObserved('a'),
    ]) {
      observe()
      assert.ok(!expectations.satisfied('a'))
    }
    expectations.deletionObserved('a', 'x')
    assert.ok(!expectations.satisfied('a'))
    expectations.deletionObserved('a', 'y')
    assert.ok(expectations.satisfied('a'))
  })

  test('are each key’s own, add up, and count nothing that was not expected', () => {
    const expectations = new Expectations(new VirtualClock())
    expectations.creationObserved('a')
    expectations.expect('a', 1, [])
    expectations.expect('a', 1, [])
    expectations.creationObserved('b')
    expectations.creationObserved('a')
    assert.ok(!expectations.satisfied('a'))
    expectations.creationObserved('a')
    expectations.creationObserved('a')
    expectations.expect('a', 1, [])
    assert.ok(!expectations.satisfied('a'))
  })

  test('are given up after five minutes, and when the object is gone', async () => {
    const clock = new VirtualClock()
    const expectations = new Expectations(clock)
    expectations.expect('a', 1, [])
    await clock.advance(5 * 60_000)
    assert.ok(!expectations.satisfied('a'))
    await clock.advance(1)
    assert.ok(expectations.satisfied('a'))
    expectations.expect('b', 1, [])
    expectations.forget('b')
    assert.ok(expectations.satisfied('b'))
  })
})

describe('lines of JSON', () => {
  async function* chunks(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
    let from = 0
    for (const cut of [...cuts.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
      if (cut > from) yield bytes.subarray(from, cut)
      from = cut
    }
  }

  test('come out as they went in, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 10 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.boolean(),
        async (values, cuts, ends) => {
          const text = values.map((value) => JSON.stringify(value)).join('\n') + (ends ? '\n' : '')
          const got: unknown[] = []
          for await (const value of jsonLines(chunks(Buffer.from(text), cuts))) got.push(value)
          assert.deepEqual(got, JSON.parse(`[${values.map((value) => JSON.stringify(value)).join()}]`))
        },
      ),
    )
  })

  test('that break off are an error', async () => {
    const read = async (): Promise<void> => {
      for await (const _ of jsonLines(chunks(Buffer.from('{"a":1}\n{"a":'), [])));
    }
    await assert.rejects(read, SyntaxError)
  })
})

test('the object cache finds by key, namespace and index, whatever is set and deleted', () => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    namespace: fc.constantFrom('x', 'y'),
    app: fc.constantFrom('1', '2', '3'),
    remove: fc.boolean(),
  })
  const byApp = ({ metadata }: KubeObject): readonly string[] => [metadata?.labels?.app ?? '', 'all']
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const cache = new ObjectCache<KubeObject>({ app: byApp })
      const model = new Map<string, KubeObject>()
      for (const { name, namespace, app, remove } of steps) {
        const key = `${namespace}/${name}`
        const object: KubeObject = { metadata: { name, namespace, labels: { app } } }
        assert.equal(remove ? cache.delete(key) : cache.set(object), model.get(key))
        if (remove) model.delete(key)
        else model.set(key, object)
      }
      const same = (got: readonly KubeObject[], want: readonly KubeObject[]): void =>
        assert.deepEqual(new Set(got), new Set(want))
      const all = [...model.values()]
      same(cache.list(), all)
      for (const namespace of ['x', 'y'])
        same(
          cache.list(namespace),
          all.filter(({ metadata }) => metadata?.namespace === namespace),
        )
      for (const app of ['1', '2', '3'])
        same(
          cache.byIndex('app', app),
          all.filter(({ metadata }) => metadata?.labels?.app === app),
        )
      same(cache.byIndex('app', 'all'), all)
      assert.deepEqual(cache.byIndex('none', 'x'), [])
    }),
  )
})

describe('the typed client', () => {
  class Recorder implements Transport {
    readonly requests: ApiRequest[] = []
    async request(request: ApiRequest): ReturnType<Transport['request']> {
      this.requests.push(request)
      return { status: 200, body: { items: null, metadata: { continue: '' } } }
    }
    async watch(request: ApiRequest): ReturnType<Transport['watch']> {
      this.requests.push(request)
      return (async function* () {})()
    }
    async close(): Promise<void> {}
  }

  test('knows where everything stands', () => {
    assert.equal(resourcePath(CONFIG_MAPS, 'a b', 'c/d'), '/api/v1/namespaces/a%20b/configmaps/c%2Fd')
    assert.equal(resourcePath(CONFIG_MAPS, undefined), '/api/v1/configmaps')
    assert.equal(resourcePath(NODES, 'ignored', 'n'), '/api/v1/nodes/n')
    assert.equal(resourcePath(DEPLOYMENTS, 'd', 'x', 'scale'), '/apis/apps/v1/namespaces/d/deployments/x/scale')
  })

  test('sends each call as the API wants it', async () => {
    const recorder = new Recorder()
    const client = createClient(recorder)
    const object = { metadata: { name: 'a', namespace: 'd' } }
    await client.create(CONFIG_MAPS, object)
    await client.update(CONFIG_MAPS, object)
    await client.updateStatus(DEPLOYMENTS, object)
    await client.patch(CONFIG_MAPS, { namespace: 'd', name: 'a' }, { x: 1 })
    await client.patch(
      CONFIG_MAPS,
      { namespace: 'd', name: 'a' },
      { x: 1 },
      { type: 'application/merge-patch+json', subresource: 'status' },
    )
    await client.delete(CONFIG_MAPS, { namespace: 'd', name: 'a' }, { gracePeriodSeconds: 0 })
    await client.list(CONFIG_MAPS, { labelSelector: 'a=b', limit: 5 })
    await client.watch(CONFIG_MAPS, { namespace: 'd', resourceVersion: '7', allowWatchBookmarks: true })
    await client.createSubresource(CONFIG_MAPS, { namespace: 'd', name: 'a' }, 'eviction', {})
    assert.deepEqual(
      recorder.requests.map(({ method, path, query, contentType }) =>
        [method, path, query, contentType].filter((part) => part !== undefined),
      ),
      [
        ['POST', '/api/v1/namespaces/d/configmaps'],
        ['PUT', '/api/v1/namespaces/d/configmaps/a'],
        ['PUT', '/apis/apps/v1/namespaces/d/deployments/a/status'],
        ['PATCH', '/api/v1/namespaces/d/configmaps/a', 'application/strategic-merge-patch+json'],
        ['PATCH', '/api/v1/namespaces/d/configmaps/a/status', 'application/merge-patch+json'],
        ['DELETE', '/api/v1/namespaces/d/configmaps/a'],
        ['GET', '/api/v1/configmaps', { labelSelector: 'a=b', limit: '5' }],
        [
          'GET',
          '/api/v1/namespaces/d/configmaps',
          { resourceVersion: '7', allowWatchBookmarks: 'true', watch: 'true' },
        ],
        ['POST', '/api/v1/namespaces/d/configmaps/a/eviction'],
      ],
    )
    assert.deepEqual(recorder.requests[0]!.body, { ...object, apiVersion: 'v1', kind: 'ConfigMap' })
  })

  test('makes an error of any failure, also of one that is no Status', () => {
    const status = new StatusError('Conflict', 'no', { name: 'a' }).toStatus()
    const error = statusErrorOf(409, status)
    assert.deepEqual([error.reason, error.code, error.message, error.details], ['Conflict', 409, 'no', { name: 'a' }])
    assert.deepEqual([statusErrorOf(502, '<html>').reason, statusErrorOf(502, undefined).code], ['InternalError', 502])
  })
})
