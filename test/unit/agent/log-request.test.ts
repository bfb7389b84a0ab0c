import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLogRequest } from '../../../src/agent/kubelet/log-request.ts'
import { NodeRequestError } from '../../../src/agent/kubelet/node-request-error.ts'

const NOW = Date.parse('2026-01-02T03:04:05Z')
const NOTHING = {
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
}

test('a plain request names namespace, pod and container', () => {
  assert.deepEqual(parseLogRequest('/containerLogs/default/web-1/app', NOW), {
    namespace: 'default',
    pod: 'web-1',
    container: 'app',
    options: NOTHING,
  })
})

const OPTIONS = [
  { name: 'follow', query: 'follow=true', want: { follow: true } },
  { name: 'previous and timestamps', query: 'previous=1&timestamps=true', want: { previous: true, timestamps: true } },
  { name: 'the last lines, none too', query: 'tailLines=0', want: { tailLines: 0 } },
  { name: 'a limit', query: 'limitBytes=10', want: { limitBytes: 10 } },
  { name: 'since seconds ago', query: 'sinceSeconds=5', want: { sinceMs: NOW - 5_000 } },
  { name: 'since a time', query: 'sinceTime=2026-01-02T03:00:00Z', want: { sinceMs: NOW - 245_000 } },
]
for (const { name, query, want } of OPTIONS)
  test(`option: ${name}`, () => {
    assert.deepEqual(parseLogRequest(`/containerLogs/a/b/c?${query}`, NOW).options, { ...NOTHING, ...want })
  })

const REFUSED = [
  { url: '/containerLogs/a/b', status: 404 },
  { url: '/containerLogs/a/b/c/d', status: 404 },
  { url: '/containerLogs//b/c', status: 404 },
  { url: '/logs/../../etc/passwd', status: 404 },
  { url: '/containerLogs/a/b/..%2f..%2fetc', status: 404 },
  { url: '/containerLogs/a/%2e%2e/c', status: 404 },
  { url: '/containerLogs/a/b%00/c', status: 404 },
  { url: '/containerLogs/a/b/%zz', status: 404 },
  { url: '/containerLogs/a/b/c?tailLines=-1', status: 400 },
  { url: '/containerLogs/a/b/c?limitBytes=0', status: 400 },
  { url: '/containerLogs/a/b/c?sinceSeconds=x', status: 400 },
  { url: '/containerLogs/a/b/c?sinceTime=yesterday', status: 400 },
  { url: '/containerLogs/a/b/c?sinceSeconds=1&sinceTime=2026-01-02T03:00:00Z', status: 400 },
]
for (const { url, status } of REFUSED)
  test(`refused with ${status}: ${url}`, () => {
    assert.throws(
      () => parseLogRequest(url, NOW),
      (error) => error instanceof NodeRequestError && error.status === status,
    )
  })
