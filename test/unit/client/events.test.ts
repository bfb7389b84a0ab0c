import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KubeObject } from '../../../src/api/object.ts'
import { EVENTS } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import type { Event } from '../../../src/api/types/core-v1.gen.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { EventCorrelator, type Observation } from '../../../src/client/event-correlator.ts'
import { createEventRecorder, type EventRecorder } from '../../../src/client/event-recorder.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { namespace, startTestServer, type TestServer } from '../apiserver/server-fixture.ts'

const seen = (message: string, more: Partial<Observation> = {}): Observation => ({
  object: 'Pod a',
  type: 'Normal',
  reason: 'Started',
  message,
  fieldPath: undefined,
  ...more,
})

describe('the correlator', () => {
  test('counts the same event up and tells another anew', () => {
    const correlator = new EventCorrelator()
    const first = correlator.correlate(seen('x'), 0)
    first.told.name = 'e1'
    const again = correlator.correlate(seen('x'), 1_000)
    assert.equal(again.told, first.told)
    assert.deepEqual([again.told.count, again.told.firstMs], [2, 0])
    for (const other of [
      seen('y'),
      seen('x', { reason: 'Killed' }),
      seen('x', { type: 'Warning' }),
      seen('x', { object: 'Pod b' }),
      seen('x', { fieldPath: 'spec.containers{a}' }),
    ])
      assert.equal(correlator.correlate(other, 1_000).told.name, '', JSON.stringify(other))
  })

  test('combines from the tenth different message in ten minutes on', () => {
    const correlator = new EventCorrelator()
    const messages = Array.from({ length: 12 }, (_, i) => correlator.correlate(seen(`m${i}`), i).message)
    assert.deepEqual(
      messages.slice(0, 9),
      Array.from({ length: 9 }, (_, i) => `m${i}`),
    )
    assert.deepEqual(messages.slice(9), [
      '(combined from similar events): m9',
      '(combined from similar events): m10',
      '(combined from similar events): m11',
    ])
    const later = correlator.correlate(seen('m50'), 11 * 60_000)
    assert.equal(later.message, 'm50')
  })

  test('allows an object 25 at once, and then one every five minutes', () => {
    const correlator = new EventCorrelator()
    const allowed = (count: number, at: number): number =>
      Array.from({ length: count }, () => correlator.correlate(seen('x'), at).allowed).filter(Boolean).length
    assert.equal(allowed(40, 0), 25)
    assert.equal(allowed(10, 5 * 60_000), 1)
    assert.equal(allowed(10, 20 * 60_000), 3)
    assert.ok(correlator.correlate(seen('x', { object: 'Pod b' }), 0).allowed)
  })

  test('remembers a bounded number of events', () => {
    const correlator = new EventCorrelator()
    const first = correlator.correlate(seen('x', { object: 'first' }), 0)
    for (let i = 0; i < 5_000; i++) correlator.correlate(seen('x', { object: `o${i}` }), 0)
    assert.notEqual(correlator.correlate(seen('x', { object: 'first' }), 0).told, first.told)
  })
})

const POD: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'default', uid: 'u', resourceVersion: '7' },
}

async function started(transport?: (inner: Transport) => Transport): Promise<{
  readonly api: TestServer
  readonly clock: VirtualClock
  readonly recorder: EventRecorder
  events(): Promise<readonly Event[]>
}> {
  const api = await startTestServer()
  const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5))
  const client = createClient(transport?.(api.transport) ?? api.transport)
  let n = 0
  const recorder = createEventRecorder({
    client,
    component: 'kubelet',
    host: 'node-1',
    clock,
    logger: silentLogger,
    random: () => (n++ % 1_000) / 1_000,
  })
  return { api, clock, recorder, events: async () => (await api.client.list(EVENTS, {})).items }
}

