import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Etcd3 } from 'etcd3'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { openEtcdStore } from '../../../src/controlplane/store/etcd-store.ts'
import { type Store, StoreError } from '../../../src/controlplane/store/store.ts'
import { ETCD_MISSING, type EtcdCluster, type EtcdMember, startEtcd } from '../../harness/etcd-server.ts'
import { eventually } from '../../harness/eventually.ts'
import { EtcdHistory, seeded } from './etcd-history.ts'

/** How many times etcd is harmed; `WHERRY_KILLS=1000` for the long run. */
const ROUNDS = Number(process.env.WHERRY_KILLS ?? 8)
const SEED = Number(process.env.WHERRY_SEED ?? 1)
const WRITERS = 6

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function open(etcd: EtcdCluster, onFailure: (error: StoreError) => void = (error) => assert.fail(error)) {
  return openEtcdStore({
    endpoints: etcd.endpoints,
    place: { here: '', there: '/faults' },
    clock: systemClock,
    logger: silentLogger,
    onFailure,
  })
}

async function withEtcd(members: number, run: (etcd: EtcdCluster, store: Store) => Promise<void>): Promise<void> {
  const etcd = await startEtcd({ members })
  try {
    const store = await open(etcd)
    try {
      await run(etcd, store)
    } finally {
      await store.close()
    }
  } finally {
    await etcd.close()
  }
}

type Harm = (member: EtcdMember, random: () => number) => Promise<void>

const kill: Harm = async (member, random) => {
  await member.kill()
  await sleep(random() * 300)
  member.start()
}

const freeze: Harm = async (member, random) => {
  member.signal('SIGSTOP')
  await sleep(random() * 1_200)
  member.signal('SIGCONT')
}

/** Harms a random member again and again while writers write, and compacts what the watcher has read. */
function harmed(name: string, members: number, harm: Harm): void {
  it(`${name}: what was acknowledged is there, nothing happens twice, a watch misses nothing`, async () => {
    await withEtcd(members, async (etcd, store) => {
      const random = seeded(SEED * 7_919 + members)
      const history = new EtcdHistory(store, SEED)
      await history.start(WRITERS)
      for (let round = 0; round < ROUNDS; round++) {
        const before = history.acknowledged
        await harm(etcd.members[Math.floor(random() * members)]!, random)
        await eventually(() => (history.acknowledged > before + 20 ? true : undefined), 30_000, 'writing')
        if (round % 2 === 1 && history.seen > 0n) await store.compact(history.seen).catch(() => undefined)
      }
      await eventually(async () => ((await store.currentRevision()) > 0n ? true : undefined), 20_000)
      await history.verify(`WHERRY_SEED=${SEED} WHERRY_KILLS=${ROUNDS}`)
      assert(history.acknowledged > ROUNDS * 20)
    })
  })
}

