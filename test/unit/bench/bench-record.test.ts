import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type BenchRecord, compareRecords, type ProxyFigures, parseRecord } from '../../../bench/bench-record.ts'

const figures = (proxy: string, cpuMicros: number | null, changes: Partial<ProxyFigures> = {}): ProxyFigures => ({
  proxy,
  cpuMicros,
  requestsPerSecond: 1_000,
  p50Ms: 1,
  p99Ms: 10,
  p999Ms: 20,
  rssMiB: 50,
  errors: 0,
  ...changes,
})

const record = (proxies: readonly ProxyFigures[], cell = 'c=64'): BenchRecord => ({
  format: 1,
  takenAt: '2026-11-25T00:00:00.000Z',
  machine: 'two cores',
  loadAverage: { before: 0, after: 2 },
  secondsPerCell: 2,
  versions: {},
  cells: [{ cell, proxies }],
})

describe('two records of a benchmark', () => {
  it('are compared as what is now by what was then', () => {
    const then = record([figures('wherry', 20)])
    const now = record([figures('wherry', 15, { requestsPerSecond: 1_500, p99Ms: 5, rssMiB: 100 })])
    assert.deepEqual(compareRecords(now, then), [
      { cell: 'c=64', proxy: 'wherry', cpu: 0.75, requestsPerSecond: 1.5, p99: 0.5, memory: 2, cpuBesideOthers: null },
    ])
  })

  it('tell a slower machine from a slower proxy', () => {
    const names = ['nginx', 'haproxy', 'wherry']
    const then = record(names.map((name) => figures(name, 20)))
    const now = record(names.map((name) => figures(name, name === 'wherry' ? 60 : 40)))
    assert.deepEqual(
      compareRecords(now, then).map(({ cpu, cpuBesideOthers }) => [cpu, cpuBesideOthers]),
      [
        [2, 1],
        [2, 1],
        [3, 1.5],
      ],
    )
  })

  it('are compared only where both have figures', () => {
    const then = record([figures('direct', null, { rssMiB: null }), figures('nginx', 20)])
    const now = record([figures('direct', null, { rssMiB: null }), figures('caddy', 80)])
    const [only, ...rest] = compareRecords(now, then)
    assert.deepEqual(rest, [])
    assert.deepEqual([only?.proxy, only?.cpu, only?.memory], ['direct', null, null])
    assert.deepEqual(compareRecords(now, record([figures('direct', null)], 'another cell')), [])
  })

  it('do not divide by a process that used nothing measurable', () => {
    assert.equal(compareRecords(record([figures('nginx', 20)]), record([figures('nginx', 0)]))[0]?.cpu, null)
  })
})

describe('a saved record', () => {
  it('is read as it was written', () => {
    const saved = record([figures('wherry', 20)])
    assert.deepEqual(parseRecord(JSON.stringify(saved)), saved)
  })

  for (const [what, text, message] of [
    ['no JSON', '{', /JSON/],
    ['another file', '{"name":"x"}', /not the record/],
    ['nothing', 'null', /not the record/],
    ['a later format', '{"format":2,"cells":[]}', /format 2/],
    ['no list of cells', '{"format":1,"cells":{}}', /without cells/],
  ] as const) {
    it(`is refused with a reason: ${what}`, () => assert.throws(() => parseRecord(text), message))
  }
})
