import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../../src/base/virtual-clock.ts'
import { Engine } from '../../../../src/proxy/l7/engine/engine.ts'

const at = (port: number, more: object = {}): { readonly address: string; readonly port: number } => ({
  address: '127.0.0.1',
  port,
  ...more,
})

test('endpoints that come later start slowly, the first ones do not', () => {
  const engine = new Engine({ clock: new VirtualClock() })
  const upstream = engine.createUpstream({
    name: 'u',
    endpoints: [at(1)],
    algorithm: 'weighted-round-robin',
    slowStart: { windowMs: 10_000 },
  })
  upstream.replace([at(1), at(2)])
  upstream.pick(0, engine.context.clock.monotonic())
  assert.deepEqual(
    upstream.group.all().map(({ effectiveWeight }) => effectiveWeight),
    [1, 0.1],
  )
  engine.destroy()
})

test('an endpoint that is ending gets no new request, also when it had been there before', () => {
  const engine = new Engine({ clock: new VirtualClock() })
  const upstream = engine.createUpstream({ name: 'u', endpoints: [at(1), at(2)], algorithm: 'round-robin' })
  const picked = (): ReadonlySet<number> =>
    new Set(Array.from({ length: 8 }, () => upstream.pick(0, engine.context.clock.monotonic())!.port))
  assert.deepEqual(picked(), new Set([1, 2]))
  upstream.replace([at(1, { terminating: true }), at(2)])
  assert.deepEqual(picked(), new Set([2]))
  upstream.replace([at(1), at(2)])
  assert.deepEqual(picked(), new Set([1, 2]))
  engine.destroy()
})

test("the proxy's own zone is preferred", () => {
  const engine = new Engine({ clock: new VirtualClock() })
  const endpoints = [at(1, { zone: 'a' }), at(2, { zone: 'b' }), at(3, { zone: 'b' })]
  const upstream = engine.createUpstream({ name: 'u', endpoints, algorithm: 'round-robin', zone: 'b' })
  const picked = new Set(Array.from({ length: 9 }, () => upstream.pick(0, 0)!.port))
  assert.deepEqual(picked, new Set([2, 3]))
  engine.destroy()
})

test('below the panic threshold ejections are ignored, above it they count', () => {
  for (const [panicThreshold, want] of [
    [0.6, [1, 2]],
    [0.4, [2]],
  ] as const) {
    const engine = new Engine({ clock: new VirtualClock() })
    const upstream = engine.createUpstream({
      name: 'u',
      endpoints: [at(1), at(2)],
      algorithm: 'round-robin',
      panicThreshold,
    })
    upstream.group.all()[0]!.ejectedUntilMs = 1e9
    upstream.group.changed()
    const picked = new Set(Array.from({ length: 8 }, () => upstream.pick(0, 1)!.port))
    assert.deepEqual([...picked].sort(), want)
    engine.destroy()
  }
})
