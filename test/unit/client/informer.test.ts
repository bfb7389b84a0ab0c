import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { KubeObject } from '../../../src/api/object.ts'
import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createInformer, type RunningInformer } from '../../../src/client/create-informer.ts'
import { createHttpTransport } from '../../../src/client/http-transport.ts'
import type { Change } from '../../../src/client/informer.ts'
import { createInformerFactory } from '../../../src/client/informer-factory.ts'
import type { ApiRequest, ApiResponse, Transport, WatchEvent } from '../../../src/client/transport.ts'
import { createAuthenticate } from '../../../src/controlplane/apiserver/edge/authenticate.ts'
import { startHttpsFront } from '../../../src/controlplane/apiserver/edge/https-front.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestFront } from '../apiserver/front-fixture.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer } from '../apiserver/server-fixture.ts'
import { startTcpRelay } from './tcp-relay.ts'

type List = readonly KubeObject[]

const object = (name: string, version: number, uid = name): KubeObject => ({
  metadata: { name, namespace: 'default', uid, resourceVersion: String(version) },
})

/** A server that answers what the test says, in order; a watch is fed by hand. */
class Script implements Transport {
  readonly asked: string[] = []
  readonly lists: (() => ApiResponse)[] = []
  readonly #watches: { readonly push: (event: WatchEvent | Error | 'end') => void }[] = []
  refuseWatch: Error | undefined

  list(items: List, version: number, next?: string): void {
    this.lists.push(() => ({
      status: 200,
      body: {
        items,
        metadata: { resourceVersion: String(version), ...(next === undefined ? {} : { continue: next }) },
      },
    }))
  }

  fail(error: Error | StatusError): void {
    this.lists.push(() => {
      if (error instanceof StatusError) return { status: error.code, body: error.toStatus() }
      throw error
    })
  }

  /** To the newest watch. */
  push(event: WatchEvent | Error | 'end'): void {
    this.#watches.at(-1)!.push(event)
  }

  async request({ query = {} }: ApiRequest): Promise<ApiResponse> {
    this.asked.push(`list${query.continue === undefined ? '' : ` ${query.continue}`}`)
    const answer = this.lists.shift()
    if (answer === undefined) throw new Error('nothing to answer')
    return answer()
  }

  async watch({ query = {}, signal }: ApiRequest): Promise<AsyncIterable<WatchEvent>> {
    this.asked.push(`watch ${query.resourceVersion}`)
    if (this.refuseWatch !== undefined) {
      const error = this.refuseWatch
      this.refuseWatch = undefined
      throw error
    }
    const waiting: (WatchEvent | Error | 'end')[] = []
    let wake = (): void => {}
    const push = (event: WatchEvent | Error | 'end'): void => {
      waiting.push(event)
      wake()
    }
    this.#watches.push({ push })
    signal?.addEventListener('abort', () => push('end'))
    return (async function* () {
      for (;;) {
        const next = waiting.shift()
        if (next === 'end') return
        if (next instanceof Error) throw next
        if (next !== undefined) yield next
        else
          await new Promise<void>((resolve) => {
            wake = resolve
          })
      }
    })()
  }

  async close(): Promise<void> {}
}

interface Watched {
  readonly script: Script
  readonly clock: VirtualClock
  readonly informer: RunningInformer<KubeObject>
  /** `added a@1` for each change. */
  readonly changes: string[]
}

const nameOf = ({ metadata }: KubeObject): string => `${metadata!.name}@${metadata!.resourceVersion}`

function textOf(change: Change<KubeObject>): string {
  return `${change.type} ${nameOf(change.object)}${change.type === 'modified' ? ` was ${nameOf(change.previous)}` : ''}`
}

