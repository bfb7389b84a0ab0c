import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CORE_EVENT } from '../../../../src/api/definitions/event/core-definition.ts'
import { EVENT } from '../../../../src/api/definitions/event/definition.ts'
import type { Event as CoreEvent } from '../../../../src/api/types/core-v1.gen.ts'
import { create, created, NOW_MS, row, update } from './strategies.ts'

function ago(seconds: number): string {
  return new Date(NOW_MS - seconds * 1000).toISOString()
}

const CORE: CoreEvent = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'web.1', namespace: 'shop' },
  involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u', fieldPath: 'spec.containers{web}' },
  type: 'Warning',
  reason: 'BackOff',
  message: 'Back-off restarting failed container\n',
  source: { component: 'kubelet', host: 'n1' },
  firstTimestamp: ago(600),
  lastTimestamp: ago(5),
  count: 7,
}

const NEWER = {
  metadata: { name: 'web.2', namespace: 'shop' },
  regarding: { kind: 'Pod', namespace: 'shop', name: 'web' },
  eventTime: '2026-01-01T00:00:00.000000Z',
  reportingController: 'example.com/thing',
  reportingInstance: 'thing-1',
  action: 'Looked',
  reason: 'Looking',
  type: 'Normal',
  note: 'looked at it',
}

describe('core events', () => {
  // Nobody may write into another namespace's story.
  for (const { name, given, want } of [
    { name: 'beside what it is about', given: CORE, want: [] },
    {
      name: 'about another namespace',
      given: { ...CORE, involvedObject: { ...CORE.involvedObject, namespace: 'other' } },
      want: ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    },
    {
      name: 'about a node, from a namespace',
      given: { ...CORE, involvedObject: { kind: 'Node', name: 'n1' } },
      want: ['involvedObject.namespace: Invalid value: "": does not match event.namespace'],
    },
    {
      name: 'about a node, from default',
      given: { ...CORE, metadata: { name: 'a', namespace: 'default' }, involvedObject: { kind: 'Node', name: 'n1' } },
      want: [],
    },
  ])
    test(name, () => assert.deepEqual(create(CORE_EVENT, given).errors, want))

  test('kubectl get events -o wide', () =>
    assert.deepEqual(row(CORE_EVENT, CORE), {
      'Last Seen': '5s',
      Type: 'Warning',
      Reason: 'BackOff',
      Object: 'pod/web',
      Subobject: 'spec.containers{web}',
      Source: 'kubelet, n1',
      Message: 'Back-off restarting failed container',
      'First Seen': '10m',
      Count: 7,
      Name: 'web.1',
    }))

  test('fields that selectors may name', () => {
    const values = Object.fromEntries(
      Object.entries(CORE_EVENT.selectableFields).map(([path, read]) => [path, read(CORE)]),
    )
    assert.equal(values['involvedObject.name'], 'web')
    assert.equal(values['involvedObject.fieldPath'], 'spec.containers{web}')
    assert.equal(values.source, 'kubelet')
    assert.equal(values.type, 'Warning')
    assert.equal(values.reportingComponent, '')
  })
})

describe('events.k8s.io', () => {
  test('both groups show one object', () => {
    const newer = created(EVENT, NEWER)
    const stored = EVENT.storage!.toStorage(newer) as CoreEvent
    assert.equal(stored.message, 'looked at it')
    assert.equal(stored.involvedObject.name, 'web')
    assert.equal(stored.apiVersion, 'v1')
    const {
      apiVersion: _a,
      kind: _k,
      ...back
    } = EVENT.storage!.fromStorage(stored) as unknown as Record<string, unknown>
    assert.deepEqual(back, NEWER)
  })

  test('nothing of an older event is lost on the way there and back', () =>
    assert.deepEqual(EVENT.storage!.toStorage(EVENT.storage!.fromStorage(CORE) as never), CORE))

  test('a series shows its own count and time', () => {
    const cells = row(EVENT, created(EVENT, { ...NEWER, series: { count: 4, lastObservedTime: ago(3) } }))
    assert.deepEqual(
      [cells['Last Seen'], cells['First Seen'], cells.Count, cells.Source],
      ['3s', '0s', 4, 'example.com/thing, thing-1'],
    )
  })

  for (const { name, given, want } of [
    { name: 'no time', given: { eventTime: undefined }, want: ['eventTime: Required value'] },
    { name: 'no reporter', given: { reportingController: '' }, want: ['reportingController: Required value'] },
    { name: 'no action', given: { action: undefined }, want: ['action: Required value'] },
    { name: 'a type that is none', given: { type: 'Odd' }, want: ['type: Invalid value: "": has invalid value: Odd'] },
    {
      name: 'a long note',
      given: { note: 'x'.repeat(1025) },
      want: ['note: Invalid value: "": can have at most 1024 bytes'],
    },
    {
      name: 'another namespace',
      given: { regarding: { namespace: 'other' } },
      want: ['regarding.namespace: Invalid value: "other": does not match event.namespace'],
    },
  ])
    test(name, () => {
      const event = Object.fromEntries(
        Object.entries({ ...NEWER, ...given }).filter(([, value]) => value !== undefined),
      )
      assert.deepEqual(create(EVENT, event).errors, want)
    })

  test('what happened stays as it was told, a series goes on', () => {
    const event = created(EVENT, NEWER)
    assert.deepEqual(
      update(EVENT, event, (draft) => {
        draft.reason = 'Other'
      }).errors,
      ['reason: Invalid value: "Other": field is immutable'],
    )
    assert.deepEqual(
      update(EVENT, event, (draft) => {
        draft.series = { count: 2, lastObservedTime: ago(0) }
      }).errors,
      [],
    )
  })

  test('selectors name its own fields', () => {
    assert.equal(EVENT.selectableFields['regarding.name']!(created(EVENT, NEWER)), 'web')
    assert.equal(EVENT.selectableFields.reportingController!(created(EVENT, NEWER)), 'example.com/thing')
  })
})
