import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { measuredStore } from '../../../src/controlplane/store/measured-store.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { StoreError } from '../../../src/controlplane/store/store.ts'
import { StoreMetrics } from '../../../src/controlplane/store/store-metrics.ts'

/** `operation type` → value, of one family. */
function told(metrics: StoreMetrics, family: string): Readonly<Record<string, number>> {
  const samples = metrics
    .families()
    .find(({ name }) => name === family)!
    .samples()
  return Object.fromEntries(
    Array.from(samples, ({ labels, value }) => [`${labels?.operation} ${labels?.type}`, value] as const),
  )
}

test('what is asked of a store is told by operation and kind, and it answers as before', async () => {
  const metrics = new StoreMetrics()
  const store = measuredStore(createMemoryStore(), new VirtualClock(), metrics)
  const key = '/registry/pods/default/web'
  const value = Buffer.from('{}')
  const put = (modRevision: bigint) =>
    store.commit({ expect: [{ key, modRevision }], puts: [{ key, value }], deletes: [] })
  const { ok, revision } = await put(0n)
  assert.ok(ok)
  assert.equal((await put(0n)).ok, false)
  assert.ok((await put(revision)).ok)
  assert.equal((await store.get(key))?.key, key)
  assert.equal((await store.list('/registry/services/specs/')).items.length, 0)
  assert.ok((await store.commit({ expect: [], puts: [], deletes: [key] })).ok)
  assert.equal(await store.get('/elsewhere'), undefined)
  assert.equal(await store.get('/registry/minions/one'), undefined)
  assert.deepEqual(told(metrics, 'etcd_requests_total'), {
    'create pods': 2,
    'update pods': 1,
    'get pods': 1,
    'list services': 1,
    'delete pods': 1,
    'get other': 1,
    'get nodes': 1,
  })
  // A write that lost against another one is no failure of the store.
  assert.deepEqual(told(metrics, 'etcd_request_errors_total'), {})
  await store.close()
})

test('a failure is told and passed on as it was', async () => {
  const metrics = new StoreMetrics()
  const failure = new StoreError('unavailable', 'no quorum')
  const broken = { ...createMemoryStore(), get: () => Promise.reject(failure) }
  const store = measuredStore(broken, new VirtualClock(), metrics)
  await assert.rejects(store.get('/registry/leases/a/b'), (error) => error === failure)
  assert.deepEqual(told(metrics, 'etcd_request_errors_total'), { 'get leases': 1 })
})

test('times are in seconds, and kinds are only so many', () => {
  const metrics = new StoreMetrics()
  metrics.record('get', '/registry/pods/a/b', 250, false)
  const durations = metrics.families().find(({ name }) => name === 'etcd_request_duration_seconds')!
  const sum = Array.from(durations.samples()).find(({ metricName }) => metricName?.endsWith('_sum') === true)
  assert.equal(sum?.value, 0.25)
  for (let i = 0; i < 1_000; i++) metrics.record('get', `/registry/kind${i}.example.com/x`, 1, false)
  const kinds = Object.keys(told(metrics, 'etcd_requests_total'))
  assert.equal(kinds.length, 65)
  assert.ok(kinds.includes('get other'))
})
