import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compareKeys } from '../../../src/controlplane/store/key-order.ts'
import {
  CompactedError,
  type Revision,
  type Store,
  StoreError,
  type StoreEvent,
} from '../../../src/controlplane/store/store.ts'
import { digestOf } from '../../../src/controlplane/store/store-digest.ts'
import { eventually } from '../../harness/eventually.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)

async function put(store: Store, key: string, value: string, expected?: Revision): Promise<Revision> {
  const expect = expected === undefined ? [] : [{ key, modRevision: expected }]
  const { ok, revision } = await store.commit({ expect, puts: [{ key, value: bytes(value) }], deletes: [] })
  assert(ok, `put of ${key}`)
  return revision
}

async function remove(store: Store, key: string): Promise<Revision> {
  return (await store.commit({ expect: [], puts: [], deletes: [key] })).revision
}

async function keys(store: Store, prefix: string, revision?: Revision): Promise<readonly string[]> {
  const { items } = await store.list(prefix, revision === undefined ? {} : { revision })
  return items.map(({ key, value }) => `${key}=${text(value)}`)
}

function told(event: StoreEvent): string {
  return event.type === 'put'
    ? `${event.modRevision} put ${event.key}=${text(event.value)} since ${event.createRevision}`
    : `${event.modRevision} delete ${event.key}`
}

/** Collects what a watch gives until `until` holds; checks that no batch splits a revision and that order is kept. */
async function collect(
  store: Store,
  prefix: string,
  from: Revision,
  until: (events: readonly StoreEvent[]) => boolean,
): Promise<readonly StoreEvent[]> {
  const abort = new AbortController()
  const events: StoreEvent[] = []
  for await (const batch of store.watch(prefix, from, abort.signal)) {
    assert(batch.length > 0, 'no empty batch')
    const last = events.at(-1)
    if (last !== undefined) assert(batch[0]!.modRevision > last.modRevision, 'a revision is never split or repeated')
    for (const [i, event] of batch.entries()) {
      assert(event.modRevision >= from && event.key.startsWith(prefix))
      if (i > 0) assert(event.modRevision >= batch[i - 1]!.modRevision, 'in the order of revisions')
    }
    events.push(...batch)
    if (until(events)) abort.abort()
  }
  return events
}

