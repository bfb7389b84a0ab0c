import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseFigures } from '../../../bench/l7-load.ts'

describe('figures of wrk', () => {
  it('are found among what else it writes', () => {
    const text = 'Running 2s test\n  100 requests in 2.00s\nfigures 100 2000500 3 1500 20000 31250\n'
    assert.deepEqual(parseFigures(text), {
      requests: 100,
      seconds: 2.0005,
      errors: 3,
      p50Ms: 1.5,
      p99Ms: 20,
      p999Ms: 31.25,
    })
  })

  it('are missed aloud', () => {
    assert.throws(() => parseFigures('unable to connect'), /did not report.*unable to connect/)
  })
})
