import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { backupStore, restoreStore } from '../../../src/controlplane/store/backup.ts'
import { openSqliteStore } from '../../../src/controlplane/store/sqlite-store.ts'
import type { Store } from '../../../src/controlplane/store/store.ts'
import { storeDirectory } from './store-directory.ts'

const directory = storeDirectory()
let count = 0
const fresh = (name: string): string => join(directory, `${++count}`, name)
const open = (path: string): Promise<Store> => openSqliteStore({ path, onFailure: (error) => assert.fail(error) })
const put = (store: Store, key: string) =>
  store.commit({ expect: [], puts: [{ key, value: Buffer.from(key) }], deletes: [] })

describe('backup', () => {
  it('is one moment of a store that is being written', async () => {
    const path = fresh('wherry.db')
    const to = join(directory, 'running.backup')
    const store = await open(path)
    let stop = false
    // Pairs are written together: a backup must hold both or neither.
    const writing = (async () => {
      for (let i = 0; !stop; i++) {
        const puts = ['a', 'b'].map((half) => ({ key: `/${half}/${i}`, value: Buffer.alloc(1_000) }))
        await store.commit({ expect: [], puts, deletes: [] })
      }
    })()
    while ((await store.currentRevision()) < 100n) await new Promise((resolve) => setImmediate(resolve))
    await backupStore(path, to)
    stop = true
    await writing
    await store.close()
    const target = fresh('wherry.db')
    await restoreStore(to, target, { force: false })
    const restored = await open(target)
    const halves = await Promise.all([restored.list('/a/'), restored.list('/b/')])
    assert(halves[0].items.length >= 99)
    assert.deepEqual(
      halves[0].items.map(({ key }) => key.slice(2)),
      halves[1].items.map(({ key }) => key.slice(2)),
    )
    await restored.close()
  })

  it('overwrites nothing and leaves nothing behind when it fails', async () => {
    const path = fresh('wherry.db')
    await (await open(path)).close()
    const to = join(directory, 'taken')
    writeFileSync(to, 'precious')
    await assert.rejects(backupStore(path, to), { code: 'failed', message: `${to} exists already` })
    await assert.rejects(backupStore(join(directory, 'none.db'), `${to}2`), { code: 'failed' })
    await assert.rejects(backupStore(path, join(directory, 'no', 'such', 'directory')))
    assert(!existsSync(join(directory, 'none.db')) && !existsSync(`${to}2`))
  })
})

describe('restore', () => {
  it('jumps ahead, so that a watcher from before must list anew', async () => {
    const path = fresh('wherry.db')
    const to = join(directory, 'jump.backup')
    const store = await open(path)
    await put(store, '/old')
    await backupStore(path, to)
    // These are lost by the restore; somebody may have seen their revisions.
    await put(store, '/lost/1')
    const { revision: seen } = await put(store, '/lost/2')
    await store.close()
    await restoreStore(to, path, { force: true })
    const restored = await open(path)
    assert.deepEqual(
      (await restored.list('')).items.map(({ key }) => key),
      ['/old'],
    )
    const { revision } = await put(restored, '/new')
    assert(revision > seen + 1_000_000n)
    await assert.rejects(restored.list('', { revision: seen }), { code: 'compacted' })
    await assert.rejects(
      (async () => {
        for await (const _ of restored.watch('', seen + 1n, new AbortController().signal)) break
      })(),
      { code: 'compacted' },
    )
    await restored.close()
    assert.deepEqual(
      readdirSync(join(path, '..')).filter((file) => file.includes('restored')),
      [],
    )
  })

  it('replaces a store only by force, never a running one, and takes only sound backups', async () => {
    const path = fresh('wherry.db')
    const to = join(directory, 'sound.backup')
    const store = await open(path)
    await put(store, '/kept')
    await backupStore(path, to)
    await assert.rejects(restoreStore(to, path, { force: true }), { code: 'locked' })
    await store.close()
    await assert.rejects(restoreStore(to, path, { force: false }), { code: 'failed', message: /--force/ })
    const broken = join(directory, 'broken.backup')
    writeFileSync(broken, 'x'.repeat(10_000))
    await assert.rejects(restoreStore(broken, path, { force: true }), { code: 'corrupt' })
    writeFileSync(broken, '')
    await assert.rejects(restoreStore(broken, path, { force: true }), { code: 'corrupt' })
    const again = await open(path)
    assert.equal((await again.list('')).items.length, 1)
    await again.close()
  })
})
