import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { startAutoCompaction } from '../../../src/controlplane/store/auto-compaction.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'

it('keeps five minutes of history and no more than one minute beyond it', async () => {
  const clock = new VirtualClock()
  const store = createMemoryStore()
  const compaction = startAutoCompaction(store, clock, silentLogger)
  const at = new Map<number, bigint>()
  for (let minute = 0; minute <= 20; minute++) {
    const { revision } = await store.commit({
      expect: [],
      puts: [{ key: '/k', value: new Uint8Array(1) }],
      deletes: [],
    })
    at.set(minute, revision)
    await clock.advance(60_000)
  }
  const readable = async (minute: number): Promise<boolean> =>
    store.list('/', { revision: at.get(minute)! }).then(
      () => true,
      () => false,
    )
  assert.equal(await readable(16), true)
  assert.equal(await readable(14), false)
  compaction.close()
  const before = await readable(16)
  await clock.advance(3_600_000)
  assert.equal(await readable(16), before)
})

it('keeps no more than a number of revisions, however fast they come', async () => {
  const clock = new VirtualClock()
  const store = createMemoryStore()
  const compaction = startAutoCompaction(store, clock, silentLogger)
  for (let i = 0; i < 50_200; i++) {
    await store.commit({ expect: [], puts: [{ key: '/k', value: new Uint8Array(0) }], deletes: [] })
  }
  await clock.advance(60_000)
  await assert.rejects(store.list('/', { revision: 100n }), { code: 'compacted' })
  await store.list('/', { revision: 300n })
  compaction.close()
})
