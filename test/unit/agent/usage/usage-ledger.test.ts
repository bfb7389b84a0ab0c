import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ContainerProcessStat, UsageLedger } from '../../../../src/agent/usage/usage-ledger.ts'

const TICK = 10_000_000

function process(pid: number, more: Partial<ContainerProcessStat> = {}): ContainerProcessStat {
  return {
    pid,
    parent: 1,
    startTicks: pid,
    ownTicks: 0,
    reapedTicks: 0,
    residentPages: 0,
    sharedPages: 0,
    container: 'u/c',
    ...more,
  }
}

/** The counter in ticks after each pass. */
function counters(...passes: readonly (readonly ContainerProcessStat[])[]): readonly (number | undefined)[] {
  const ledger = new UsageLedger(4096)
  return passes.map((found, i) => {
    const ns = ledger.take(found, i * 1000).get('u/c')?.cpuNanoseconds
    return ns === undefined ? undefined : ns / TICK
  })
}

test('a child that was waited for is counted once, with what it used after the last look', () => {
  const shim = { pid: 10 }
  assert.deepEqual(
    counters(
      [process(10), process(11, { parent: shim.pid, ownTicks: 50 })],
      [process(10, { reapedTicks: 70 })],
      [process(10, { reapedTicks: 70, ownTicks: 1 })],
    ),
    [50, 70, 71],
  )
})

test('a grandchild is followed through a parent that went away with it', () => {
  assert.deepEqual(
    counters(
      [process(10), process(11, { parent: 10, ownTicks: 5 }), process(12, { parent: 11, ownTicks: 40 })],
      [process(10, { reapedTicks: 48 })],
    ),
    [45, 48],
  )
})

test('what nobody waited for does not take the counter back', () => {
  assert.deepEqual(
    counters([process(10), process(11, { parent: 1, ownTicks: 50 })], [process(10, { ownTicks: 3 })]),
    [50, 53],
  )
})

test('a restarted container goes on counting, also after a look in between that found nothing', () => {
  assert.deepEqual(
    counters([process(10, { ownTicks: 100 })], [], [process(20, { ownTicks: 7 })], [process(20, { ownTicks: 9 })]),
    [100, 100, 107, 109],
  )
})

test('a number that was given out again is another process', () => {
  assert.deepEqual(
    counters([process(10, { ownTicks: 100 })], [process(10, { startTicks: 99, ownTicks: 4 })]),
    [100, 104],
  )
})

test('containers do not see each other', () => {
  const ledger = new UsageLedger(4096)
  ledger.take([process(10), process(11, { parent: 10, ownTicks: 30, container: 'u/d' })], 0)
  const usage = ledger.take([process(10, { reapedTicks: 5 })], 1_000)
  assert.equal(usage.get('u/c')?.cpuNanoseconds, 5 * TICK)
  assert.equal(usage.get('u/d')?.cpuNanoseconds, 30 * TICK)
})

test('a container without processes is forgotten after the longest back-off, and not before', () => {
  const ledger = new UsageLedger(4096)
  ledger.take([process(10, { ownTicks: 1 })], 0)
  assert.equal(ledger.take([], 6 * 60_000).get('u/c')?.processes, 0)
  assert.equal(ledger.take([], 11 * 60_000).has('u/c'), false)
})

test('pages of files that processes share count once, anonymous ones each time', () => {
  const usage = new UsageLedger(4096)
    .take(
      [
        process(10, { residentPages: 100, sharedPages: 60 }),
        process(11, { residentPages: 80, sharedPages: 70 }),
        // Read at two moments: more shared than resident.
        process(12, { residentPages: 5, sharedPages: 6 }),
      ],
      0,
    )
    .get('u/c')
  assert.deepEqual(usage, {
    cpuNanoseconds: 0,
    workingSetBytes: (40 + 10 + 70) * 4096,
    rssBytes: 50 * 4096,
    processes: 3,
  })
})

