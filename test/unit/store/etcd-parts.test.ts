import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { etcdFailure, readError, writeError } from '../../../src/controlplane/store/etcd/etcd-error.ts'
import { KeySpace } from '../../../src/controlplane/store/etcd/key-space.ts'
import { RecentWrites } from '../../../src/controlplane/store/etcd/recent-writes.ts'
import { SharedRead } from '../../../src/controlplane/store/etcd/shared-read.ts'
import { txnRequest } from '../../../src/controlplane/store/etcd/transaction.ts'

describe('what an error of etcd means for a write', () => {
  // Messages as etcd 3.4 and the client word them.
  for (const [message, code, mayHaveHappened] of [
    [
      '14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
      'unavailable',
      false,
    ],
    ['14 UNAVAILABLE: Channel closed before call started', 'unavailable', false],
    ['8 RESOURCE_EXHAUSTED: etcdserver: too many requests', 'unavailable', false],
    ['16 UNAUTHENTICATED: etcdserver: invalid auth token', 'unavailable', false],
    ['14 UNAVAILABLE: etcdserver: no leader', 'unavailable', false],
    ['7 PERMISSION_DENIED: etcdserver: permission denied', 'unavailable', false],
    ['3 INVALID_ARGUMENT: etcdserver: request is too large', 'too-large', false],
    ['3 INVALID_ARGUMENT: etcdserver: too many operations in txn request', 'too-large', false],
    ['8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded', 'full', true],
    ['14 UNAVAILABLE: read ECONNRESET', 'unknown', true],
    ['14 UNAVAILABLE: Connection dropped', 'unknown', true],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 5.0s', 'unknown', true],
    ['14 UNAVAILABLE: etcdserver: request timed out', 'unknown', true],
    ['14 UNAVAILABLE: etcdserver: leader changed', 'unknown', true],
    ['13 INTERNAL: something nobody has seen before', 'unknown', true],
  ] as const)
    it(message, () => {
      const error = writeError(etcdFailure(new Error(message)), 'http://etcd')
      assert.deepEqual([error.code, error.mayHaveHappened], [code, mayHaveHappened])
      assert.match(error.message, /http:\/\/etcd/)
      assert(!/\d+ [A-Z_]{5,}:|Resolution note/.test(error.message), error.message)
    })

  it('no reading is ever unclear', () => {
    assert.equal(readError(etcdFailure(new Error('14 UNAVAILABLE: read ECONNRESET')), 'x').code, 'unavailable')
  })
})

describe('keys in another place', () => {
  const text = fc.string({ unit: 'binary', maxLength: 8 }).filter((s) => s.isWellFormed() && !s.includes('\0'))

  it('come back as they were', () => {
    fc.assert(
      fc.property(text, text, text, (here, there, rest) => {
        const keys = new KeySpace({ here, there })
        assert.equal(keys.fromEtcd(keys.toEtcd(here + rest)), here + rest)
      }),
    )
  })

  it('are in the range of exactly their prefixes, and behind what stands before them', () => {
    fc.assert(
      fc.property(text, text, text, (prefix, key, after) => {
        const keys = new KeySpace({ here: '', there: '/t' })
        const range = keys.range(prefix, prefix + after)
        const bytes = keys.toEtcd(key)
        const isIn = Buffer.compare(bytes, range.key) >= 0 && Buffer.compare(bytes, range.range_end) < 0
        const isBehind = Buffer.compare(Buffer.from(key), Buffer.from(prefix + after)) > 0
        assert.equal(isIn, key.startsWith(prefix) && isBehind)
      }),
    )
  })

  it('are compared by revision and written in one transaction', () => {
    const keys = new KeySpace({ here: '/registry', there: '/elsewhere' })
    const value = Buffer.from('v')
    const request = txnRequest(
      {
        expect: [{ key: '/registry/a', modRevision: 7n }],
        puts: [{ key: '/registry/a', value }],
        deletes: ['/registry/b'],
      },
      keys,
    )
    assert.deepEqual(request, {
      compare: [{ result: 'Equal', target: 'Mod', key: Buffer.from('/elsewhere/a'), mod_revision: '7' }],
      success: [
        { request_put: { key: Buffer.from('/elsewhere/a'), value } },
        { request_delete_range: { key: Buffer.from('/elsewhere/b') } },
      ],
      failure: [],
    })
  })
})

describe("a writer's own bytes", () => {
  it('stand for equal ones only', () => {
    const recent = new RecentWrites()
    const value = Buffer.from('a')
    recent.add({ key: 'k', value })
    assert.equal(recent.own('k', Buffer.from('a')), value)
    const other = Buffer.from('b')
    assert.equal(recent.own('k', other), other)
    assert.equal(recent.own('l', other), other)
  })

  it('are forgotten, the oldest first, before they take much memory', () => {
    const recent = new RecentWrites()
    const size = 1024 * 1024
    for (let i = 0; i < 40; i++) recent.add({ key: `${i}`, value: Buffer.alloc(size) })
    const kept = Array.from({ length: 40 }, (_, i) => {
      const came = Buffer.alloc(size)
      return recent.own(`${i}`, came) !== came
    })
    assert.equal(kept.filter(Boolean).length, 16)
    assert(kept.at(-1) && !kept[0])
    for (let i = 0; i < 3_000; i++) recent.add({ key: `small ${i}`, value: Buffer.from('x') })
    const came = Buffer.from('x')
    assert.equal(recent.own('small 100', came), came)
    assert.notEqual(recent.own('small 2999', came), came)
  })
})

describe('one read for many who ask', () => {
  it('answers nobody with what was read before he asked', async () => {
    const reads: PromiseWithResolvers<number>[] = []
    const shared = new SharedRead(() => {
      const read = Promise.withResolvers<number>()
      reads.push(read)
      return read.promise
    })
    const first = shared.get()
    const [second, third] = [shared.get(), shared.get()]
    assert.equal(reads.length, 1)
    reads[0]!.resolve(1)
    assert.equal(await first, 1)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(reads.length, 2)
    const fourth = shared.get()
    reads[1]!.resolve(2)
    assert.deepEqual(await Promise.all([second, third]), [2, 2])
    await new Promise((resolve) => setImmediate(resolve))
    reads[2]!.reject(new Error('away'))
    await assert.rejects(fourth, /away/)
    const fifth = shared.get()
    reads[3]!.resolve(4)
    assert.equal(await fifth, 4)
  })
})