describe('the recorder', () => {
  test('writes an event as kubectl shows it', async () => {
    const { api, recorder, events } = await started()
    recorder.event(POD, 'Warning', 'BackOff', 'Back-off restarting', 'spec.containers{a}')
    await recorder.flush()
    const [event] = await events()
    const { metadata, ...rest } = event!
    assert.match(metadata!.name!, /^a\.[0-9a-f]{15,16}$/)
    assert.deepEqual(rest, {
      apiVersion: 'v1',
      kind: 'Event',
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Pod',
        name: 'a',
        namespace: 'default',
        uid: 'u',
        resourceVersion: '7',
        fieldPath: 'spec.containers{a}',
      },
      type: 'Warning',
      reason: 'BackOff',
      message: 'Back-off restarting',
      source: { component: 'kubelet', host: 'node-1' },
      reportingComponent: 'kubelet',
      reportingInstance: 'node-1',
      firstTimestamp: '2026-01-02T03:04:05Z',
      lastTimestamp: '2026-01-02T03:04:05Z',
      count: 1,
    })
    await api.close()
  })

  test('counts the same one up in place', async () => {
    const { api, clock, recorder, events } = await started()
    for (let i = 0; i < 3; i++) {
      recorder.event(POD, 'Normal', 'Pulled', 'here')
      await recorder.flush()
      await clock.advance(10_000)
    }
    const all = await events()
    assert.deepEqual(
      all.map(({ count, firstTimestamp, lastTimestamp }) => [count, firstTimestamp, lastTimestamp]),
      [[3, '2026-01-02T03:04:05Z', '2026-01-02T03:04:25Z']],
    )
    await api.close()
  })

  test('tells anew what has expired in the meantime', async () => {
    const { api, recorder, events } = await started()
    recorder.event(POD, 'Normal', 'Pulled', 'here')
    await recorder.flush()
    const [{ metadata }] = (await events()) as [Event]
    await api.client.delete(EVENTS, { namespace: 'default', name: metadata!.name! })
    recorder.event(POD, 'Normal', 'Pulled', 'here')
    await recorder.flush()
    assert.deepEqual(
      (await events()).map(({ count }) => count),
      [2],
    )
    await api.close()
  })

  test('puts events of what has no namespace into default, and cuts what is too long', async () => {
    const { api, recorder, events } = await started()
    recorder.event(
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n'.repeat(250), uid: 'u' } },
      'Normal',
      'Ready',
      'x'.repeat(5_000),
    )
    await recorder.flush()
    const [event] = await events()
    assert.deepEqual([event!.metadata!.namespace, event!.message!.length], ['default', 1_024])
    assert.ok(event!.metadata!.name!.length <= 253)
    await api.close()
  })

  test('takes the server’s no for an answer and goes on with the next', async () => {
    const { api, recorder, events } = await started()
    recorder.event({ ...POD, metadata: { ...POD.metadata, namespace: 'nowhere' } }, 'Normal', 'A', 'x')
    recorder.event(POD, 'Normal', 'B', 'y')
    await recorder.flush()
    assert.deepEqual(
      (await events()).map(({ reason }) => reason),
      ['B'],
    )
    await api.wire({ method: 'POST', path: '/api/v1/namespaces', body: namespace('x') })
    await api.close()
  })

  test('keeps what it has to say until the server can be reached again, in order', async () => {
    let isUp = false
    const { api, clock, recorder, events } = await started((inner) => ({
      ...inner,
      request: (request) => (isUp ? inner.request(request) : Promise.reject(new Error('connection refused'))),
    }))
    recorder.event(POD, 'Normal', 'First', 'x')
    recorder.event(POD, 'Normal', 'Second', 'y')
    await clock.advance(35_000)
    assert.deepEqual(await events(), [])
    isUp = true
    await clock.advance(30_000)
    await recorder.flush()
    assert.deepEqual((await events()).map(({ reason, firstTimestamp }) => [reason, firstTimestamp]).sort(), [
      ['First', '2026-01-02T03:04:05Z'],
      ['Second', '2026-01-02T03:04:05Z'],
    ])
    await api.close()
  })

  test('does not wait for a server out of reach when it is to end', async () => {
    const { api, recorder } = await started(() => ({
      request: () => Promise.reject(new Error('connection refused')),
      watch: () => Promise.reject(new StatusError('ServiceUnavailable', 'x')),
      async close() {},
    }))
    for (let i = 0; i < 50; i++) recorder.event(POD, 'Normal', `R${i}`, 'x')
    await recorder.flush()
    await api.close()
  })

  test('thins out a flood about one object', async () => {
    const { api, recorder, events } = await started()
    for (let i = 0; i < 200; i++) recorder.event(POD, 'Warning', 'Flood', `message ${i}`)
    await recorder.flush()
    const all = await events()
    assert.equal(all.length, 10)
    assert.ok(all.some(({ message }) => message?.startsWith('(combined from similar events): ')))
    assert.equal(
      all.reduce((sum, { count = 0 }) => sum + count, 0),
      25,
    )
    await api.close()
  })
})
