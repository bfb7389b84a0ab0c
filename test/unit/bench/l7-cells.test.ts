import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BASE,
  CONNECTIONS,
  cellName,
  cellsBySetup,
  comparisons,
  ENDPOINTS,
  SIZES,
  setupName,
} from '../../../bench/l7-cells.ts'

describe('cells of the comparison of HTTP proxies', () => {
  for (const isFull of [false, true]) {
    const all = comparisons(isFull)
    const cells = [...cellsBySetup(all).values()].flat()

    it(`have every number of clients and endpoints, every size and kind (full: ${isFull})`, () => {
      for (const connections of CONNECTIONS) assert.ok(cells.some((cell) => cell.connections === connections))
      for (const bytes of SIZES) assert.ok(cells.some((cell) => cell.bytes === bytes))
      for (const endpoints of ENDPOINTS) assert.ok(cells.some((cell) => cell.endpoints === endpoints))
      assert.ok(cells.some(({ isKept }) => !isKept) && cells.some(({ isTls }) => isTls))
      assert.ok(cells.some(({ bodyBytes }) => bodyBytes > 0) && cells.some(({ protocol }) => protocol === 'gRPC'))
    })

    it(`are each measured once, though several charts show them (full: ${isFull})`, () => {
      const names = cells.map(cellName)
      assert.equal(new Set(names).size, names.length)
      assert.ok(all.flatMap((comparison) => comparison.cells).length > names.length)
    })
  }

  it('that share what is started stand together', () => {
    for (const [setup, cells] of cellsBySetup(comparisons(true)))
      for (const cell of cells) assert.equal(setupName(cell), setup)
  })

  it('are named by what they are', () => {
    assert.equal(cellName(BASE), 'c=64, 1 KiB')
    assert.equal(
      cellName({
        ...BASE,
        connections: 1_024,
        bytes: SIZES[3],
        isKept: false,
        isTls: true,
        bodyBytes: 100,
        endpoints: 10,
      }),
      'c=1,024, 10 MiB, new connections, POST of 100 B, TLS, 10 endpoints',
    )
  })
})
