import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { openSqliteStore } from '../../../src/controlplane/store/sqlite-store.ts'
import { type Store, StoreError, type StoreErrorCode } from '../../../src/controlplane/store/store.ts'
import { storeContract } from './contract.ts'
import { storeDirectory } from './store-directory.ts'

const directory = storeDirectory()
let count = 0
const freshPath = (): string => join(directory, `${++count}`, 'wherry.db')
const onFailure = (error: StoreError): void => assert.fail(error)
const open = (path: string): Promise<Store> => openSqliteStore({ path, onFailure })
const value = (length: number): Uint8Array => new Uint8Array(length).fill(120)

function storeError(code: StoreErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof StoreError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, words)
    assert(!error.message.includes('\n'), 'one sentence')
    return true
  }
}

storeContract('SQLite store', () => open(freshPath()), 25)

describe('SQLite store on its file', () => {
  it('finds everything again: values, revisions, history, what was compacted', async () => {
    const path = freshPath()
    const first = await open(path)
    for (let i = 0; i < 20; i++)
      await first.commit({ expect: [], puts: [{ key: `/k/${i % 6}`, value: value(i) }], deletes: [] })
    await first.commit({ expect: [], puts: [], deletes: ['/k/3'] })
    const revision = await first.currentRevision()
    await first.compact(10n)
    const before = [await first.list('/k/'), await first.list('/k/', { revision: 10n }), await first.digest('/k/')]
    await first.close()
    const second = await open(path)
    assert.equal(await second.currentRevision(), revision)
    assert.deepEqual(
      [await second.list('/k/'), await second.list('/k/', { revision: 10n }), await second.digest('/k/')],
      before,
    )
    await assert.rejects(second.list('/k/', { revision: 9n }), { code: 'compacted' })
    await second.close()
  })

  it('never takes a revision again, also when the newest entry was a deletion that is forgotten', async () => {
    const path = freshPath()
    const first = await open(path)
    await first.commit({ expect: [], puts: [{ key: '/k', value: value(1) }], deletes: [] })
    const { revision } = await first.commit({ expect: [], puts: [], deletes: ['/k'] })
    await first.compact(revision)
    await first.close()
    const second = await open(path)
    assert.equal(await second.currentRevision(), revision)
    await second.close()
  })

  it('stays bounded under churn', async () => {
    const path = freshPath()
    const store = await open(path)
    const sizes: number[] = []
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 2_000; i += 500) {
        await Promise.all(
          Array.from({ length: 500 }, (_, n) =>
            store.commit({ expect: [], puts: [{ key: `/churn/${(i + n) % 400}`, value: value(1_500) }], deletes: [] }),
          ),
        )
      }
      await store.compact(await store.currentRevision())
      sizes.push(statSync(path).size + statSync(`${path}-wal`).size)
    }
    // 400 live values of 1.5 KB; 24,000 were written, 36 MB.
    assert(Math.max(...sizes.slice(6)) <= Math.max(...sizes.slice(0, 6)) * 1.2, sizes.join(' '))
    assert(statSync(path).size < 12 * 1024 * 1024, `${statSync(path).size}`)
    await store.close()
  })

  it('gives space back after a large deletion', async () => {
    const path = freshPath()
    const store = await open(path)
    for (let i = 0; i < 10; i++) {
      const puts = Array.from({ length: 1_000 }, (_, n) => ({ key: `/big/${i}/${n}`, value: value(1_500) }))
      await store.commit({ expect: [], puts, deletes: [] })
    }
    for (let i = 0; i < 10; i++) {
      await store.commit({ expect: [], puts: [], deletes: Array.from({ length: 1_000 }, (_, n) => `/big/${i}/${n}`) })
    }
    await store.compact(await store.currentRevision())
    await store.close()
    assert(statSync(path).size < 6 * 1024 * 1024, `${statSync(path).size}`)
  })

  it('goes on with a compaction that a crash cut short', async () => {
    const path = freshPath()
    const first = await open(path)
    for (let i = 0; i < 30; i++)
      await first.commit({ expect: [], puts: [{ key: `/k/${i % 3}`, value: value(9) }], deletes: [] })
    await first.close()
    const database = new DatabaseSync(path)
    const entries = (): unknown => Object.values(database.prepare('SELECT COUNT(*) FROM entries').get()!)[0]
    // As if the process had ended between the mark and the work.
    database.exec("INSERT INTO marks VALUES ('compacted', 31), ('revision', 31)")
    assert.equal(entries(), 30)
    database.close()
    const second = await open(path)
    await assert.rejects(second.list('/k/', { revision: 20n }), { code: 'compacted' })
    await second.compact(31n)
    await second.close()
    const after = new DatabaseSync(path)
    assert.deepEqual(Object.values(after.prepare('SELECT COUNT(*) FROM entries').get()!), [3])
    after.close()
  })
})

