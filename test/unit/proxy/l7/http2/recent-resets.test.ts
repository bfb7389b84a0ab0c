import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentResets } from '../../../../../src/proxy/l7/http2/recent-resets.ts'

test('the last 256 are known, older ones forgotten', () => {
  const resets = new RecentResets()
  for (let id = 1; id <= 257; id++) resets.add(id)
  assert.ok(!resets.has(1))
  assert.ok(resets.has(2))
  assert.ok(resets.has(257))
  assert.ok(!resets.has(258))
})
