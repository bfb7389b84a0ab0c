import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusError } from '../../../src/api/status-error.ts'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import { createSeriesDocuments } from '../../../src/controlplane/series-document.ts'
import { startTestServer } from '../apiserver/server-fixture.ts'

const NONE = new URLSearchParams()

test('only so many are read at a time; one that ends, or is given up, makes room', async () => {
  const find = createSeriesDocuments(() => [])
  const begin = async () => {
    const pieces = find('/metrics/state', NONE)!.body[Symbol.asyncIterator]()
    await pieces.next()
    return pieces
  }
  // What nobody begins to read does not count.
  for (let i = 0; i < 100; i++) find('/metrics/state', NONE)
  const open = []
  for (let i = 0; i < 16; i++) open.push(await begin())
  assert.throws(
    () => find('/metrics/targets/pod', NONE),
    (error) => (error as StatusError).code === 429,
  )
  assert.equal(find('/metrics/other', NONE), undefined)
  await open[0]!.return?.()
  assert.notEqual(find('/metrics/targets/pod', NONE), undefined)
})

test('they are served by the API server to monitoring and administrators, by GET alone', async (t) => {
  const api = await startTestServer({
    authorizer: createStaticAuthorizer({ podsOnNode: () => [] }),
    series: createSeriesDocuments(({ resource }) =>
      resource === 'namespaces' ? [{ metadata: { name: 'shop' } }] : [],
    ),
  })
  t.after(() => api.close())
  const user = (...groups: string[]) => ({ name: 'x', groups: [...groups, 'system:authenticated'] })
  for (const group of ['system:monitoring', 'wherry:admins']) {
    const { status, text, headers } = await api.wire({ path: '/metrics/state', user: user(group) })
    assert.equal(status, 200)
    assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(text, /^kube_namespace_status_phase\{namespace="shop",phase="Active"\} 1$/m)
    const targets = await api.wire({ path: '/metrics/targets/node', user: user(group) })
    assert.equal(targets.headers['content-type'], 'application/json')
    assert.deepEqual(JSON.parse(targets.text), [])
  }
  assert.equal((await api.wire({ path: '/metrics/state', user: user() })).status, 403)
  for (const path of ['/metrics/', '/metrics/targets', '/metrics/targets/secret', '/metrics/state/'])
    assert.equal((await api.wire({ path, user: user('system:monitoring') })).status, 404, path)
  assert.equal(
    (await api.wire({ path: '/metrics/state', method: 'POST', user: user('system:monitoring') })).status,
    403,
  )
  assert.equal((await api.wire({ path: '/metrics/state', method: 'POST' })).status, 405)
  assert.equal((await api.wire({ path: '/metrics/state', method: 'HEAD' })).text, '')
})
