import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CONFIG_MAPS_PATH, configMap, namespace, startTestServer, type TestServer } from './server-fixture.ts'

let api: TestServer
/** The version that the last of the objects below was written at. */
let last = 0

before(async () => {
  api = await startTestServer()
  await api.wire({ method: 'POST', path: '/api/v1/namespaces', body: namespace('other') })
  for (const [i, name] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    const labels = { odd: String(i % 2 === 1), rank: String(i), ...(i === 0 ? { first: '' } : {}) }
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(name, {}, { labels }) })
  }
  const elsewhere = '/api/v1/namespaces/other/configmaps'
  const { body } = await api.wire({ method: 'POST', path: elsewhere, body: configMap('a') })
  last = Number(body.metadata.resourceVersion)
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

// biome-ignore lint/suspicious/noExplicitAny: the items of a list
const names = (body: any): string => body.items.map((item: any) => item.metadata.name).join()

async function get(query: string): ReturnType<TestServer['wire']> {
  return api.wire({ path: `${CONFIG_MAPS_PATH}${query === '' ? '' : `?${query}`}` })
}

describe('selectors choose', () => {
  const rows: readonly { readonly query: string; readonly want: string }[] = [
    { query: '', want: 'a,b,c,d,e' },
    { query: 'labelSelector=odd%3Dtrue', want: 'b,d' },
    { query: 'labelSelector=odd%3D%3Dtrue,rank!%3D1', want: 'd' },
    { query: 'labelSelector=rank+in+(0,4)', want: 'a,e' },
    { query: 'labelSelector=rank+notin+(0,4),odd', want: 'b,c,d' },
    { query: 'labelSelector=first', want: 'a' },
    { query: 'labelSelector=!first', want: 'b,c,d,e' },
    { query: 'labelSelector=first%3D', want: 'a' },
    { query: 'labelSelector=rank%3E2', want: 'd,e' },
    { query: 'labelSelector=toString', want: '' },
    { query: 'fieldSelector=metadata.name%3Dc', want: 'c' },
    { query: 'fieldSelector=metadata.name!%3Dc,metadata.namespace%3Ddefault', want: 'a,b,d,e' },
    { query: 'fieldSelector=metadata.name%3Dc&labelSelector=odd%3Dtrue', want: '' },
  ]
  for (const { query, want } of rows)
    test(query === '' ? 'all' : decodeURIComponent(query), async () => {
      const { status, body } = await get(query)
      assert.equal(status, 200)
      assert.equal(body.kind, 'ConfigMapList')
      assert.equal(names(body), want)
    })

  test('across namespaces when the path names none, in order of namespace and name', async () => {
    const { body } = await api.wire({ path: '/api/v1/configmaps?fieldSelector=metadata.name%3Da' })
    assert.deepEqual(
      // biome-ignore lint/suspicious/noExplicitAny: the items of a list
      body.items.map((item: any) => item.metadata.namespace),
      ['default', 'other'],
    )
  })

  test('pods by node, phase and more', async () => {
    const spec = { containers: [{ name: 'a', image: 'a' }], nodeName: 'node-1' }
    const path = '/api/v1/namespaces/other/pods'
    await api.wire({ method: 'POST', path, body: { metadata: { name: 'p' }, spec } })
    for (const selector of ['spec.nodeName%3Dnode-1', 'status.phase%3DPending', 'spec.restartPolicy%3DAlways'])
      assert.equal(names((await api.wire({ path: `/api/v1/pods?fieldSelector=${selector}` })).body), 'p', selector)
  })
})

describe('pages', () => {
  test('follow each other by the token, at the version of the first, and count what is left', async () => {
    const first = (await get('limit=2')).body
    assert.equal(names(first), 'a,b')
    assert.equal(first.metadata.remainingItemCount, 3)
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('bb') })
    await api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/e` })
    const second = (await get(`limit=2&continue=${first.metadata.continue}`)).body
    assert.equal(names(second), 'c,d')
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion)
    assert.equal(second.metadata.remainingItemCount, 1)
    const third = (await get(`limit=2&continue=${second.metadata.continue}`)).body
    assert.equal(names(third), 'e')
    assert.equal(third.metadata.continue, undefined)
    assert.equal(third.metadata.remainingItemCount, undefined)
    await api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/bb` })
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('e', {}, { labels: { rank: '4' } }) })
  })

  test('with a selector hold what fits, and do not say how much is left', async () => {
    const first = (await get('limit=1&labelSelector=odd%3Dtrue')).body
    assert.equal(names(first), 'b')
    assert.equal(first.metadata.remainingItemCount, undefined)
    const second = (await get(`limit=1&labelSelector=odd%3Dtrue&continue=${first.metadata.continue}`)).body
    assert.equal(names(second), 'd')
    assert.equal(second.metadata.continue, undefined)
  })

  test('are the whole list when the limit is 0, negative or not reached', async () => {
    for (const limit of ['0', '-1', '5', '500'])
      assert.equal((await get(`limit=${limit}`)).body.metadata.continue, undefined, limit)
  })

  test('past compaction are refused with a token that goes on as things are now', async () => {
    const own = await startTestServer()
    const path = CONFIG_MAPS_PATH
    for (const name of ['a', 'b', 'c', 'd']) await own.wire({ method: 'POST', path, body: configMap(name) })
    const first = (await own.wire({ path: `${path}?limit=2` })).body
    await own.wire({ method: 'DELETE', path: `${path}/c` })
    await own.wire({ method: 'POST', path, body: configMap('cc') })
    await own.store.compact(await own.store.currentRevision())
    const { status, body } = await own.wire({ path: `${path}?limit=2&continue=${first.metadata.continue}` })
    assert.equal(status, 410)
    assert.equal(body.reason, 'Expired')
    assert.match(body.message, /inconsistent/)
    const rest = (await own.wire({ path: `${path}?limit=1&continue=${body.metadata.continue}` })).body
    assert.equal(names(rest), 'cc')
    assert.ok(Number(rest.metadata.resourceVersion) > Number(first.metadata.resourceVersion))
    assert.equal(names((await own.wire({ path: `${path}?continue=${rest.metadata.continue}` })).body), 'd')
    await own.close()
    assert.deepEqual(own.errors, [])
  })
})

