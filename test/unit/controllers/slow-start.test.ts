import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slowStart } from '../../../src/controlplane/controllers/slow-start.ts'

for (const { name, count, fails, started, failed } of [
  { name: 'all are started when none fails', count: 10, fails: () => false, started: 10, failed: 0 },
  { name: 'a hopeless cause costs one call', count: 500, fails: () => true, started: 1, failed: 1 },
  {
    name: 'the batch in which one fails is the last',
    count: 100,
    fails: (i: number) => i === 4,
    started: 7,
    failed: 1,
  },
  { name: 'nothing to do', count: 0, fails: () => true, started: 0, failed: 0 },
]) {
  test(name, async () => {
    let calls = 0
    const result = await slowStart(count, async () => {
      const i = calls++
      await Promise.resolve()
      if (fails(i)) throw new Error(`call ${i}`)
    })
    assert.equal(calls, started)
    assert.equal(result.started, started)
    assert.equal(result.errors.length, failed)
  })
}

test('batches double: 1, 2, 4, 8', async () => {
  const atOnce: number[] = []
  let running = 0
  await slowStart(15, async () => {
    running += 1
    atOnce.push(running)
    await new Promise((resolve) => setImmediate(resolve))
    running -= 1
  })
  assert.deepEqual(atOnce, [1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8])
})