interface Live {
  parent: number
  start: number
  own: number
  reaped: number
}

type Step =
  | { readonly kind: 'fork' | 'exit' | 'orphan' | 'restart'; readonly which: number }
  | { readonly kind: 'work'; readonly which: number; readonly ticks: number }
  | { readonly kind: 'look' }

const which = fc.nat(20)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('fork', 'exit', 'orphan', 'restart'), which }),
  fc.record({ kind: fc.constant('work'), which, ticks: fc.nat(50) }),
  fc.record({ kind: fc.constant('look') }),
)

/** A kernel with one tree of processes below number 1, which gives numbers out again. Returns true time and counter at each look. */
function simulate(steps: readonly Step[]): { readonly used: number; readonly looks: readonly [number, number][] } {
  const ledger = new UsageLedger(4096)
  const live = new Map<number, Live>()
  let now = 0
  let used = 0
  const begin = (parent: number): void => {
    let pid = 2
    while (live.has(pid)) pid += 1
    live.set(pid, { parent, start: now, own: 0, reaped: 0 })
  }
  const end = (pid: number, isReaped: boolean): void => {
    const { parent, own, reaped } = live.get(pid)!
    live.delete(pid)
    for (const child of live.values()) if (child.parent === pid) child.parent = 1
    const father = live.get(parent)
    if (isReaped && father !== undefined) father.reaped += own + reaped
  }
  const looks: [number, number][] = []
  begin(1)
  for (const given of [...steps, { kind: 'look' } as const]) {
    now += 1
    const pids = [...live.keys()]
    const pid = given.kind === 'look' || pids.length === 0 ? 0 : pids[given.which % pids.length]!
    if (given.kind === 'look') {
      const found = Array.from(live, ([number, { parent, start, own, reaped }]) =>
        process(number, { parent, startTicks: start, ownTicks: own, reapedTicks: reaped }),
      )
      looks.push([used, (ledger.take(found, now).get('u/c')?.cpuNanoseconds ?? 0) / TICK])
    } else if (given.kind === 'work' && pid !== 0) {
      live.get(pid)!.own += given.ticks
      used += given.ticks
    } else if (given.kind === 'fork' && pid !== 0) begin(pid)
    else if (given.kind === 'exit' && pid !== 0) end(pid, true)
    else if (given.kind === 'orphan' && pid !== 0) end(pid, false)
    else if (given.kind === 'restart') {
      for (const each of pids) if (live.has(each)) end(each, false)
      begin(1)
    }
  }
  return { used, looks }
}

test('the counter never goes back and never tells of more than was used', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let last = 0
      for (const [used, counter] of simulate(steps).looks) {
        assert.ok(counter >= last && counter <= used, `${last} ≤ ${counter} ≤ ${used}`)
        last = counter
      }
    }),
    { numRuns: 500 },
  )
})

test('nothing is lost as long as every process is waited for by a parent that stays', () => {
  const calm = fc.oneof(
    fc.record({ kind: fc.constant('fork' as const), which: fc.constant(0) }),
    // The first process is never chosen: it is the shim, which waits for all.
    fc.record({ kind: fc.constant('exit' as const), which: fc.constant(1) }),
    fc.record({ kind: fc.constant('work' as const), which, ticks: fc.nat(50) }),
    fc.record({ kind: fc.constant('look' as const) }),
  )
  fc.assert(
    fc.property(fc.array(calm, { maxLength: 60 }), (steps) => {
      // An exit with one process left would end the shim.
      let processes = 1
      const possible = steps.filter(({ kind }) => {
        if (kind === 'fork') processes += 1
        if (kind === 'exit') {
          if (processes === 1) return false
          processes -= 1
        }
        return true
      })
      for (const [used, counter] of simulate(possible).looks) assert.equal(counter, used)
    }),
    { numRuns: 500 },
  )
})