function watching(prepare: (script: Script) => void): Watched {
  const script = new Script()
  prepare(script)
  const clock = new VirtualClock()
  const informer = createInformer<KubeObject>({
    client: createClient(script),
    type: CONFIG_MAPS,
    clock,
    logger: silentLogger,
    random: () => 0.5,
  })
  const changes: string[] = []
  informer.onChange((change) => changes.push(textOf(change)))
  return { script, clock, informer, changes }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
const expired = (): WatchEvent => ({
  type: 'ERROR',
  object: new StatusError('Expired', 'too old').toStatus() as KubeObject,
})

describe('an informer', () => {
  test('lists, page by page, then watches from there', async () => {
    const { script, informer, changes } = watching((s) => {
      s.list([object('a', 1)], 5, 'more')
      s.list([object('b', 2)], 5)
    })
    await informer.synced
    assert.deepEqual(changes, ['added a@1', 'added b@2'])
    await settle()
    assert.deepEqual(script.asked, ['list', 'list more', 'watch 5'])
    script.push({ type: 'MODIFIED', object: object('a', 6) })
    script.push({ type: 'ADDED', object: object('c', 7) })
    script.push({ type: 'DELETED', object: object('b', 8) })
    await settle()
    assert.deepEqual(changes.slice(2), ['modified a@6 was a@1', 'added c@7', 'deleted b@8'])
    assert.equal(informer.resourceVersion, '8')
    assert.deepEqual(informer.list('default').map(nameOf), ['a@6', 'c@7'])
    assert.equal(informer.get('default', 'b'), undefined)
    informer.close()
  })

  test('resumes a watch that ended where it was, bookmarks included', async () => {
    const { script, clock, informer } = watching((s) => s.list([], 5))
    await informer.synced
    await settle()
    await clock.advance(2_000)
    script.push({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '40' } } })
    script.push('end')
    await settle()
    assert.deepEqual(script.asked.slice(1), ['watch 5', 'watch 40'])
    informer.close()
  })

  test('after 410 lists anew, and what was missed reaches the handlers as exact changes', async () => {
    const { script, informer, changes } = watching((s) =>
      s.list([object('same', 1), object('changed', 2), object('gone', 3), object('again', 4, 'u1')], 5),
    )
    await informer.synced
    await settle()
    changes.length = 0
    script.list([object('same', 1), object('changed', 20), object('new', 21), object('again', 22, 'u2')], 30)
    script.push(expired())
    await settle()
    assert.deepEqual(changes, [
      'deleted gone@3',
      'modified changed@20 was changed@2',
      'added new@21',
      'deleted again@4',
      'added again@22',
    ])
    assert.deepEqual(script.asked.slice(-2), ['list', 'watch 30'])
    informer.close()
  })

  test('lists anew before a server that has begun anew, too', async () => {
    const { script, clock, informer } = watching((s) => s.list([], 5_000))
    await informer.synced
    await settle()
    await clock.advance(2_000)
    script.refuseWatch = new StatusError('Timeout', 'Too large resource version: 5000, current: 3', {
      causes: [{ reason: 'ResourceVersionTooLarge', message: '' }],
    })
    script.list([object('a', 2)], 3)
    script.push('end')
    await settle()
    assert.deepEqual(script.asked.slice(-3), ['watch 5000', 'list', 'watch 3'])
    informer.close()
  })

  test('keeps its copy while lists fail, and asks ever less often', async () => {
    const { script, clock, informer } = watching((s) => s.list([object('a', 1)], 5))
    await informer.synced
    await settle()
    for (let i = 0; i < 6; i++) script.fail(new Error('no way'))
    script.push(expired())
    await settle()
    assert.deepEqual(informer.list().map(nameOf), ['a@1'])
    const asked = (): number => script.asked.filter((what) => what === 'list').length
    const before = asked()
    await clock.advance(100)
    const soon = asked() - before
    await clock.advance(100)
    const later = asked() - before - soon
    assert.ok(soon >= 1 && later <= soon, `${soon} ${later}`)
    await clock.advance(60_000)
    script.list([object('b', 2)], 9)
    await clock.advance(60_000)
    assert.deepEqual(informer.list().map(nameOf), ['b@2'])
    informer.close()
  })

  test('does not hammer a server that expires every list, or ends every watch at once', async () => {
    for (const what of ['expires', 'ends'] as const) {
      const { script, clock, informer } = watching((s) => {
        for (let i = 0; i < 10_000; i++) s.list([], 5)
      })
      for (let i = 0; i < 200; i++) {
        await settle()
        script.push(what === 'expires' ? expired() : 'end')
        await clock.advance(50)
      }
      assert.ok(script.asked.length < 80, `${what}: ${script.asked.length} requests in ten seconds`)
      informer.close()
    }
  })

  test('tells a handler that comes late of everything there is, once', async () => {
    const { script, informer } = watching((s) => s.list([object('a', 1)], 5))
    await informer.synced
    await settle()
    const late: string[] = []
    const stop = informer.onChange((change) => late.push(textOf(change)))
    script.push({ type: 'ADDED', object: object('b', 6) })
    await settle()
    stop()
    script.push({ type: 'ADDED', object: object('c', 7) })
    await settle()
    assert.deepEqual(late, ['added a@1', 'added b@6'])
    informer.close()
  })

  test('tells a handler that is added by a handler of nothing twice', async () => {
    const { script, informer } = watching((s) => s.list([], 5))
    await informer.synced
    await settle()
    const inner: string[] = []
    let added = false
    informer.onChange(() => {
      if (added) return
      added = true
      informer.onChange((change) => inner.push(textOf(change)))
    })
    script.push({ type: 'ADDED', object: object('a', 6) })
    script.push({ type: 'ADDED', object: object('b', 7) })
    await settle()
    assert.deepEqual(inner, ['added a@6', 'added b@7'])
    informer.close()
  })

  test('finds by index, also by one that is added later', async () => {
    const script = new Script()
    const labelled = (name: string, app: string, version: number): KubeObject => ({
      metadata: { ...object(name, version).metadata, labels: { app } },
    })
    script.list([labelled('a', 'x', 1), labelled('b', 'y', 2)], 5)
    const byApp = ({ metadata }: KubeObject): readonly string[] => [metadata?.labels?.app ?? '']
    const informer = createInformer<KubeObject>({
      client: createClient(script),
      type: CONFIG_MAPS,
      clock: new VirtualClock(),
      logger: silentLogger,
      indexes: { app: byApp },
    })
    await informer.synced
    await settle()
    script.push({ type: 'MODIFIED', object: labelled('a', 'y', 6) })
    await settle()
    assert.deepEqual(informer.byIndex('app', 'y').map(nameOf).sort(), ['a@6', 'b@2'])
    assert.deepEqual(informer.byIndex('app', 'x'), [])
    informer.addIndexes({ length: ({ metadata }) => [String(metadata!.name!.length)] })
    assert.equal(informer.byIndex('length', '1').length, 2)
    informer.close()
  })

  test('says nothing more once it is closed', async () => {
    const { script, clock, informer, changes } = watching((s) => s.list([], 5))
    await informer.synced
    await settle()
    informer.close()
    script.push({ type: 'ADDED', object: object('a', 6) })
    await settle()
    await clock.advance(100_000)
    assert.deepEqual(changes, [])
    assert.deepEqual(script.asked, ['list', 'watch 5'])
  })

  test('is one for all who ask the factory for the same resource', async () => {
    const script = new Script()
    script.list([], 1)
    const factory = createInformerFactory({
      client: createClient(script),
      clock: new VirtualClock(),
      logger: silentLogger,
    })
    const one = factory.for(CONFIG_MAPS)
    assert.equal(factory.for(CONFIG_MAPS, { indexes: { a: () => ['b'] } }), one)
    await factory.synced()
    assert.deepEqual(one.byIndex('a', 'b'), [])
    factory.close()
  })
})

