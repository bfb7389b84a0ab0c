import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { StatusError } from '../../../src/api/status-error.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { runWorkers } from '../../../src/client/run-workers.ts'
import { WorkQueue } from '../../../src/client/work-queue.ts'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function queue(): { readonly clock: VirtualClock; readonly queue: WorkQueue } {
  const clock = new VirtualClock()
  return { clock, queue: new WorkQueue(clock) }
}

describe('a work queue', () => {
  test('gives keys in order, each once however often it was added', async () => {
    const { queue: q } = queue()
    for (const key of ['a', 'b', 'a', 'c', 'b']) q.add(key)
    assert.equal(q.length, 3)
    assert.deepEqual([await q.get(), await q.get(), await q.get()], ['a', 'b', 'c'])
    assert.equal(q.length, 0)
  })

  test('gives a key that is worked on again only afterwards', async () => {
    const { queue: q } = queue()
    q.add('a')
    assert.equal(await q.get(), 'a')
    q.add('a')
    q.add('a')
    let again: string | undefined
    const waiting = q.get().then((key) => {
      again = key
    })
    await settle()
    assert.equal(again, undefined)
    q.done('a')
    await waiting
    assert.equal(again, 'a')
    q.done('a')
    assert.equal(q.length, 0)
  })

  test('delays; of several delays the shortest counts, and a plain add does not wait', async () => {
    const { clock, queue: q } = queue()
    q.addAfter('a', 1_000)
    q.addAfter('a', 500)
    q.addAfter('a', 2_000)
    await clock.advance(499)
    assert.equal(q.length, 0)
    await clock.advance(1)
    assert.equal(await q.get(), 'a')
    q.done('a')
    await clock.advance(5_000)
    assert.equal(q.length, 0)
    q.addAfter('b', 0)
    assert.equal(await q.get(), 'b')
  })

  test('backs off from 5 ms, doubling up to 1,000 s, until the key is forgotten', async () => {
    const { clock, queue: q } = queue()
    for (let i = 0; i < 20; i++) {
      const wait = Math.min(1_000_000, 5 * 2 ** i)
      q.addRateLimited('a')
      await clock.advance(wait - 1)
      assert.equal(q.length, 0)
      await clock.advance(1)
      assert.equal(await q.get(), 'a')
      q.done('a')
      assert.equal(q.failures('a'), i + 1)
    }
    q.forget('a')
    assert.equal(q.failures('a'), 0)
    q.addRateLimited('a')
    await clock.advance(4)
    assert.equal(q.length, 0)
    await clock.advance(1)
    assert.equal(q.length, 1)
  })

  test('lets a hundred retries of different keys go at once, and then ten a second', async () => {
    const { clock, queue: q } = queue()
    for (let i = 0; i < 150; i++) q.addRateLimited(`k${i}`)
    await clock.advance(5)
    assert.equal(q.length, 100)
    await clock.advance(1_000)
    assert.ok(q.length >= 109 && q.length <= 111, String(q.length))
    await clock.advance(4_000)
    assert.equal(q.length, 150)
  })

  test('when closed gives nothing, takes nothing and waits for nothing', async () => {
    const { clock, queue: q } = queue()
    const waiting = q.get()
    q.addAfter('a', 100)
    q.close()
    assert.equal(await waiting, undefined)
    q.add('b')
    await clock.advance(1_000)
    assert.equal(await q.get(), undefined)
    assert.equal(q.length, 0)
  })

  test('stays in order over many thousands', async () => {
    const { queue: q } = queue()
    for (let i = 0; i < 10_000; i++) q.add(String(i))
    for (let i = 0; i < 10_000; i++) {
      assert.equal(await q.get(), String(i))
      q.done(String(i))
      if (i < 5_000) q.add(`x${i}`)
    }
    assert.equal(q.length, 5_000)
  })

  test('loses no key and gives none twice at a time, whatever is added and done in whichever order', async () => {
    const key = fc.constantFrom('a', 'b', 'c')
    const step = fc.oneof(
      fc.record({ add: key }),
      fc.record({ after: key }),
      fc.record({ limited: key }),
      fc.constant('get' as const),
      fc.record({ done: fc.nat(2) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { clock, queue: q } = queue()
        const working: string[] = []
        /** Keys that were added and not given out since. */
        const owed = new Set<string>()
        const take = async (): Promise<void> => {
          if (q.length === 0) return
          const next = (await q.get())!
          assert.ok(!working.includes(next))
          owed.delete(next)
          working.push(next)
        }
        for (const one of steps) {
          if (one === 'get') await take()
          else if ('done' in one) {
            const [next] = working.splice(one.done % Math.max(1, working.length), 1)
            if (next !== undefined) q.done(next)
          } else if ('add' in one) {
            q.add(one.add)
            owed.add(one.add)
          } else if ('after' in one) {
            q.addAfter(one.after, 50)
            owed.add(one.after)
          } else {
            q.addRateLimited(one.limited)
            owed.add(one.limited)
          }
        }
        await clock.advance(100_000_000)
        while (working.length > 0 || q.length > 0) {
          await take()
          q.done(working.shift()!)
        }
        assert.deepEqual([...owed], [])
      }),
      { numRuns: 300 },
    )
  })
})

describe('workers', () => {
  test('reconcile each key, at most so many at a time, and never one key twice at a time', async () => {
    const { queue: q } = queue()
    let running = 0
    let most = 0
    const seen: string[] = []
    const workers = runWorkers({
      name: 'test',
      queue: q,
      workers: 3,
      logger: silentLogger,
      async reconcile(key) {
        running += 1
        most = Math.max(most, running)
        await settle()
        seen.push(key)
        running -= 1
        return undefined
      },
    })
    for (let i = 0; i < 20; i++) q.add(String(i))
    while (seen.length < 20) await settle()
    assert.equal(most, 3)
    await workers.close()
  })

  test('try again what failed, with back-off, and forget that once it went well', async () => {
    const { clock, queue: q } = queue()
    let tries = 0
    const workers = runWorkers({
      name: 'test',
      queue: q,
      workers: 1,
      logger: silentLogger,
      async reconcile() {
        tries += 1
        if (tries < 4) throw tries === 1 ? new StatusError('Conflict', 'x') : new Error('y')
        return undefined
      },
    })
    q.add('a')
    await settle()
    assert.equal(tries, 1)
    await clock.advance(100)
    assert.equal(tries, 4)
    assert.equal(q.failures('a'), 0)
    await workers.close()
  })

  test('look again when asked to', async () => {
    const { clock, queue: q } = queue()
    let looks = 0
    const workers = runWorkers({
      name: 'test',
      queue: q,
      workers: 1,
      logger: silentLogger,
      async reconcile() {
        looks += 1
        return looks < 3 ? { requeueAfterMs: 1_000 } : undefined
      },
    })
    q.add('a')
    await settle()
    await clock.advance(10_000)
    assert.equal(looks, 3)
    await workers.close()
  })

  test('finish what they are at before they close', async () => {
    const { queue: q } = queue()
    let release = (): void => {}
    let finished = false
    const workers = runWorkers({
      name: 'test',
      queue: q,
      workers: 1,
      logger: silentLogger,
      async reconcile() {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        finished = true
        return undefined
      },
    })
    q.add('a')
    await settle()
    const closing = workers.close()
    await settle()
    assert.equal(finished, false)
    release()
    await closing
    assert.equal(finished, true)
  })
})
