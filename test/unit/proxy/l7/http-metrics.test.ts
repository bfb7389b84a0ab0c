import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { registerHttpMetrics } from '../../../../src/proxy/l7/metrics/http-metrics.ts'
import { UpstreamMetrics } from '../../../../src/proxy/l7/metrics/upstream-metrics.ts'
import { answering, get, ok, startBackend, startProxy } from './engine-fixture.ts'

test('a scrape tells of requests, latencies, bytes, errors and connections', async (t) => {
  const backend = await startBackend(
    t,
    answering((target) => (target === '/bad' ? 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n' : ok('hello'))),
  )
  const { client, proxy } = await startProxy(t, [backend])
  const registry = new Registry()
  registerHttpMetrics(registry, proxy.engine)
  const peer = await client()
  for (let i = 0; i < 3; i++) {
    peer.send(get('/good'))
    await peer.until(/hello$/)
  }
  peer.send(get('/bad'))
  await peer.until(/503 No\r\n/)
  peer.send('nonsense\r\n')
  await peer.ended()
  const text = await registry.metrics()
  const endpoint = `127.0.0.1:${backend.port}`
  const all = `service="default",route="default",endpoint="${endpoint}"`
  const lines = text.split('\n')
  for (const line of [
    `wherry_http_requests_total{${all},code="2xx"} 3`,
    `wherry_http_requests_total{${all},code="5xx"} 1`,
    'wherry_http_request_duration_seconds_count{service="default",route="default"} 4',
    'wherry_http_request_duration_seconds_bucket{service="default",route="default",le="+Inf"} 4',
    'wherry_http_requests_in_flight{service="default"} 0',
    'wherry_http_errors_total{service="",code="bad-request-line"} 1',
    `wherry_http_endpoint_connections{service="default",endpoint="${endpoint}",state="idle"} 1`,
    `wherry_http_endpoint_connections{service="default",endpoint="${endpoint}",state="busy"} 0`,
  ]) {
    assert.ok(lines.includes(line), `${line} in\n${text}`)
  }
  const bytes = lines.find((line) => line.startsWith('wherry_http_response_bytes_total'))
  assert.ok(Number(bytes?.split(' ')[1]) > 200, bytes)
})

test('however many routes and endpoints there are, there are so many series and no more', () => {
  const metrics = new UpstreamMetrics('a')
  for (let i = 0; i < 3_000; i++) metrics.series(`route-${i}`, `endpoint-${i}`).record(200, 1, 1, 1)
  const series = [...metrics.allSeries()]
  assert.ok(series.length <= 1_001)
  assert.equal(
    series.reduce((sum, { counts }) => sum + counts[1]!, 0),
    3_000,
  )
  assert.equal(metrics.series('route-0', 'endpoint-0'), series[0])
})