describe('SQLite store that cannot be opened', () => {
  it('says that another cluster runs on the directory', async () => {
    const path = freshPath()
    const store = await open(path)
    await assert.rejects(open(path), storeError('locked', /another cluster runs on .*--data-dir/))
    await store.close()
    await (await open(path)).close()
  })

  it('names a file that is no database', async () => {
    const path = freshPath()
    mkdirSync(join(path, '..'))
    writeFileSync(path, 'this is no database at all'.repeat(400))
    await assert.rejects(open(path), storeError('corrupt', /wherry\.db is damaged .*wherry restore/))
  })

  it("refuses another program's database, and one of a newer format", async () => {
    const path = freshPath()
    mkdirSync(join(path, '..'))
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE t (x)')
    other.close()
    await assert.rejects(open(path), storeError('corrupt', /no store of wherry/))
    const newer = freshPath()
    await (await open(newer)).close()
    const database = new DatabaseSync(newer)
    database.exec('PRAGMA user_version = 99')
    database.close()
    await assert.rejects(open(newer), storeError('corrupt', /newer wherry/))
  })

  it('names a directory that may not be written', async (t) => {
    const path = freshPath()
    mkdirSync(join(path, '..'))
    if (process.getuid?.() === 0) {
      // Nothing is forbidden to root; a file where a directory should be is.
      writeFileSync(join(path, '..', 'file'), '')
      await assert.rejects(open(join(path, '..', 'file', 'wherry.db')), storeError('failed', /cannot be opened/))
      return
    }
    chmodSync(join(path, '..'), 0o500)
    t.after(() => chmodSync(join(path, '..'), 0o700))
    await assert.rejects(open(path), storeError('failed', /cannot be opened .*may be written/))
  })
})

describe('SQLite store on a damaged file', () => {
  it('finds every changed byte of a live page, or it does no harm', async () => {
    const path = freshPath()
    const store = await open(path)
    for (let i = 0; i < 60; i++) {
      await store.commit({ expect: [], puts: [{ key: `/k/${i}`, value: value(700) }], deletes: [] })
    }
    const want = await store.list('')
    await store.close()
    const sound = readFileSync(path)
    let found = 0
    for (let n = 0; n < 30; n++) {
      const damaged = freshPath()
      mkdirSync(join(damaged, '..'))
      const bytes = Buffer.from(sound)
      const at = Math.floor((n * sound.length) / 30) + ((n * 7_919) % 1_000)
      bytes[at] = bytes[at]! ^ 0x24
      writeFileSync(damaged, bytes)
      try {
        const opened = await openSqliteStore({ path: damaged, onFailure: () => {} })
        try {
          assert.deepEqual(await opened.list(''), want, `byte ${at}`)
        } finally {
          await opened.close()
        }
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        assert.equal(error.code, 'corrupt', error.message)
        found += 1
      }
    }
    assert(found > 5, `${found} found`)
  })

  it('names a value that changed on the disk and stops', async () => {
    const path = freshPath()
    const store = await open(path)
    await store.commit({ expect: [], puts: [{ key: '/k', value: Buffer.from('needle '.repeat(20)) }], deletes: [] })
    await store.close()
    const at = readFileSync(path).indexOf('needle')
    writeSync(openSync(path, 'r+'), 'N', at)
    const failures: StoreError[] = []
    const damaged = await openSqliteStore({ path, onFailure: (error) => failures.push(error) })
    await assert.rejects(damaged.get('/k'), storeError('corrupt', /the value of \/k at revision 2 has changed/))
    await assert.rejects(damaged.list('/'), { code: 'corrupt' })
    assert.equal(failures.length, 1)
    await damaged.close()
  })
})