describe('a store on an etcd that is harmed', { skip: ETCD_MISSING }, () => {
  harmed('killed and restarted', 1, kill)
  harmed('stopped and continued', 1, freeze)
  harmed('one of three killed and restarted', 3, kill)
  harmed('one of three stopped and continued', 3, freeze)

  it('says that the outcome is unknown when an answer never comes, and the write may show up later', async () => {
    await withEtcd(1, async (etcd, store) => {
      await store.commit({ expect: [], puts: [{ key: '/a', value: Buffer.from('1') }], deletes: [] })
      await etcd.members[0]!.freeze()
      const write = store.commit({ expect: [], puts: [{ key: '/a', value: Buffer.from('2') }], deletes: [] })
      const read = store.get('/a')
      await assert.rejects(write, (error) => error instanceof StoreError && error.code === 'unknown')
      await assert.rejects(read, (error) => error instanceof StoreError && error.code === 'unavailable')
      etcd.members[0]!.signal('SIGCONT')
      const { value } = await eventually(async () => store.get('/a'), 20_000)
      assert(['1', '2'].includes(Buffer.from(value).toString()))
    })
  })

  it('says that nothing happened when no etcd is there, and recovers by itself', async () => {
    await withEtcd(1, async (etcd, store) => {
      const write = (value: string) =>
        store.commit({ expect: [], puts: [{ key: '/a', value: Buffer.from(value) }], deletes: [] })
      const { revision } = await write('1')
      await etcd.members[0]!.kill()
      // The first may still find the broken connection; from then on it is known that nothing listens.
      await assert.rejects(write('2'), StoreError)
      await assert.rejects(write('3'), (error) => error instanceof StoreError && error.code === 'unavailable')
      etcd.members[0]!.start()
      const later = await eventually(() => write('4'), 20_000)
      assert(later.revision > revision)
      const written: string[] = []
      const abort = new AbortController()
      for await (const batch of store.watch('/a', revision, abort.signal)) {
        for (const event of batch) if (event.type === 'put') written.push(Buffer.from(event.value).toString())
        if (written.at(-1) === '4') abort.abort()
      }
      assert(!written.includes('3'), written.join())
    })
  })

  it('leaves a member that has frozen for good: writes go to another one, and so does the watch', async () => {
    await withEtcd(3, async (etcd, store) => {
      const write = (value: string) =>
        store.commit({ expect: [], puts: [{ key: '/a', value: Buffer.from(value) }], deletes: [] })
      const { revision } = await write('1')
      const seen: string[] = []
      const abort = new AbortController()
      const watching = (async () => {
        for await (const batch of store.watch('/a', revision, abort.signal))
          for (const event of batch) if (event.type === 'put') seen.push(Buffer.from(event.value).toString())
      })()
      // Whatever fails first is what is told.
      watching.catch(() => {})
      await eventually(() => (seen.length === 1 ? true : undefined))
      // All calls go to the first until it fails; it may have led the others.
      etcd.members[0]!.signal('SIGSTOP')
      for (const value of ['2', '3']) await eventually(() => write(value), 30_000)
      await eventually(() => (seen.at(-1) === '3' ? true : undefined), 30_000)
      abort.abort()
      await watching
    })
  })

  it('says so when two of three are gone, and goes on when one comes back', async () => {
    await withEtcd(3, async (etcd, store) => {
      const history = new EtcdHistory(store, SEED)
      await history.start(WRITERS)
      await eventually(() => (history.acknowledged > 20 ? true : undefined))
      await Promise.all([etcd.members[1]!.kill(), etcd.members[2]!.kill()])
      await assert.rejects(
        store.currentRevision(),
        (error) => error instanceof StoreError && error.code === 'unavailable',
      )
      const before = history.acknowledged
      etcd.members[1]!.start()
      await eventually(() => (history.acknowledged > before + 20 ? true : undefined), 30_000)
      await history.verify('two of three killed')
    })
  })

  it('fails for good on an etcd that comes back empty, instead of taking that for the truth', async () => {
    const etcd = await startEtcd()
    try {
      const failures: StoreError[] = []
      const store = await open(etcd, (error) => failures.push(error))
      for (let i = 0; i < 5; i++)
        await store.commit({ expect: [], puts: [{ key: `/${i}`, value: Buffer.from('x') }], deletes: [] })
      const abort = new AbortController()
      const watching = (async () => {
        for await (const batch of store.watch('/', 7n, abort.signal)) assert.fail(`${batch.length} events`)
      })()
      watching.catch(() => undefined)
      await etcd.members[0]!.kill()
      etcd.members[0]!.wipe()
      etcd.members[0]!.start()
      // The watch finds out by itself: nobody has to ask.
      await assert.rejects(watching, (error) => error instanceof StoreError && error.code === 'failed')
      assert.deepEqual(
        failures.map(({ code }) => code),
        ['failed'],
      )
      assert.match(failures[0]!.message, /went back from revision 6 to 1: it was emptied/)
      await assert.rejects(store.list('/'), { code: 'failed' })
      await store.close()
    } finally {
      await etcd.close()
    }
  })

  it('tells a full etcd apart: reads go on, and writes again once there is space', async () => {
    const etcd = await startEtcd({ flags: ['--quota-backend-bytes', String(16 * 1024 * 1024)] })
    try {
      const store = await open(etcd)
      const write = (i: number) =>
        store.commit({ expect: [], puts: [{ key: `/${i}`, value: Buffer.alloc(1_000_000) }], deletes: [] })
      let full: unknown
      for (let i = 0; i < 40 && full === undefined; i++) await write(i).catch((error: unknown) => (full = error))
      assert(full instanceof StoreError && full.code === 'full', String(full))
      assert.match(full.message, /out of space .*etcdctl alarm disarm/)
      const { items, revision } = await store.list('/')
      assert(items.length > 5)
      await store.commit({ expect: [], puts: [], deletes: items.map(({ key }) => key) })
      await store.compact(revision + 1n)
      const administrator = new Etcd3({ hosts: [...etcd.endpoints] })
      await eventually(async () => {
        // Compaction gives space back in the background: what an administrator does is done until it helps.
        const { maintenance } = administrator
        await maintenance.defragment()
        const { alarms } = await maintenance.alarm({ action: 'Get' as never, memberID: '0', alarm: 'None' as never })
        for (const { memberID } of alarms)
          await maintenance.alarm({ action: 'Deactivate' as never, memberID, alarm: 'Nospace' as never })
        return await write(100)
      }, 20_000)
      administrator.close()
      await store.close()
    } finally {
      await etcd.close()
    }
  })
})
