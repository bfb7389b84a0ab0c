import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../../src/api/types/core-v1.gen.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { UsageCollector } from '../../../src/controlplane/metrics-api/usage-collector.ts'
import { summary } from './summary-fixture.ts'

interface World {
  readonly clock: VirtualClock
  readonly collector: UsageCollector
  /** Nodes that answer nonsense, with an error, or not at all. */
  readonly broken: Map<string, 'refuses' | 'garbage' | 'error' | 'huge'>
  readonly warnings: string[]
  nodes: string[]
  asked: number
  /** `ready`, with time going on while it waits. */
  ready(): Promise<void>
}

function world(...nodes: string[]): World {
  const clock = new VirtualClock()
  const began = clock.now()
  const broken: World['broken'] = new Map()
  const warnings: string[] = []
  const made: Omit<World, 'collector'> & { collector?: UsageCollector } = {
    clock,
    broken,
    warnings,
    nodes,
    asked: 0,
    async ready() {
      let over = false
      const waiting = made.collector!.ready().finally(() => {
        over = true
      })
      for (let i = 0; i < 50 && !over; i++) await clock.advance(100)
      assert.ok(over, 'it answers within five seconds')
      await waiting
    },
  }
  made.collector = new UsageCollector({
    nodes: () => made.nodes.map((name): Node => ({ metadata: { name } })),
    async source(node, path) {
      made.asked += 1
      assert.equal(path, '/stats/summary')
      const how = broken.get(node.metadata!.name!)
      if (how === 'refuses') throw new Error('ECONNREFUSED')
      const text = how === 'garbage' ? '{' : summary(clock.now(), { u: { a: [(clock.now() - began) * 1e6, 1] } })
      const chunk = Buffer.alloc(1024 * 1024)
      const body = (async function* () {
        if (how === 'huge') for (;;) yield chunk
        yield Buffer.from(text)
      })()
      return { status: how === 'error' ? 500 : 200, body }
    },
    clock,
    logger: { ...silentLogger, warn: (fields: object) => void warnings.push((fields as { node: string }).node) },
  })
  return made as World
}

function nanoCores(of: World, node: string): number | undefined {
  return of.collector.history(node)?.pod('u')?.get('a')?.cpuNanoCores
}

test('nobody is asked before somebody wants to know; the first answer has rates', async (t) => {
  const w = world('n1', 'n2')
  t.after(() => w.collector.close())
  await w.clock.advance(600_000)
  assert.equal(w.asked, 0)
  await w.ready()
  assert.equal(w.asked, 4)
  assert.equal(nanoCores(w, 'n1'), 1e9)
  assert.equal(nanoCores(w, 'n2'), 1e9)
})

test('many who ask at once cost what one does', async (t) => {
  const w = world('n1')
  t.after(() => w.collector.close())
  await Promise.all([w.ready(), w.ready(), w.ready()])
  await w.ready()
  assert.equal(w.asked, 2)
})

test('samples go on every 15 seconds while somebody asks, and end five minutes after', async (t) => {
  const w = world('n1')
  t.after(() => w.collector.close())
  await w.ready()
  await w.clock.advance(60_000)
  assert.equal(w.asked, 2 + 4)
  assert.equal(w.collector.history('n1')?.pod('u')?.get('a')?.windowMs, 15_000)
  await w.clock.advance(600_000)
  const rested = w.asked
  assert.ok(rested <= 2 + 21)
  await w.clock.advance(3_600_000)
  assert.equal(w.asked, rested)
  assert.equal(w.collector.history('n1'), undefined)
  await w.ready()
  const windowMs = w.collector.history('n1')?.pod('u')?.get('a')?.windowMs ?? 0
  assert.ok(windowMs >= 1_500 && windowMs < 2_000, 'no rate over the pause')
})

for (const how of ['refuses', 'garbage', 'error', 'huge'] as const)
  test(`a node that ${how === 'refuses' ? how : `answers with ${how}`} takes only its own numbers with it`, async (t) => {
    const w = world('good', 'bad')
    t.after(() => w.collector.close())
    w.broken.set('bad', how)
    await w.ready()
    assert.equal(nanoCores(w, 'good'), 1e9)
    assert.equal(nanoCores(w, 'bad'), undefined)
    await w.clock.advance(45_000)
    assert.deepEqual(w.warnings, ['bad'], 'told once')
    w.broken.clear()
    await w.clock.advance(30_000)
    assert.equal(nanoCores(w, 'bad'), 1e9)
  })

test('what a node said is told for 45 seconds after it fell silent', async (t) => {
  const w = world('n1')
  t.after(() => w.collector.close())
  await w.ready()
  w.broken.set('n1', 'refuses')
  await w.clock.advance(30_000)
  assert.equal(nanoCores(w, 'n1'), 1e9)
  await w.clock.advance(30_000)
  assert.equal(nanoCores(w, 'n1'), undefined)
})

test('a node that is gone is forgotten, one that comes is asked', async (t) => {
  const w = world('n1')
  t.after(() => w.collector.close())
  await w.ready()
  w.nodes = ['n2']
  await w.clock.advance(31_000)
  assert.equal(w.collector.history('n1'), undefined)
  assert.equal(nanoCores(w, 'n2'), 1e9)
})

test('without nodes the answer comes at once, and a closed collector asks nobody', async () => {
  const w = world()
  await w.collector.ready()
  w.collector.close()
  w.nodes = ['n1']
  await w.clock.advance(600_000)
  await w.collector.ready()
  assert.equal(w.asked, 0)
})