/** A number between 0 and 1 for each call, the same ones for the same seed; after some calls only good luck. */
function diceOf(seed: number, calls: number): () => number {
  let state = seed
  let left = calls
  return () => {
    if (left-- <= 0) return 1
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A transport that breaks watches, expires them and fails requests as the dice say. */
function unreliable(inner: Transport, dice: () => number): Transport {
  return {
    async request(request) {
      if (dice() < 0.1) throw new Error('the request broke off')
      if (dice() < 0.05) return { status: 410, body: new StatusError('Expired', 'too old').toStatus() }
      return inner.request(request)
    },
    async watch(request) {
      if (dice() < 0.1) throw new Error('the watch was refused')
      const events = await inner.watch(request)
      return (async function* () {
        for await (const event of events) {
          if (dice() < 0.05) throw new Error('the wire broke')
          if (dice() < 0.05) return
          if (dice() < 0.05) {
            yield { type: 'ERROR', object: new StatusError('Expired', 'too old').toStatus() as KubeObject }
            return
          }
          yield event
        }
      })()
    },
    close: () => inner.close(),
  }
}

/** Delays that a test need not wait for. */
const hurried: Clock = { ...systemClock, setTimer: (ms, callback) => systemClock.setTimer(Math.min(ms, 2), callback) }

test('whatever breaks, the copy comes to agree with the server, and the changes add up to it', async () => {
  const operation = fc.record({
    kind: fc.constantFrom('create', 'update', 'delete'),
    name: fc.constantFrom('a', 'b', 'c', 'd'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), fc.integer(), async (operations, seed) => {
      const api = await startTestServer()
      const client = createClient(unreliable(api.transport, diceOf(seed, 400)))
      const informer = createInformer({
        client,
        type: CONFIG_MAPS,
        namespace: 'default',
        clock: hurried,
        logger: silentLogger,
      })
      const mirror = new Map<string, string>()
      informer.onChange((change) => {
        const { name, uid, resourceVersion } = change.object.metadata!
        const known = mirror.get(name!)
        if (change.type === 'added') assert.equal(known, undefined)
        else assert.equal(known?.split('@')[0], change.type === 'modified' ? uid : known?.split('@')[0])
        if (change.type === 'deleted') mirror.delete(name!)
        else mirror.set(name!, `${uid}@${resourceVersion}`)
      })
      for (const [i, { kind, name }] of operations.entries()) {
        const path = `${CONFIG_MAPS_PATH}/${name}`
        if (kind === 'create') await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(name) })
        else if (kind === 'update') await api.wire({ method: 'PUT', path, body: configMap(name, { i: String(i) }) })
        else await api.wire({ method: 'DELETE', path })
        if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
      const want = (await api.client.list(CONFIG_MAPS, { namespace: 'default' })).items
        .map(({ metadata }) => `${metadata!.name} ${metadata!.uid}@${metadata!.resourceVersion}`)
        .sort()
      try {
        await eventually(() => {
          assert.deepEqual(
            informer
              .list()
              .map(({ metadata }) => `${metadata!.name} ${metadata!.uid}@${metadata!.resourceVersion}`)
              .sort(),
            want,
          )
          return true
        }, 10_000)
        assert.deepEqual([...mirror].map(([name, at]) => `${name} ${at}`).sort(), want)
      } finally {
        informer.close()
        await api.close()
      }
    }),
    { numRuns: 40 },
  )
})

test('over a real wire that is cut, frozen and led to a server that has begun anew', async () => {
  const server = await startTestFront()
  const relay = await startTcpRelay(server.front.port)
  const transport = createHttpTransport({
    server: `https://127.0.0.1:${relay.port}`,
    ca: server.pki.caPem,
    ...server.pki.admin,
    pingEveryMs: 50,
    pingAnswerMs: 200,
  })
  const informer = createInformer({
    client: createClient(transport),
    type: CONFIG_MAPS,
    namespace: 'default',
    clock: hurried,
    logger: silentLogger,
  })
  const names = (): string =>
    informer
      .list()
      .map(({ metadata }) => metadata!.name)
      .sort()
      .join()
  const create = (name: string): Promise<unknown> =>
    server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(name) })
  await create('a')
  await eventually(() => names() === 'a' || undefined)
  relay.cut()
  await create('b')
  await eventually(() => names() === 'a,b' || undefined)
  relay.freeze()
  await create('c')
  await eventually(() => names() === 'a,b,c' || undefined)

  // As after a memory store: the versions start again, and those that the client knows are still to come.
  const fresh = await startTestServer()
  await fresh.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('z') })
  const front = await startHttpsFront({
    handler: fresh.server,
    tls: { ...server.pki.apiServer, ca: server.pki.caPem },
    host: '127.0.0.1',
    port: 0,
    authenticate: createAuthenticate(async () => undefined),
    logger: silentLogger,
  })
  for (let i = 0; i < 20; i++) await create(`more-${i}`)
  await eventually(() => informer.list().length === 23 || undefined)
  relay.target = front.port
  relay.cut()
  await eventually(() => names() === 'z' || undefined)

  informer.close()
  await transport.close()
  await relay.close()
  await front.close(20)
  await fresh.close()
  await server.close()
})
