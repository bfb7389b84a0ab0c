import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReceiveWindow } from '../../../../../src/proxy/l7/http2/receive-window.ts'

test('exactly the window may come, and not a byte more', () => {
  const window = new ReceiveWindow(100, 100)
  assert.ok(window.take(60))
  assert.ok(window.take(40))
  assert.ok(!window.take(1))
})

test('what has gone on is given back in steps of half the window', () => {
  const window = new ReceiveWindow(100, 100)
  assert.ok(window.take(100))
  assert.equal(window.credit(49), 0)
  assert.ok(window.credit(1) === 50 && window.credit(49) === 0)
  assert.ok(window.take(50))
  assert.ok(!window.take(1), 'what was not told yet may not be used')
})

test('a side that keeps to what it was told is never refused, and never left without room', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.array(fc.nat({ max: 1_000 })), (windowBytes, sizes) => {
      const window = new ReceiveWindow(windowBytes, windowBytes)
      let peerLeft = windowBytes
      for (const size of sizes) {
        const bytes = Math.min(size, peerLeft)
        peerLeft -= bytes
        assert.ok(window.take(bytes))
        peerLeft += window.credit(bytes)
        assert.ok(peerLeft > 0)
      }
    }),
  )
})
