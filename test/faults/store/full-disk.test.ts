import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'node:test'
import { openSqliteStore } from '../../../src/controlplane/store/sqlite-store.ts'
import { type CommitResult, type Store, StoreError } from '../../../src/controlplane/store/store.ts'
import { storeDirectory } from '../../unit/store/store-directory.ts'

const MEBIBYTE = 1024 * 1024
const value = Buffer.alloc(20_000, 'v')
const put = (store: Store, key: string): Promise<CommitResult> =>
  store.commit({ expect: [], puts: [{ key, value }], deletes: [] })
const isFull = (error: unknown): boolean => error instanceof StoreError && error.code === 'full'

/** Writes until the disk is full; gives the keys that were acknowledged. */
async function fill(store: Store, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for (let i = 0; i < 10_000; i++) {
    try {
      await put(store, `${prefix}${i}`)
      keys.push(`${prefix}${i}`)
    } catch (error) {
      assert(isFull(error), String(error))
      return keys
    }
  }
  throw new Error('the disk does not fill up')
}

async function eventually(what: () => Promise<unknown>): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      await what()
      return
    } catch (error) {
      if (i === 100 || !isFull(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

it('refuses writes on a full disk, goes on reading, watching and deleting, and heals by itself', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to mount a small tmpfs')
  const mount = join(storeDirectory(), 'small')
  mkdirSync(mount)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'wherry-test', mount])
  if (status !== 0) return t.skip(`needs the right to mount a tmpfs: ${String(stderr).trim()}`)
  t.after(() => spawnSync('umount', ['-l', mount]))

  const path = join(mount, 'wherry.db')
  const failures: StoreError[] = []
  const store = await openSqliteStore({ path, onFailure: (error) => failures.push(error) })
  await put(store, '/first')
  // The reserve is taken just after the start.
  await new Promise((resolve) => setTimeout(resolve, 200))
  const filler = join(mount, 'filler')
  writeFileSync(filler, '')
  const { bavail, bsize } = statfsSync(mount)
  truncateSync(filler, 0)
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 24 * MEBIBYTE))

  const abort = new AbortController()
  const deleted = new Set<string>()
  const watching = (async () => {
    for await (const batch of store.watch('/', 1n, abort.signal)) {
      for (const event of batch) if (event.type === 'delete') deleted.add(event.key)
    }
  })()

  const keys = await fill(store, '/fill/')
  assert(keys.length > 100, `${keys.length}`)
  assert.equal((await store.list('/fill/')).items.length, keys.length)
  await assert.rejects(put(store, '/more'), isFull)
  // More deletions than the reserve's bytes would hold if each kept its space.
  for (const key of keys.slice(0, 400))
    assert.equal((await store.commit({ expect: [], puts: [], deletes: [key] })).ok, true)
  const mixed = { expect: [], puts: [{ key: '/more', value }], deletes: [keys.at(-1)!] }
  await assert.rejects(store.commit(mixed), isFull)
  assert((await store.get(keys.at(-1)!)) !== undefined)
  while (deleted.size < Math.min(400, keys.length)) await new Promise((resolve) => setTimeout(resolve, 10))
  abort.abort()
  await watching

  // Space that deletions free inside the store is space again after compaction …
  await store.compact(await store.currentRevision())
  // … and so is what others free on the disk.
  rmSync(filler)
  await eventually(() => put(store, '/healed'))
  assert((await fill(store, '/again/')).length > 100)
  const left = await store.list('/')
  await store.close()
  assert.deepEqual(failures, [])

  const database = new DatabaseSync(path)
  assert.deepEqual(Object.values(database.prepare('PRAGMA integrity_check').get()!), ['ok'])
  database.close()
  rmSync(`${path}.reserve`, { force: true })
  const again = await openSqliteStore({ path, onFailure: (error) => assert.fail(error) })
  assert.deepEqual(await again.list('/'), left)
  await again.close()
})
