import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import { exposition } from '../../../../src/base/metric-families.ts'
import { httpServiceFamilies } from '../../../../src/proxy/metrics/http-service-families.ts'
import { httpListener, startClient, startPod } from '../http-services/http-fixture.ts'
import { type Lab, POD, startLab } from '../proxy-fixture.ts'

const SERVICE = 'namespace="shop",service="cart",port="http"'

async function linesOf(lab: Lab): Promise<readonly string[]> {
  const { text } = await exposition(httpServiceFamilies(lab.dataplane.http!))
  const lines = text.trimEnd().split('\n')
  for (const line of lines)
    assert.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? [0-9.e+-]+)$/)
  const series = lines.filter((line) => !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')))
  assert.equal(new Set(series).size, series.length, 'no series twice')
  return lines
}

function numberOf(lines: readonly string[], series: string): number {
  const line = lines.find((one) => one.startsWith(`${series} `))
  assert.ok(line !== undefined, `${series} in\n${lines.join('\n')}`)
  return Number(line.slice(series.length + 1))
}

test('the golden signals are told by namespace, Service, port, route and pod', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'pod-1', POD(1), (request, response) =>
    response.writeHead(request.url === '/bad' ? 503 : 200).end('hello'),
  )
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const client = startClient(t, { port: lab.port })
  for (const path of ['/', '/', '/bad']) await client.ask(path)
  const lines = await linesOf(lab)
  const endpoint = `pod="pod-1",endpoint="${pod.endpoint.address}:${pod.endpoint.port}"`
  const all = `${SERVICE},route="default",${endpoint}`
  assert.equal(numberOf(lines, `wherry_http_requests_total{${all},code="2xx"}`), 2)
  assert.equal(numberOf(lines, `wherry_http_requests_total{${all},code="5xx"}`), 1)
  assert.equal(numberOf(lines, `wherry_http_request_duration_seconds_count{${SERVICE},route="default"}`), 3)
  assert.equal(numberOf(lines, `wherry_http_request_duration_seconds_bucket{${SERVICE},route="default",le="+Inf"}`), 3)
  assert.ok(numberOf(lines, `wherry_http_response_bytes_total{${all}}`) > 15)
  assert.equal(numberOf(lines, `wherry_http_requests_in_flight{${SERVICE},${endpoint}}`), 0)
  assert.equal(numberOf(lines, `wherry_http_endpoint_connections{${SERVICE},${endpoint},state="idle"}`), 1)
  assert.equal(numberOf(lines, `wherry_http_endpoint_ejected{${SERVICE},${endpoint}}`), 0)
  assert.equal(numberOf(lines, `wherry_http_retries_total{${SERVICE}}`), 0)
  assert.equal(numberOf(lines, 'wherry_http_client_connections'), 1)
})

test('ejections and retries are counted', async (t) => {
  const lab = await startLab(t)
  const good = await startPod(t, 'good', POD(1))
  const dead = await lab.nobody(POD(2))
  await lab.go([httpListener(lab.port, [good.endpoint, dead])])
  const client = startClient(t, { port: lab.port })
  for (let i = 0; i < 20; i++) assert.equal((await client.ask()).body, 'good')
  const lines = await linesOf(lab)
  assert.equal(numberOf(lines, `wherry_http_ejections_total{${SERVICE}}`), 1)
  assert.equal(numberOf(lines, `wherry_http_retries_total{${SERVICE}}`), 5)
  assert.equal(
    numberOf(lines, `wherry_http_endpoint_ejected{${SERVICE},pod="",endpoint="${dead.address}:${dead.port}"}`),
    1,
  )
})

test('an endpoint that is gone is told of for a while, and what was counted of it stays in the totals', async (t) => {
  let skippedMs = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs }
  const lab = await startLab(t, { clock })
  const [a, b] = await Promise.all([startPod(t, 'a', POD(1)), startPod(t, 'b', POD(2))])
  await lab.go([httpListener(lab.port, [a.endpoint])])
  const client = startClient(t, { port: lab.port })
  await client.ask()
  await lab.go([httpListener(lab.port, [b.endpoint])], [POD(1)])
  await client.ask()
  const podLines = async (): Promise<readonly (string | undefined)[]> =>
    (await linesOf(lab))
      .filter((line) => line.startsWith('wherry_http_requests_total'))
      .map((line) => /pod="([^"]*)"/.exec(line)?.[1])
  assert.deepEqual(await podLines(), ['a', 'b'])
  const bytes = lab.dataplane.http!.service('shop/cart:http')!.sentBytes
  skippedMs = 5 * 60_000 + 1
  assert.deepEqual(await podLines(), ['b'])
  const count = `wherry_http_request_duration_seconds_count{${SERVICE},route="default"}`
  assert.equal(numberOf(await linesOf(lab), count), 2)
  assert.equal(lab.dataplane.http!.service('shop/cart:http')!.sentBytes, bytes)
})

test('another pod at the address of an earlier one begins at nothing, and is not judged by it', async (t) => {
  const lab = await startLab(t)
  const pod = await startPod(t, 'one', POD(1))
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const client = startClient(t, { port: lab.port })
  await client.ask()
  await client.ask()
  await lab.go([httpListener(lab.port, [{ ...pod.endpoint, pod: 'two' }])])
  await client.ask()
  const lines = (await linesOf(lab)).filter((line) => line.startsWith('wherry_http_requests_total'))
  assert.deepEqual(
    lines.map((line) => [/pod="([^"]*)"/.exec(line)?.[1], line.at(-1)]),
    [['two', '1']],
  )
  assert.equal(pod.sockets.length, 2)
})

test('an endpoint that comes back is told of as if it had not left', async (t) => {
  let skippedMs = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs }
  const lab = await startLab(t, { clock })
  const [a, b] = await Promise.all([startPod(t, 'a', POD(1)), startPod(t, 'b', POD(2))])
  const all = [httpListener(lab.port, [a.endpoint, b.endpoint])]
  await lab.go(all)
  await lab.go([httpListener(lab.port, [a.endpoint])], [POD(2)])
  await lab.go(all)
  skippedMs = 10 * 60_000
  const pods = (await linesOf(lab))
    .filter((line) => line.startsWith('wherry_http_requests_in_flight'))
    .map((line) => /pod="([^"]*)"/.exec(line)?.[1])
  assert.deepEqual(pods, ['a', 'b'])
})

test('what endpoints leave behind is bounded, also when nobody scrapes', async (t) => {
  let skippedMs = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs }
  const lab = await startLab(t, { clock })
  const pod = await startPod(t, 'last', POD(1))
  for (let i = 0; i < 20; i++) {
    skippedMs += 60_000
    const { endpoint } = await startPod(t, `pod-${i}`, POD(i + 2))
    await lab.go([httpListener(lab.port, [endpoint])])
    await startClient(t, { port: lab.port }).ask()
  }
  await lab.go([httpListener(lab.port, [pod.endpoint])])
  const { metrics } = lab.dataplane.http!.service('shop/cart:http')!
  assert.ok([...metrics.allSeries()].length <= 6, `${[...metrics.allSeries()].length} series`)
})
