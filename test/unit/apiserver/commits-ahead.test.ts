import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { ClusterCache } from '../../../src/controlplane/apiserver/cache/cluster-cache.ts'
import { type Changes, CommitsAhead } from '../../../src/controlplane/apiserver/cache/commits-ahead.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import type { Revision, Store, StoreEvent } from '../../../src/controlplane/store/store.ts'
import { CONFIG_MAPS_PATH, startTestServer, summary, take } from './server-fixture.ts'

const PREFIX = '/registry/configmaps'
const FIRST = 1

interface Transaction {
  readonly revision: Revision
  readonly own: boolean
  readonly changes: Changes
  readonly events: readonly StoreEvent[]
  /** Every key's revision once it is done. */
  readonly state: Readonly<Record<string, Revision>>
}

/** A history in which own writes and others' follow each other; nothing that is not there is deleted. */
function history(
  writes: readonly { readonly own: boolean; readonly keys: readonly string[]; readonly ends: boolean }[],
) {
  let state: Record<string, Revision> = {}
  return writes.map(({ own, keys, ends }, i): Transaction => {
    const revision = BigInt(FIRST + 1 + i)
    const names = [...new Set(keys)].map((key) => `${PREFIX}/default/${key}`)
    const deletes = ends ? names.filter((key) => key in state) : []
    const puts = names
      .filter((key) => !deletes.includes(key))
      .map((key) => ({ key, value: Buffer.from(JSON.stringify({ kind: 'ConfigMap', metadata: { name: key } })) }))
    const gone = deletes.map((key): StoreEvent => ({ type: 'delete', key, modRevision: revision }))
    const put = puts.map((one): StoreEvent => ({ ...one, type: 'put', createRevision: 0n, modRevision: revision }))
    state = Object.fromEntries([
      ...Object.entries(state).filter(([key]) => !deletes.includes(key)),
      ...puts.map(({ key }) => [key, revision] as const),
    ])
    return { revision, own, changes: { puts, deletes }, events: [...put, ...gone], state }
  })
}

/** A store that is empty and whose watch tells what it is given; `tell` resolves when that has been taken. */
function toldStore() {
  let wake: (batch: readonly StoreEvent[]) => void = () => undefined
  let taken: () => void = () => undefined
  const store: Pick<Store, 'list' | 'watch'> = {
    list: async () => ({ items: [], revision: BigInt(FIRST), more: false, remaining: 0 }),
    async *watch() {
      for (;;) {
        const batch = new Promise<readonly StoreEvent[]>((resolve) => {
          wake = resolve
        })
        taken()
        yield await batch
      }
    },
  }
  const tell = (batch: readonly StoreEvent[]): Promise<void> =>
    new Promise((resolve) => {
      taken = resolve
      wake(batch)
    })
  return { store: store as Store, tell }
}

const own = { puts: [], deletes: [] }

describe('own writes that the watch has not told yet', () => {
  test('are taken once, in the order of revisions, however answers and events come', async () => {
    const write = fc.record({
      own: fc.boolean(),
      keys: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
      ends: fc.boolean(),
    })
    const turn = fc.oneof(
      { weight: 3, arbitrary: fc.record({ answer: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ told: fc.integer({ min: 1, max: 4 }) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 12 }), fc.array(turn, { maxLength: 30 }), async (writes, turns) => {
        const transactions = history(writes)
        const { store, tell } = toldStore()
        const cache = new ClusterCache({
          store,
          prefixes: [PREFIX],
          transform: undefined,
          clock: systemClock,
          logger: silentLogger,
        })
        await cache.start()
        const told: string[] = []
        cache.of(PREFIX).listen(({ current }) => told.push(`${current.key}@${current.revision}`))
        const agrees = (): void => {
          const state = transactions.find(({ revision }) => revision === cache.revision)?.state ?? {}
          const held = [...cache.of(PREFIX).range(PREFIX)].map(({ key, revision }) => [key, revision] as const)
          assert.deepEqual(Object.fromEntries(held), { ...state })
        }
        const answers = transactions.filter((one) => one.own)
        let next = 0
        const watch = async (count: number): Promise<void> => {
          const batch = transactions.slice(next, next + count).flatMap(({ events }) => events)
          next += count
          if (batch.length > 0) await tell(batch)
        }
        for (const one of turns) {
          if ('told' in one) await watch(one.told)
          else if (answers.length > 0) {
            const [{ changes, revision }] = answers.splice(one.answer % answers.length, 1) as [Transaction]
            const missing = transactions.some((other) => other.revision < revision && other.revision > cache.revision)
            cache.committed(changes, revision)
            if (!missing) assert.ok(cache.revision >= revision)
          }
          agrees()
        }
        await watch(transactions.length)
        agrees()
        assert.deepEqual(
          told,
          transactions.flatMap(({ events }) => events.map(({ key, modRevision }) => `${key}@${modRevision}`)),
        )
        cache.close()
      }),
      { numRuns: 200 },
    )
  })

  test('are read, listed and watched at once while the watch of the store is silent', async () => {
    const memory = createMemoryStore()
    const silent = new Proxy(memory, {
      get(target, name) {
        if (name === 'watch')
          return async function* (_prefix: string, _from: Revision, signal: AbortSignal) {
            await new Promise((resolve) => signal.addEventListener('abort', resolve))
          }
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const server = await startTestServer({ store: silent })
    try {
      const { client } = server
      const from = (await client.list(CONFIG_MAPS, { namespace: 'default' })).resourceVersion
      const made = await client.create(CONFIG_MAPS, { metadata: { namespace: 'default', name: 'mine' } })
      const read = await client.get(CONFIG_MAPS, { namespace: 'default', name: 'mine' })
      assert.equal(read.metadata?.uid, made.metadata?.uid)
      await client.update(CONFIG_MAPS, { ...made, data: { a: 'b' } })
      await client.delete(CONFIG_MAPS, { namespace: 'default', name: 'mine' })
      const { items } = await client.list(CONFIG_MAPS, { namespace: 'default' })
      assert.ok(items.every(({ metadata }) => metadata?.name !== 'mine'))
      const query = { resourceVersion: from }
      assert.deepEqual(summary(await take(server.transport, { path: CONFIG_MAPS_PATH, query }, 3)), [
        'ADDED mine',
        'MODIFIED mine',
        'DELETED mine',
      ])
    } finally {
      await server.close()
    }
  })
})

describe('commits that wait for earlier ones', () => {
  test('are given once, and not after the copy has come past them', () => {
    const ahead = new CommitsAhead()
    for (const revision of [5n, 3n, 7n]) ahead.add(revision, own)
    assert.equal(ahead.take(4n), undefined)
    assert.equal(ahead.take(5n), own)
    assert.equal(ahead.take(5n), undefined)
    ahead.forgetUpTo(6n)
    assert.equal(ahead.take(3n), undefined)
    assert.equal(ahead.take(7n), own)
  })

  test('are bounded in number', () => {
    const ahead = new CommitsAhead()
    for (let revision = 1n; revision <= 5_000n; revision++) ahead.add(revision, own)
    assert.ok(ahead.size <= 1_024)
    ahead.clear()
    assert.equal(ahead.size, 0)
  })
})
