import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ringHash } from '../../../../src/proxy/balance/ring-hash.ts'
import { endpoints } from './endpoints.ts'

const KEYS = 20_000

describe('ring hash', () => {
  it('spreads keys by weight, unevenly but not wildly', () => {
    const all = endpoints(8, (i) => ({ weight: i === 0 ? 3 : 1 }))
    const balancer = ringHash()
    const counts = new Array<number>(8).fill(0)
    for (let key = 0; key < KEYS; key++) counts[balancer.pick(all, key, 0)]! += 1
    assert.ok(Math.abs(counts[0]! - KEYS * 0.3) < KEYS * 0.06, counts.join(' '))
    for (const count of counts.slice(1)) assert.ok(Math.abs(count - KEYS * 0.1) < KEYS * 0.04, counts.join(' '))
  })

  it('moves few keys of the others when one goes', () => {
    const all = endpoints(10)
    const left = all.filter((_, i) => i !== 4)
    const before = ringHash()
    const after = ringHash()
    let moved = 0
    for (let key = 0; key < KEYS; key++) {
      const was = all[before.pick(all, key, 0)]!
      if (was !== all[4] && left[after.pick(left, key, 0)] !== was) moved += 1
    }
    assert.ok(moved < KEYS * 0.12, `${moved} moved`)
  })

  it('is the same whatever order the endpoints come in', () => {
    const all = endpoints(9)
    const reversed = all.toReversed()
    const a = ringHash()
    const b = ringHash()
    for (let key = 0; key < 2_000; key++) assert.equal(all[a.pick(all, key, 0)], reversed[b.pick(reversed, key, 0)])
  })

  it('leaves nobody without a place, however light, and keeps to its largest size', () => {
    const all = endpoints(2, (i) => ({ weight: i === 0 ? 1 : 2_000 }))
    const roomy = ringHash()
    const chosen = new Set<number>()
    for (let key = 0; key < 200_000; key++) chosen.add(roomy.pick(all, key, 0))
    assert.deepEqual([...chosen].sort(), [0, 1])
    const small = ringHash({ minimumSize: 16, maximumSize: 16 })
    assert.ok(small.pick(all, 1, 0) >= 0)
  })

  it('has no choice among none and one', () => {
    assert.equal(ringHash().pick([], 1, 0), -1)
    assert.equal(ringHash().pick(endpoints(1), 1, 0), 0)
  })
})
