import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

const PODS = '/api/v1/namespaces/default/pods'
const NAMESPACES = '/api/v1/namespaces'
const SPEC = { containers: [{ name: 'a', image: 'a' }], nodeName: 'node-1' }
const FINALIZER = 'example.com/hold'

let api: TestServer
const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5))

before(async () => {
  api = await startTestServer({ clock })
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

const get = (path: string): Promise<WireAnswer> => api.wire({ path })
const remove = (path: string, body?: unknown): Promise<WireAnswer> => api.wire({ method: 'DELETE', path, body })
const merge = (path: string, body: unknown): Promise<WireAnswer> =>
  api.wire({ method: 'PATCH', path, headers: { 'content-type': 'application/merge-patch+json' }, body })

async function make(path: string, body: unknown): Promise<WireAnswer['body']> {
  const answer = await api.wire({ method: 'POST', path, body })
  assert.equal(answer.status, 201, answer.text)
  return answer.body
}

describe('one object', () => {
  test('goes at once, and a Status says which it was', async () => {
    const made = await make(CONFIG_MAPS_PATH, configMap('a'))
    const { status, body } = await remove(`${CONFIG_MAPS_PATH}/a`)
    assert.equal(status, 200)
    assert.deepEqual(body, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'a', kind: 'configmaps', uid: made.metadata.uid },
    })
    assert.equal((await get(`${CONFIG_MAPS_PATH}/a`)).status, 404)
    const again = await remove(`${CONFIG_MAPS_PATH}/a`)
    assert.deepEqual([again.status, again.body.message], [404, 'configmaps "a" not found'])
  })

  test('only when it is the one that is meant, and in the version that is meant', async () => {
    const made = await make(CONFIG_MAPS_PATH, configMap('pre'))
    for (const preconditions of [{ uid: 'x' }, { resourceVersion: '1' }]) {
      const { status, body } = await remove(`${CONFIG_MAPS_PATH}/pre`, { preconditions })
      assert.deepEqual([status, body.reason], [409, 'Conflict'])
      assert.match(body.message, /Precondition failed: (UID|ResourceVersion) in precondition: /)
    }
    const { uid, resourceVersion } = made.metadata
    assert.equal((await remove(`${CONFIG_MAPS_PATH}/pre`, { preconditions: { uid, resourceVersion } })).status, 200)
  })

  test('stays, marked, while a finalizer holds it; the last one to go takes it along', async () => {
    await make(CONFIG_MAPS_PATH, configMap('held', {}, { finalizers: [FINALIZER] }))
    const { status, body } = await remove(`${CONFIG_MAPS_PATH}/held`)
    assert.equal(status, 200)
    assert.deepEqual(
      [body.metadata.deletionTimestamp, body.metadata.deletionGracePeriodSeconds],
      ['2026-01-02T03:04:05Z', 0],
    )
    const version = body.metadata.resourceVersion
    assert.equal((await remove(`${CONFIG_MAPS_PATH}/held`)).body.metadata.resourceVersion, version)
    const more = await merge(`${CONFIG_MAPS_PATH}/held`, { metadata: { finalizers: [FINALIZER, 'example.com/more'] } })
    assert.equal(more.status, 422)
    assert.match(more.body.message, /no new finalizers can be added if the object is being deleted/)
    assert.equal((await merge(`${CONFIG_MAPS_PATH}/held`, { metadata: { finalizers: null } })).status, 200)
    assert.equal((await get(`${CONFIG_MAPS_PATH}/held`)).status, 404)
  })

  test('is not held by what is no finalizer any more: an update without finalizers ends it, too', async () => {
    await make(CONFIG_MAPS_PATH, configMap('put', {}, { finalizers: [FINALIZER] }))
    await remove(`${CONFIG_MAPS_PATH}/put`)
    assert.equal(
      (await api.wire({ method: 'PUT', path: `${CONFIG_MAPS_PATH}/put`, body: configMap('put') })).status,
      200,
    )
    assert.equal((await get(`${CONFIG_MAPS_PATH}/put`)).status, 404)
  })
})

