import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimStore } from '../../../src/controlplane/store/claim-store.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'

const MARK = { name: 'shop', range: '127.70.0.0/16', ca: 'aa' }

test('a shared store is one cluster’s: all of its control planes may use it, no other one', async () => {
  const store = createMemoryStore()
  await Promise.all([claimStore(store, MARK), claimStore(store, MARK)])
  await claimStore(store, { ...MARK, name: 'another name' })
  const refused = { code: 'locked', message: /another cluster, "shop" on 127\.70\.0\.0\/16.*--store-prefix/ }
  await assert.rejects(claimStore(store, { ...MARK, ca: 'bb' }), refused)
  await assert.rejects(claimStore(store, { ...MARK, range: '127.71.0.0/16' }), refused)
  await store.close()
})
