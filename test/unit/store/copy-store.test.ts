import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { jumpAhead } from '../../../src/controlplane/store/backup.ts'
import { copyStore, countKeys, emptyStore } from '../../../src/controlplane/store/copy-store.ts'
import { openEtcdStore } from '../../../src/controlplane/store/etcd-store.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { openSqliteStore } from '../../../src/controlplane/store/sqlite-store.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'
import { ETCD_MISSING, startEtcd } from '../../harness/etcd-server.ts'
import { storeDirectory } from './store-directory.ts'

async function fill(store: Store, count: number): Promise<void> {
  const sizes = [0, 1, 300, 5_000, 700_000]
  for (let i = 0; i < count; i++) {
    const value = randomBytes(sizes[i % (i < 20 ? 5 : 4)]!)
    await store.commit({ expect: [], puts: [{ key: `/registry/things/ns/${i}`, value }], deletes: [] })
  }
  await store.commit({ expect: [], puts: [{ key: '/elsewhere', value: Buffer.from('x') }], deletes: [] })
}

async function content(store: Store): Promise<ReadonlyMap<string, string>> {
  const { items } = await store.list('/registry/')
  return new Map(items.map(({ key, value }) => [key, Buffer.from(value).toString('base64')]))
}

describe('copying a store', () => {
  it('copies every key byte by byte, tells how far it is, and leaves no history before itself', async () => {
    const [from, to] = [createMemoryStore(), createMemoryStore()]
    await fill(from, 730)
    const told: number[] = []
    const { count } = await copyStore(from, to, ({ done, total }) => {
      assert.equal(total, 730)
      told.push(done)
    })
    assert.equal(count, 730)
    assert.equal(told.at(-1), 730)
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    )
    assert.deepEqual(await content(to), await content(from))
    const abort = new AbortController()
    const watch = async (): Promise<void> => {
      for await (const _ of to.watch('/registry/', 2n, abort.signal)) assert.fail('history')
    }
    await assert.rejects(watch(), { code: 'compacted' })
    await Promise.all([from.close(), to.close()])
  })

  it('says so when somebody else writes to the target', async () => {
    const [from, to] = [createMemoryStore(), createMemoryStore()]
    await fill(from, 10)
    await to.commit({ expect: [], puts: [{ key: '/registry/things/ns/5', value: Buffer.from('x') }], deletes: [] })
    await assert.rejects(
      copyStore(from, to, () => undefined),
      /somebody else writes/,
    )
    await emptyStore(to)
    assert.equal((await countKeys(to)).count, 0)
    await to.commit({ expect: [], puts: [{ key: '/registry/zzz', value: Buffer.from('x') }], deletes: [] })
    await assert.rejects(
      copyStore(from, to, () => undefined),
      /more than the original/,
    )
    await Promise.all([from.close(), to.close()])
  })

  it('goes from SQLite to etcd and back, and revisions from before are never taken for new ones', {
    skip: ETCD_MISSING,
  }, async () => {
    const path = join(storeDirectory(), 'wherry.db')
    const onFailure = (error: Error): void => assert.fail(error)
    const etcd = await startEtcd()
    try {
      const place = { here: '/registry', there: '/registry' }
      const shared = () =>
        openEtcdStore({ endpoints: etcd.endpoints, place, clock: systemClock, logger: silentLogger, onFailure })
      const first = await openSqliteStore({ path, onFailure })
      await fill(first, 260)
      const want = await content(first)
      const there = await shared()
      await copyStore(first, there, () => undefined)
      assert.deepEqual(await content(there), want)
      await emptyStore(first)
      const last = (await first.currentRevision()) + (await there.currentRevision())
      await first.close()

      jumpAhead(path, last)
      const back = await openSqliteStore({ path, onFailure })
      await copyStore(there, back, () => undefined)
      assert.deepEqual(await content(back), want)
      for (const { modRevision } of (await back.list('/registry/')).items) assert(modRevision > last)
      await assert.rejects(back.list('/registry/', { revision: last }), { code: 'compacted' })
      await Promise.all([there.close(), back.close()])
    } finally {
      await etcd.close()
    }
  })
})