describe('what happens to dependents is left as a finalizer to the garbage collector', () => {
  const rows: readonly {
    readonly name: string
    readonly options: object
    readonly query?: string
    readonly want: readonly string[] | 'gone'
  }[] = [
    { name: 'Foreground', options: { propagationPolicy: 'Foreground' }, want: ['foregroundDeletion'] },
    { name: 'Orphan', options: { propagationPolicy: 'Orphan' }, want: ['orphan'] },
    { name: 'Background', options: { propagationPolicy: 'Background' }, want: 'gone' },
    { name: 'nothing said', options: {}, want: 'gone' },
    { name: 'the old way to orphan', options: { orphanDependents: true }, want: ['orphan'] },
    { name: 'in the query', options: {}, query: '?propagationPolicy=Foreground', want: ['foregroundDeletion'] },
  ]
  for (const { name, options, query = '', want } of rows)
    test(name, async () => {
      const path = `${CONFIG_MAPS_PATH}/${name.toLowerCase().replaceAll(' ', '-')}`
      await make(CONFIG_MAPS_PATH, configMap(path.split('/').at(-1)!))
      const { status, body } = await remove(`${path}${query}`, options)
      assert.equal(status, 200)
      if (want === 'gone') assert.equal(body.kind, 'Status')
      else assert.deepEqual(body.metadata.finalizers, want)
    })

  test('a later word replaces the earlier one', async () => {
    await make(CONFIG_MAPS_PATH, configMap('later'))
    await remove(`${CONFIG_MAPS_PATH}/later`, { propagationPolicy: 'Foreground' })
    const { body } = await remove(`${CONFIG_MAPS_PATH}/later`, { propagationPolicy: 'Orphan' })
    assert.deepEqual(body.metadata.finalizers, ['orphan'])
    assert.equal((await remove(`${CONFIG_MAPS_PATH}/later`, { propagationPolicy: 'Background' })).body.kind, 'Status')
  })

  test('contradictions and unknown words are refused', async () => {
    await make(CONFIG_MAPS_PATH, configMap('no'))
    for (const options of [
      { propagationPolicy: 'Sideways' },
      { propagationPolicy: 'Orphan', orphanDependents: true },
      { dryRun: ['Some'] },
    ])
      assert.equal((await remove(`${CONFIG_MAPS_PATH}/no`, options)).status, 422, JSON.stringify(options))
    assert.equal((await remove(`${CONFIG_MAPS_PATH}/no?gracePeriodSeconds=x`)).status, 400)
    assert.equal((await remove(`${CONFIG_MAPS_PATH}/no`, '[]')).status, 400)
    assert.equal((await get(`${CONFIG_MAPS_PATH}/no`)).status, 200)
  })
})

describe('pods have time to end', () => {
  const pod = (name: string, spec: object = SPEC): Promise<WireAnswer['body']> =>
    make(PODS, { metadata: { name }, spec })

  test('their own, from now', async () => {
    await pod('own', { ...SPEC, terminationGracePeriodSeconds: 45 })
    const { body } = await remove(`${PODS}/own`)
    assert.equal(body.kind, 'Pod')
    assert.deepEqual(
      [body.metadata.deletionTimestamp, body.metadata.deletionGracePeriodSeconds],
      ['2026-01-02T03:04:50Z', 45],
    )
  })

  test('or what the caller gives, which may shorten what runs and never lengthens it', async () => {
    await pod('given')
    assert.equal(
      (await remove(`${PODS}/given`, { gracePeriodSeconds: 20 })).body.metadata.deletionTimestamp,
      '2026-01-02T03:04:25Z',
    )
    assert.equal(
      (await remove(`${PODS}/given`, { gracePeriodSeconds: 60 })).body.metadata.deletionGracePeriodSeconds,
      20,
    )
    const shorter = (await remove(`${PODS}/given?gracePeriodSeconds=5`)).body.metadata
    assert.deepEqual([shorter.deletionTimestamp, shorter.deletionGracePeriodSeconds], ['2026-01-02T03:04:10Z', 5])
  })

  test('none when forced: the object is gone and comes back once more', async () => {
    await pod('forced')
    const { body } = await remove(`${PODS}/forced`, { gracePeriodSeconds: 0 })
    assert.equal(body.kind, 'Pod')
    assert.equal((await get(`${PODS}/forced`)).status, 404)
  })

  test('none when nobody runs them', async () => {
    await pod('unbound', { containers: SPEC.containers })
    await remove(`${PODS}/unbound`)
    assert.equal((await get(`${PODS}/unbound`)).status, 404)
  })

  test('the shortest for a negative time, and an end to what is longer than any', async () => {
    await pod('negative')
    assert.equal(
      (await remove(`${PODS}/negative`, { gracePeriodSeconds: -1 })).body.metadata.deletionGracePeriodSeconds,
      1,
    )
    await pod('endless', { ...SPEC, terminationGracePeriodSeconds: 600 })
    const { status, body } = await remove(`${PODS}/endless`, '{"gracePeriodSeconds":9223372036854775807}')
    assert.equal(status, 200, JSON.stringify(body))
    assert.match(body.metadata.deletionTimestamp, /^20\d\d-/)
  })
})

