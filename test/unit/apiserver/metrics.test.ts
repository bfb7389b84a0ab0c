import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import { RequestCounts } from '../../../src/controlplane/apiserver/metrics/request-counts.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer } from './server-fixture.ts'

function value(text: string, pattern: RegExp): number {
  const lines = text.split('\n').filter((line) => pattern.test(line))
  assert.equal(lines.length, 1, `${pattern} in:\n${text}`)
  return Number(lines[0]!.slice(lines[0]!.lastIndexOf(' ') + 1))
}

test('requests are counted by what they asked and how they ended, and timed', async (t) => {
  const api = await startTestServer()
  t.after(() => api.close())
  for (const name of ['a', 'b', 'a']) await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(name) })
  await api.wire({ path: `${CONFIG_MAPS_PATH}/a` })
  await api.wire({ path: `${CONFIG_MAPS_PATH}/none` })
  await api.wire({ path: '/api/v1/configmaps' })
  await api.wire({ path: `${CONFIG_MAPS_PATH}?watch=true`, readMs: 50 })
  await api.wire({ path: '/healthz' })
  const { status, text, headers } = await api.wire({ path: '/metrics' })
  assert.equal(status, 200)
  assert.match(headers['content-type']!, /^text\/plain; version=0\.0\.4/)
  const total = (verb: string, scope: string, code: number): number =>
    value(
      text,
      new RegExp(
        `^apiserver_request_total\\{verb="${verb}",group="",version="v1",resource="configmaps",subresource="",scope="${scope}",code="${code}"\\}`,
      ),
    )
  assert.equal(total('POST', 'namespace', 201), 2)
  assert.equal(total('POST', 'namespace', 409), 1)
  assert.equal(total('GET', 'resource', 200), 1)
  assert.equal(total('GET', 'resource', 404), 1)
  assert.equal(total('LIST', 'cluster', 200), 1)
  assert.equal(total('WATCH', 'namespace', 200), 1)
  assert.equal(value(text, /^apiserver_request_total\{verb="GET".*subresource="\/healthz".*code="200"/), 1)
  const timed = /^apiserver_request_duration_seconds_count\{verb="POST".*resource="configmaps"/
  assert.equal(value(text, timed), 3)
  assert.equal(
    value(
      text,
      /^apiserver_request_duration_seconds_bucket\{.*le="\+Inf",?.*verb="POST"|^apiserver_request_duration_seconds_bucket\{verb="POST".*resource="configmaps".*le="\+Inf"/,
    ),
    3,
  )
  assert.doesNotMatch(text, /duration_seconds_count\{verb="WATCH"/, 'how long a watch lasts is up to its client')
  assert.equal(value(text, /^apiserver_storage_objects\{resource="configmaps"\}/), 2)
  assert.match(text, /^apiserver_storage_objects\{resource="deployments\.apps"\} 0$/m)
  assert.match(text, /^apiserver_current_inflight_requests\{request_kind="readOnly"\} 0$/m)
  assert.match(text, /^process_resident_memory_bytes [1-9]/m)
})

test('no client makes the labels grow', async (t) => {
  const api = await startTestServer()
  t.after(() => api.close())
  const lines = async (): Promise<number> => (await api.wire({ path: '/metrics' })).text.split('\n').length
  for (let i = 0; i < 300; i++) {
    await api.wire({ path: `/api/v1/namespaces/n${i}/configmaps/x${i}/sub${i}` })
    await api.wire({ path: `/api/v1/resource${i}` })
    await api.wire({ path: `/apis/group${i}/v${i}/things` })
    await api.wire({ path: `/path${i}/x` })
    await api.wire({ path: '/api', method: `METHOD${i}` })
    await api.wire({ path: `${CONFIG_MAPS_PATH}/a`, method: `M${i}` })
  }
  const before = await lines()
  for (let i = 300; i < 600; i++) {
    await api.wire({ path: `/api/v1/namespaces/n${i}/configmaps/x${i}/sub${i}` })
    await api.wire({ path: `/path${i}/x`, method: `METHOD${i}` })
  }
  assert.ok((await lines()) - before < 60)
  const { text } = await api.wire({ path: '/metrics' })
  assert.doesNotMatch(text, /sub\d|resource\d|group\d|path\d|METHOD\d|M\d/)
})

test('counts are bounded even when everything that is known is asked in every way', async () => {
  const { DEFINITIONS } = await import('../../../src/api/definitions/all.ts')
  const counts = new RequestCounts()
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']
  for (const definition of DEFINITIONS)
    for (const verb of verbs)
      for (const [namespace, name] of [
        ['', ''],
        ['a', ''],
        ['a', 'b'],
      ] as const) {
        const { group, version, resource } = definition
        counts.record(
          definition,
          { kind: 'resource', verb, group, version, resource, subresource: '', namespace, name },
          200,
          1,
        )
      }
  const samples = [...counts.totals()]
  assert.ok(samples.length <= 201, String(samples.length))
  const sum = samples.reduce((total, sample) => total + sample.value, 0)
  assert.equal(sum, DEFINITIONS.length * verbs.length * 3, 'what has no line of its own is counted with the others')
})

test('metrics are for administrators, and for reading', async (t) => {
  const api = await startTestServer({ authorizer: createStaticAuthorizer({ podsOnNode: () => [] }) })
  t.after(() => api.close())
  const status = async (name: string, ...groups: string[]): Promise<number> =>
    (await api.wire({ path: '/metrics', user: { name, groups } })).status
  assert.equal(await status('admin', 'wherry:admins', 'system:authenticated'), 200)
  assert.equal(await status('system:anonymous', 'system:unauthenticated'), 403)
  assert.equal(await status('somebody', 'system:authenticated'), 403)
  assert.equal(await status('system:node:n1', 'system:nodes', 'system:authenticated'), 403)
  assert.equal((await api.wire({ path: '/metrics', method: 'POST' })).status, 405)
  assert.equal((await api.wire({ path: '/metrics/slis' })).status, 404)
})

test('other parts add what they count', async (t) => {
  const api = await startTestServer({
    metrics: () => [
      { name: 'workqueue_depth', type: 'gauge', help: 'x', samples: () => [{ labels: { name: 'a"b\\\n' }, value: 3 }] },
    ],
  })
  t.after(() => api.close())
  assert.match((await api.wire({ path: '/metrics' })).text, /^workqueue_depth\{name="a\\"b\\\\\\n"\} 3$/m)
})
