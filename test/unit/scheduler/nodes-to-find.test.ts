import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodesToFind } from '../../../src/controlplane/scheduler/nodes-to-find.ts'

test('all of up to a hundred nodes, then a share that falls from a half to a twentieth', () => {
  const found = [0, 1, 99, 100, 101, 200, 250, 1_000, 5_000, 5_625, 6_000, 10_000].map((n) => [n, nodesToFind(n)])
  assert.deepEqual(found, [
    [0, 0],
    [1, 1],
    [99, 99],
    [100, 100],
    [101, 100],
    [200, 100],
    [250, 120],
    [1_000, 420],
    [5_000, 500],
    [5_625, 281],
    [6_000, 300],
    [10_000, 500],
  ])
})
