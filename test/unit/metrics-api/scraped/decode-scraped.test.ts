import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeScraped } from '../../../../src/controlplane/metrics-api/scraped/decode-scraped.ts'

const GOOD = { name: 'a', type: 'gauge', labels: { x: '1' }, value: 1 }

test('what makes no sense is left out, series by series and pod by pod', () => {
  const series = [
    GOOD,
    { ...GOOD, value: '1' },
    { ...GOOD, value: null },
    { ...GOOD, type: 'histogram' },
    { ...GOOD, labels: [] },
    { ...GOOD, labels: { x: 1 } },
    { ...GOOD, labels: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`l${i}`, ''])) },
    { ...GOOD, name: 7 },
    null,
    'a',
  ]
  const pods = [
    { uid: 'u', atMs: 1, series },
    { uid: 7, atMs: 1, series },
    { uid: 'v', atMs: 'x', series },
    { uid: 'w', atMs: 2 },
    null,
  ]
  const { pods: read, names } = decodeScraped(
    JSON.stringify({ pods, names: [{ name: 'a', type: 'gauge' }, { name: 'b' }, 7] }),
  )
  assert.deepEqual(read, [
    { uid: 'u', atMs: 1, series: [GOOD] },
    { uid: 'w', atMs: 2, series: [] },
  ])
  assert.deepEqual([...names], [['a', 'gauge']])
})

test('what is no object is refused', () => {
  for (const text of ['', 'null', '7', '{']) assert.throws(() => decodeScraped(text))
})

test('any JSON is read', () => {
  fc.assert(
    fc.property(fc.json(), fc.json(), (pods, names) => {
      decodeScraped(`{"pods":${pods},"names":${names}}`)
      decodeScraped(`{"pods":[{"uid":"u","atMs":1,"series":[${pods},${names}]}]}`)
    }),
  )
})