test('a long list comes in pieces, whole and in order, and lets others have their turn', async () => {
  const own = await startTestServer()
  const count = 1_700
  for (let i = 0; i < count; i++)
    await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(`n${String(i).padStart(5, '0')}`) })
  const { body: stream } = await own.server.handle({
    method: 'GET',
    path: CONFIG_MAPS_PATH,
    query: new URLSearchParams(),
    headers: {},
    user: { name: 'a', groups: [] },
    readBody: async () => new Uint8Array(0),
    gone: () => new AbortController().signal,
  })
  const chunks: Uint8Array[] = []
  let turns = 0
  let next = setImmediate(function take() {
    turns += 1
    next = setImmediate(take)
  })
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk)
  clearImmediate(next)
  assert.equal(chunks.length, 4)
  assert.ok(turns > 0)
  const { items, metadata } = JSON.parse(Buffer.concat(chunks).toString())
  assert.equal(items.length, count)
  assert.equal(items.at(-1).metadata.name, 'n01699')
  assert.match(metadata.resourceVersion, /^\d+$/)
  for (const limit of [500, 501, 1_000]) {
    const page = (await own.wire({ path: `${CONFIG_MAPS_PATH}?limit=${limit}` })).body
    assert.equal(page.items.length, limit)
  }
  await own.close()
})

describe('versions', () => {
  test('Exact shows the past, NotOlderThan and 0 what is there', async () => {
    const now = (await get('')).body.metadata.resourceVersion
    await api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/d` })
    const exact = (await get(`resourceVersion=${now}&resourceVersionMatch=Exact`)).body
    assert.equal(names(exact), 'a,b,c,d,e')
    assert.equal(exact.metadata.resourceVersion, now)
    for (const query of [
      `resourceVersion=${now}&resourceVersionMatch=NotOlderThan`,
      `resourceVersion=${now}`,
      'resourceVersion=0',
    ])
      assert.equal(names((await get(query)).body), 'a,b,c,e', query)
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('d', {}, { labels: { odd: 'true' } }) })
  })

  test('that have been forgotten are 410', async () => {
    const own = await startTestServer()
    await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('a') })
    await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('b') })
    await own.store.compact(await own.store.currentRevision())
    const { status, body } = await own.wire({
      path: `${CONFIG_MAPS_PATH}?resourceVersion=1&resourceVersionMatch=Exact`,
    })
    assert.deepEqual([status, body.reason], [410, 'Expired'])
    await own.close()
  })

  test('that have not happened are waited for, then 504 with the cause that clients know', async () => {
    const ahead = last + 1_000
    const queries = [`resourceVersion=${ahead}`, `resourceVersion=${ahead}&resourceVersionMatch=Exact`]
    const one = api.wire({ path: `${CONFIG_MAPS_PATH}/a?resourceVersion=${ahead}` })
    for (const { status, body, headers } of await Promise.all([...queries.map(get), one])) {
      assert.deepEqual([status, body.reason, headers['retry-after']], [504, 'Timeout', '1'])
      assert.equal(body.details.causes[0].reason, 'ResourceVersionTooLarge')
    }
  })
})

describe('what makes no sense is refused', () => {
  const rows: readonly { readonly query: string; readonly status: number; readonly message: RegExp }[] = [
    { query: 'limit=x', status: 400, message: /limit.*invalid syntax/ },
    { query: 'continue=x', status: 400, message: /continue key is not valid/ },
    { query: `continue=${token('/registry/secrets/default/a')}`, status: 400, message: /continue key is not valid/ },
    { query: 'labelSelector=a+b', status: 400, message: /unable to parse requirement/ },
    { query: 'labelSelector=-a', status: 400, message: /name part must consist of/ },
    { query: 'labelSelector=a>b', status: 400, message: /must be an integer/ },
    { query: 'fieldSelector=metadata.uid%3Da', status: 400, message: /field label not supported: metadata.uid/ },
    { query: 'fieldSelector=a', status: 400, message: /invalid selector/ },
    { query: 'fieldSelector=__proto__%3Da', status: 400, message: /field label not supported/ },
    { query: 'resourceVersion=x', status: 422, message: /resourceVersion: Invalid value: "x"/ },
    { query: 'resourceVersion=1&resourceVersionMatch=Newest', status: 422, message: /Unsupported value: "Newest"/ },
    { query: 'resourceVersionMatch=Exact', status: 422, message: /forbidden unless resourceVersion is provided/ },
    {
      query: 'resourceVersion=0&resourceVersionMatch=Exact',
      status: 422,
      message: /forbidden for resourceVersion "0"/,
    },
    { query: `resourceVersion=1&continue=${token()}`, status: 400, message: /not allowed when using continue/ },
    { query: 'sendInitialEvents=true', status: 422, message: /forbidden for list/ },
  ]
  for (const { query, status, message } of rows)
    test(decodeURIComponent(query), async () => {
      const { status: got, body } = await get(query)
      assert.equal(got, status)
      assert.match(body.message, message)
      assert.equal(body.kind, 'Status')
      assert.equal(body.code, status)
    })
})

function token(start = '/registry/configmaps/default/a'): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: '1', start })).toString('base64url')
}