describe('a collection', () => {
  test('loses what the selectors choose, and the answer lists it', async () => {
    for (const [i, name] of ['ca', 'cb', 'cc'].entries())
      await make(CONFIG_MAPS_PATH, configMap(name, {}, { labels: { set: 'c', i: String(i) } }))
    const { status, body } = await remove(`${CONFIG_MAPS_PATH}?labelSelector=set%3Dc,i!%3D1`)
    assert.equal(status, 200)
    assert.equal(body.kind, 'ConfigMapList')
    assert.deepEqual(
      body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
      ['ca', 'cc'],
    )
    const left = (await get(`${CONFIG_MAPS_PATH}?labelSelector=set`)).body
    assert.deepEqual(
      left.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
      ['cb'],
    )
  })

  test('honours the options for each', async () => {
    await make(CONFIG_MAPS_PATH, configMap('cf', {}, { labels: { set: 'f' } }))
    await remove(`${CONFIG_MAPS_PATH}?labelSelector=set%3Df`, { propagationPolicy: 'Foreground' })
    assert.deepEqual((await get(`${CONFIG_MAPS_PATH}/cf`)).body.metadata.finalizers, ['foregroundDeletion'])
  })

  test('of many goes, while others write to it', async () => {
    const own = await startTestServer()
    for (let i = 0; i < 250; i++) await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(`n${i}`) })
    const [answer] = await Promise.all([
      own.wire({ method: 'DELETE', path: CONFIG_MAPS_PATH }),
      own.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/n200` }),
      own.wire({ method: 'PUT', path: `${CONFIG_MAPS_PATH}/n249`, body: configMap('n249', { a: '1' }) }),
    ])
    assert.equal(answer.status, 200)
    assert.equal((await own.wire({ path: CONFIG_MAPS_PATH })).body.items.length, 0)
    await own.close()
  })

  test('is not deleted where the kind does not allow it', async () => {
    for (const path of ['/api/v1/namespaces', '/api/v1/namespaces/default/services']) {
      const status = (await remove(path)).status
      assert.ok(status === 405 || path.endsWith('services'), `${path}: ${status}`)
    }
  })
})

describe('namespaces', () => {
  test('are Terminating until their content is reported gone', async () => {
    await make(NAMESPACES, { metadata: { name: 'team' } })
    const { body } = await remove(`${NAMESPACES}/team`)
    assert.deepEqual([body.status.phase, body.spec.finalizers], ['Terminating', ['kubernetes']])
    assert.equal((await get(`${NAMESPACES}/team`)).status, 200)
    const done = await api.wire({
      method: 'PUT',
      path: `${NAMESPACES}/team/finalize`,
      body: { metadata: { name: 'team' }, spec: { finalizers: [] } },
    })
    assert.equal(done.status, 200)
    assert.equal((await get(`${NAMESPACES}/team`)).status, 404)
  })

  test('that a cluster needs stay', async () => {
    const { status, body } = await remove(`${NAMESPACES}/default`)
    assert.deepEqual(
      [status, body.message],
      [403, 'namespaces "default" is forbidden: this namespace may not be deleted'],
    )
  })
})