/** What every store must hold; `open` gives a fresh, empty one. `modelRuns` is how many random histories are tried. */
export function storeContract(name: string, open: () => Promise<Store>, modelRuns: number): void {
  const using = (run: (store: Store) => Promise<void>) => async (): Promise<void> => {
    const store = await open()
    try {
      await run(store)
    } finally {
      await store.close()
    }
  }

  describe(`${name}: compare-and-swap`, () => {
    it(
      'creates only where nothing is, updates only what was read',
      using(async (store) => {
        const created = await put(store, '/a', '1', 0n)
        const again = await store.commit({
          expect: [{ key: '/a', modRevision: 0n }],
          puts: [{ key: '/a', value: bytes('2') }],
          deletes: [],
        })
        assert.deepEqual(again, { ok: false, revision: created })
        const updated = await put(store, '/a', '2', created)
        assert.equal(updated, created + 1n)
        const { value, ...at } = (await store.get('/a'))!
        assert.deepEqual(at, { key: '/a', createRevision: created, modRevision: updated })
        assert.equal(text(value), '2')
      }),
    )

    it(
      'lets one of many concurrent writers win, and says a later revision for each that does',
      using(async (store) => {
        const start = await put(store, '/counter', '0')
        const tries = await Promise.all(
          Array.from({ length: 50 }, (_, i) =>
            store.commit({
              expect: [{ key: '/counter', modRevision: start }],
              puts: [{ key: '/counter', value: bytes(`${i}`) }],
              deletes: [],
            }),
          ),
        )
        assert.equal(tries.filter(({ ok }) => ok).length, 1)
        assert.equal(await store.currentRevision(), start + 1n)
        const revisions = await Promise.all(Array.from({ length: 50 }, (_, i) => put(store, `/many/${i}`, 'x')))
        assert.deepEqual(
          revisions.toSorted((a, b) => Number(a - b)),
          Array.from({ length: 50 }, (_, i) => start + 2n + BigInt(i)),
        )
      }),
    )

    it(
      'writes all of a transaction at one revision, or nothing',
      using(async (store) => {
        await put(store, '/old', 'o')
        const { ok, revision } = await store.commit({
          expect: [{ key: '/new', modRevision: 0n }],
          puts: [
            { key: '/new', value: bytes('n') },
            { key: '/other', value: bytes('p') },
          ],
          deletes: ['/old', '/never'],
        })
        assert(ok)
        assert.deepEqual(
          (await store.list('/')).items.map(({ key, modRevision }) => [key, modRevision]),
          [
            ['/new', revision],
            ['/other', revision],
          ],
        )
        const refused = await store.commit({
          expect: [
            { key: '/new', modRevision: revision },
            { key: '/other', modRevision: 1n },
          ],
          puts: [{ key: '/third', value: bytes('t') }],
          deletes: ['/new'],
        })
        assert.deepEqual(refused, { ok: false, revision })
        assert.deepEqual(await keys(store, '/'), ['/new=n', '/other=p'])
      }),
    )

    it(
      'takes no revision for a transaction that changes nothing, and starts a key anew after its deletion',
      using(async (store) => {
        const first = await put(store, '/a', '1')
        const nothing = await store.commit({
          expect: [{ key: '/a', modRevision: first }],
          puts: [],
          deletes: ['/missing'],
        })
        assert.deepEqual(nothing, { ok: true, revision: first })
        await remove(store, '/a')
        assert.equal(await store.get('/a'), undefined)
        const again = await put(store, '/a', '2', 0n)
        assert.equal((await store.get('/a'))!.createRevision, again)
      }),
    )

    it(
      'refuses a transaction that writes a key twice, and a key that is no text',
      using(async (store) => {
        const value = bytes('x')
        const wrong = [
          { expect: [], puts: [{ key: '/a', value }], deletes: ['/a'] },
          { expect: [], puts: [{ key: '', value }], deletes: [] },
          { expect: [], puts: [{ key: '/a\0', value }], deletes: [] },
          { expect: [], puts: [{ key: '/\ud800', value }], deletes: [] },
        ]
        for (const transaction of wrong) await assert.rejects(store.commit(transaction), { name: 'AssertionError' })
        assert.deepEqual((await store.list('')).items, [])
      }),
    )

    it(
      'keeps values byte by byte, also empty and large ones',
      using(async (store) => {
        const large = Uint8Array.from({ length: 1_500_000 }, (_, i) => (i * 7) % 256)
        await store.commit({
          expect: [],
          puts: [
            { key: '/empty', value: new Uint8Array(0) },
            { key: '/large', value: large },
          ],
          deletes: [],
        })
        assert.deepEqual([...(await store.get('/empty'))!.value], [])
        assert(Buffer.from(large).equals((await store.get('/large'))!.value))
        // The caller's bytes are still the caller's.
        assert.equal(large.byteLength, 1_500_000)
      }),
    )
  })

  describe(`${name}: list`, () => {
    it(
      'reads as of an earlier revision',
      using(async (store) => {
        const one = await put(store, '/p/a', '1')
        const two = await put(store, '/p/b', '1')
        const three = await put(store, '/p/a', '2')
        const four = await remove(store, '/p/b')
        assert.deepEqual(await keys(store, '/p/', one), ['/p/a=1'])
        assert.deepEqual(await keys(store, '/p/', two), ['/p/a=1', '/p/b=1'])
        assert.deepEqual(await keys(store, '/p/', three), ['/p/a=2', '/p/b=1'])
        assert.deepEqual(await keys(store, '/p/', four), ['/p/a=2'])
        await assert.rejects(
          store.list('/p/', { revision: four + 1n }),
          (error) => error instanceof StoreError && error.code === 'future-revision',
        )
      }),
    )

    it(
      'pages through one revision while others write',
      using(async (store) => {
        await Promise.all(Array.from({ length: 95 }, (_, i) => put(store, `/p/${String(i).padStart(3, '0')}`, 'old')))
        const seen: string[] = []
        let page = await store.list('/p/', { limit: 10 })
        const { revision } = page
        assert.equal(page.remaining, 85)
        for (let n = 0; ; n++) {
          seen.push(...page.items.map(({ key, value }) => `${key}=${text(value)}`))
          if (!page.more) break
          await put(store, `/p/${String(n).padStart(3, '0')}x`, 'new')
          await put(store, `/p/${String(94 - n).padStart(3, '0')}`, 'new')
          await remove(store, `/p/${String(50 + n).padStart(3, '0')}`)
          page = await store.list('/p/', { limit: 10, after: page.items.at(-1)!.key, revision })
          assert.equal(page.remaining, 95 - seen.length - page.items.length)
        }
        assert.deepEqual(
          seen,
          Array.from({ length: 95 }, (_, i) => `/p/${String(i).padStart(3, '0')}=old`),
        )
        assert.equal(page.remaining, 0)
      }),
    )

    it(
      'takes exactly the keys under a prefix, in the order of their bytes',
      using(async (store) => {
        const all = [
          '/registry/pods/a/b',
          '/registry/pods/ä/ö',
          '/registry/pods/\u{1f600}',
          '/registry/pods/\uffee',
          '/registry/pods/\ud7ff',
          '/registry/pods/\ud7ff\u{10ffff}',
          '/registry/pods/\u{10ffff}x',
          '/registry/pods0',
          '/registry/podsx/a',
          '/registry/pod',
          '/registry/%/_',
        ]
        for (const key of all) await put(store, key, '')
        const want = (prefix: string): string[] =>
          all.filter((key) => key.startsWith(prefix)).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        for (const prefix of [
          '',
          '/registry/pods/',
          '/registry/pods',
          '/registry/podsx',
          '/registry/pods/\ud7ff',
          '/registry/pods/\u{10ffff}',
          '/registry/%',
          '/registry/_',
          '/zzz',
        ]) {
          const { items } = await store.list(prefix)
          assert.deepEqual(
            items.map(({ key }) => key),
            want(prefix),
            `prefix ${prefix}`,
          )
        }
      }),
    )
  })

  describe(`${name}: watch`, () => {
    it(
      'reads history, then live changes, with nothing lost or doubled under concurrent writes',
      using(async (store) => {
        const start = await store.currentRevision()
        const history = Array.from({ length: 300 }, (_, i) => put(store, `/w/${i % 7}`, `${i}`))
        await Promise.all(history.slice(0, 100))
        const last = start + 600n
        const until = (events: readonly StoreEvent[]): boolean => events.at(-1)?.modRevision === last
        const watches = [
          collect(store, '/w/', start + 1n, until),
          collect(store, '/w/', start + 50n, until),
          collect(store, '/w/', start + 301n, until),
        ]
        for (let i = 300; i < 600; i += 10) {
          await Promise.all(Array.from({ length: 10 }, (_, n) => put(store, `/w/${(i + n) % 7}`, `${i + n}`)))
        }
        const [all, later, live] = await Promise.all(watches)
        assert.deepEqual(
          all!.map(({ modRevision }) => modRevision),
          Array.from({ length: 600 }, (_, i) => start + 1n + BigInt(i)),
        )
        assert.deepEqual(later!.map(told), all!.slice(49).map(told))
        assert.deepEqual(live!.map(told), all!.slice(300).map(told))
      }),
    )

    it(
      'tells history and live changes in the same words',
      using(async (store) => {
        const start = await store.currentRevision()
        const until = (events: readonly StoreEvent[]): boolean => events.length >= 5
        const live = collect(store, '/w/', start + 1n, until)
        const created = await put(store, '/w/a', '1')
        await put(store, '/elsewhere', '1')
        await put(store, '/w/a', '2')
        await store.commit({ expect: [], puts: [{ key: '/w/b', value: bytes('1') }], deletes: ['/w/a'] })
        await put(store, '/w/a', '3')
        const want = [
          `${created} put /w/a=1 since ${created}`,
          `${created + 2n} put /w/a=2 since ${created}`,
          `${created + 3n} put /w/b=1 since ${created + 3n}`,
          `${created + 3n} delete /w/a`,
          `${created + 4n} put /w/a=3 since ${created + 4n}`,
        ]
        assert.deepEqual((await live).map(told), want)
        assert.deepEqual((await collect(store, '/w/', start + 1n, until)).map(told), want)
      }),
    )

    it(
      'serves a watcher that stopped reading from history, with nothing lost',
      using(async (store) => {
        const start = await store.currentRevision()
        const abort = new AbortController()
        const seen: Revision[] = []
        const many = (n: number) =>
          store.commit({
            expect: [],
            puts: Array.from({ length: 1_000 }, (_, i) => ({ key: `/w/${i}`, value: bytes(`${n}`) })),
            deletes: [],
          })
        await many(0)
        let writing: Promise<unknown> | undefined
        for await (const batch of store.watch('/w/', start + 1n, abort.signal)) {
          for (const { modRevision } of batch) if (seen.at(-1) !== modRevision) seen.push(modRevision)
          // While this loop's body waits, more piles up than a watcher may hold in memory.
          writing ??= Promise.all(Array.from({ length: 45 }, (_, i) => many(i)))
          await writing
          if (seen.at(-1) === start + 46n) abort.abort()
        }
        assert.deepEqual(
          seen,
          Array.from({ length: 46 }, (_, i) => start + 1n + BigInt(i)),
        )
      }),
    )

    it(
      'ends when its signal aborts, and with an error when the store closes',
      using(async (store) => {
        const aborted = new AbortController()
        aborted.abort()
        for await (const _ of store.watch('/', 1n, aborted.signal)) assert.fail('nothing comes after an abort')
        const abort = new AbortController()
        const waiting = (async () => {
          for await (const _ of store.watch('/', 2n, abort.signal)) assert.fail('nothing was written')
        })()
        abort.abort()
        await waiting
        const open = (async () => {
          for await (const _ of store.watch('/', 2n, new AbortController().signal)) assert.fail('nothing was written')
        })()
        const ended = assert.rejects(open, (error) => error instanceof StoreError && error.code === 'closed')
        await store.close()
        await ended
        await assert.rejects(put(store, '/a', '1'), (error) => error instanceof StoreError && error.code === 'closed')
        await assert.rejects(store.list('/'), (error) => error instanceof StoreError && error.code === 'closed')
      }),
    )
  })

  describe(`${name}: compaction`, () => {
    it(
      'keeps every current value, forgets the rest, and refuses to read behind it',
      using(async (store) => {
        await put(store, '/a', '1')
        await put(store, '/b', '1')
        const before = await put(store, '/a', '2')
        const at = await remove(store, '/b')
        await put(store, '/c', '1')
        await store.compact(at)
        assert.deepEqual(await keys(store, '/'), ['/a=2', '/c=1'])
        assert.deepEqual(await keys(store, '/', at), ['/a=2'])
        const compacted = (error: unknown): boolean =>
          error instanceof CompactedError && error.code === 'compacted' && error.compactRevision === at
        await assert.rejects(store.list('/', { revision: before }), compacted)
        await assert.rejects(
          collect(store, '/', before, () => true),
          compacted,
        )
        await assert.rejects(
          collect(store, '/', at, () => true),
          compacted,
        )
        assert.equal((await collect(store, '/', at + 1n, () => true)).length, 1)
        // The past does not come back, and the future is not there yet.
        await store.compact(before)
        await assert.rejects(store.list('/', { revision: before }), compacted)
        await assert.rejects(store.compact(at + 100n), { code: 'future-revision' })
      }),
    )

    it(
      'goes on while others write and watch',
      using(async (store) => {
        const start = await store.currentRevision()
        let seen = start
        const until = (events: readonly StoreEvent[]): boolean => {
          seen = events.at(-1)!.modRevision
          return events.at(-1)!.key === '/c/end'
        }
        const watch = collect(store, '/c/', start + 1n, until)
        let newest = start
        for (let i = 0; i < 2_000; i += 100) {
          // Only what this watcher has read is forgotten: one that keeps up is not to be harmed.
          await eventually(() => (seen >= newest ? true : undefined), 20_000)
          const written = Promise.all(
            Array.from({ length: 100 }, (_, n) =>
              (i + n) % 10 === 9 ? remove(store, `/c/${n - 1}`) : put(store, `/c/${n}`, `${i}`),
            ),
          )
          if (i > 0) await store.compact(newest)
          // A deletion that came before its key's creation changed nothing; it says the revision of then.
          for (const revision of await written) if (revision > newest) newest = revision
        }
        await put(store, '/c/end', 'x')
        const events = await watch
        const live = new Map<string, Revision>()
        for (const event of events) {
          if (event.type === 'put') live.set(event.key, event.modRevision)
          else live.delete(event.key)
        }
        const { items } = await store.list('/c/')
        assert.deepEqual(
          items.map(({ key, modRevision }) => [key, modRevision]),
          [...live].toSorted(([a], [b]) => compareKeys(a, b)),
        )
      }),
    )
  })

  describe(`${name}: digest`, () => {
    it(
      'says the same of the store and of a copy, and something else of a copy that differs',
      using(async (store) => {
        await Promise.all(Array.from({ length: 40 }, (_, i) => put(store, `/d/${i}`, 'x')))
        await remove(store, '/d/7')
        await put(store, '/other', 'x')
        const { items, revision } = await store.list('/d/')
        assert.deepEqual(await store.digest('/d/'), { ...digestOf(items.toReversed()), revision })
        assert.equal((await store.digest('/d/')).count, 39)
        assert.notDeepEqual(digestOf(items.slice(1)), digestOf(items))
        const stale = items.map((item, i) => (i === 3 ? { ...item, modRevision: item.modRevision - 1n } : item))
        assert.notEqual(digestOf(stale).hash, digestOf(items).hash)
      }),
    )
  })

  describe(`${name}: against a model`, () => {
    const key = fc.constantFrom('/m/a', '/m/b', '/m/ä', '/m/\u{1f600}', '/m', '/n/a')
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key, stale: fc.boolean() }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('many' as const), keys: fc.uniqueArray(key, { minLength: 1 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(5) }) },
    )

    it('holds what a map of versions holds, now and at every revision not compacted', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const store = await open()
          try {
            const start = await store.currentRevision()
            /** The whole content at each revision from `start` on. */
            const model: Map<string, readonly [value: string, revision: Revision]>[] = [new Map()]
            let compacted = 0n
            const commit = async (
              puts: readonly string[],
              deletes: readonly string[],
              stale: boolean,
            ): Promise<void> => {
              const now = model.at(-1)!
              const value = `${model.length}`
              const expected = now.get(puts[0] ?? deletes[0]!)?.[1] ?? 0n
              const { ok, revision } = await store.commit({
                expect: [{ key: puts[0] ?? deletes[0]!, modRevision: stale ? expected + 1n : expected }],
                puts: puts.map((k) => ({ key: k, value: bytes(value) })),
                deletes,
              })
              assert.equal(ok, !stale)
              const changes = !stale && (puts.length > 0 || deletes.some((k) => now.has(k)))
              if (changes) {
                const next = new Map(now)
                for (const k of deletes) next.delete(k)
                for (const k of puts) next.set(k, [value, revision])
                model.push(next)
              }
              assert.equal(revision, start + BigInt(model.length - 1))
            }
            for (const s of steps) {
              if (s.do === 'put') await commit([s.key], [], s.stale)
              else if (s.do === 'delete') await commit([], [s.key], false)
              else if (s.do === 'many') await commit(s.keys.slice(1), s.keys.slice(0, 1), false)
              else {
                const at = start + BigInt(Math.max(0, model.length - 1 - s.back))
                if (at > compacted) compacted = at
                await store.compact(at)
              }
            }
            for (const [i, content] of model.entries()) {
              const revision = start + BigInt(i)
              if (revision < compacted) {
                await assert.rejects(store.list('/m', { revision }), { code: 'compacted' })
                continue
              }
              for (const prefix of ['', '/m', '/m/']) {
                const { items } = await store.list(prefix, { revision })
                assert.deepEqual(
                  items.map((item) => [item.key, text(item.value), item.modRevision]),
                  [...content]
                    .filter(([k]) => k.startsWith(prefix))
                    .toSorted(([a], [b]) => compareKeys(a, b))
                    .map(([k, [value, modRevision]]) => [k, value, modRevision]),
                )
              }
            }
            const newest = start + BigInt(model.length - 1)
            const from = (compacted > start ? compacted : start) + 1n
            if (newest >= from) {
              // Replaying history over the content before it gives the content now.
              const replayed = new Map(model[Number(from - start) - 1]!)
              for (const event of await collect(store, '', from, (events) => events.at(-1)!.modRevision === newest)) {
                if (event.type === 'put') replayed.set(event.key, [text(event.value), event.modRevision])
                else replayed.delete(event.key)
              }
              assert.deepEqual(replayed, model.at(-1))
            }
          } finally {
            await store.close()
          }
        }),
        { numRuns: modelRuns },
      )
    })
  })
}
