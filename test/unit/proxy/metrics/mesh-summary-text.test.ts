import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshEndpoint, MeshSummary } from '../../../../src/api/mesh-summary.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { decodeMesh } from '../../../../src/controlplane/metrics-api/mesh/decode-mesh.ts'
import { meshSummaryText } from '../../../../src/proxy/metrics/mesh-summary-text.ts'
import { ProxyMetrics } from '../../../../src/proxy/metrics/proxy-metrics.ts'
import type { RoutingTable } from '../../../../src/proxy/table/routing-table.ts'
import type { TableKeeper } from '../../../../src/proxy/table/table-keeper.ts'
import { httpListener, startClient, startPod } from '../http-services/http-fixture.ts'
import { type Lab, listenerOf, POD, startLab, tableOf, until } from '../proxy-fixture.ts'

/** The proxy's metrics of a lab that has gone to this table. */
function metricsOf(lab: Lab, table: RoutingTable): ProxyMetrics {
  return new ProxyMetrics(systemClock, lab.dataplane, () => ({ table }) as TableKeeper)
}

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}

async function summaryOf(metrics: ProxyMetrics): Promise<MeshSummary> {
  const text = await textOf(metrics.mesh())
  // The control plane reads the same of it.
  const { samples } = await decodeMesh(Buffer.from(text))
  const summary = JSON.parse(text) as MeshSummary
  assert.equal(samples.length, summary.ports.flatMap(({ endpoints }) => endpoints.filter(({ pod }) => pod)).length)
  return summary
}

function onlyPort({ ports }: MeshSummary): readonly MeshEndpoint[] {
  assert.deepEqual(
    ports.map(({ namespace, service, port }) => [namespace, service, port]),
    [['shop', 'cart', 'http']],
  )
  return ports[0]!.endpoints
}

test('requests are told by pod: successes, failures, latencies, bytes, connections, and what is under way', async (t) => {
  const lab = await startLab(t)
  let release = (): void => {}
  const a = await startPod(t, 'a', POD(1), (request, response) => {
    if (request.url === '/slow') release = () => response.end('late')
    else response.writeHead(request.url === '/bad' ? 500 : 200).end('x'.repeat(1_000))
  })
  const idle = await startPod(t, 'idle', POD(2))
  const listeners = [httpListener(lab.port, [a.endpoint])]
  await lab.go(listeners)
  const client = startClient(t, { port: lab.port })
  for (const path of ['/', '/', '/bad']) await client.ask(path)
  const waiting = startClient(t, { port: lab.port }).ask('/slow')
  await until(() => a.requests === 4, 'the request that waits')
  const both = [httpListener(lab.port, [a.endpoint, idle.endpoint])]
  await lab.go(both)
  const metrics = metricsOf(lab, tableOf(both))
  const [first, second] = onlyPort(await summaryOf(metrics))
  assert.equal(first!.endpoint, `${a.endpoint.address}:${a.endpoint.port}`)
  assert.deepEqual([first!.pod, second!.pod], ['a', 'idle'])
  assert.deepEqual([first!.requests!.total, first!.requests!.successful], [3, 2])
  assert.equal(
    first!.requests!.latencyCounts.reduce((sum, count) => sum + count, 0),
    3,
  )
  assert.deepEqual([first!.inFlight, first!.openConnections, first!.connections], [1, 1, 1])
  assert.ok(first!.sentBytes > 3_000 && first!.receivedBytes > 0)
  assert.deepEqual(
    { ...second, endpoint: '', requests: second!.requests!.total },
    {
      endpoint: '',
      pod: 'idle',
      inFlight: 0,
      requests: 0,
      openConnections: 0,
      connections: 0,
      receivedBytes: 0,
      sentBytes: 0,
    },
  )
  release()
  await waiting
  assert.equal(onlyPort(await summaryOf(metrics))[0]!.inFlight, 0)
})

test('connections that are relayed as bytes are told by pod, too', async (t) => {
  const lab = await startLab(t)
  const [a, b] = await Promise.all([startPod(t, 'a', POD(1)), startPod(t, 'b', POD(2))])
  const listeners = [listenerOf(lab.port, [a.endpoint, b.endpoint])]
  await lab.go(listeners)
  const metrics = metricsOf(lab, tableOf(listeners))
  const clients = [0, 1, 2].map(() => startClient(t, { port: lab.port }))
  for (const client of clients) await client.ask()
  const told = onlyPort(await summaryOf(metrics))
  assert.equal(
    told.reduce((sum, { openConnections }) => sum + openConnections, 0),
    3,
  )
  for (const { connections, openConnections, inFlight, requests, receivedBytes, sentBytes } of told) {
    assert.ok(connections === openConnections && connections > 0)
    assert.ok(receivedBytes > 0 && sentBytes > 0)
    assert.deepEqual([inFlight, requests], [undefined, undefined])
  }
  for (const pod of [a, b]) pod.close()
  const openLeft = async (): Promise<number> => {
    const endpoints = onlyPort(await summaryOf(metrics))
    return endpoints.reduce((sum, { openConnections }) => sum + openConnections, 0)
  }
  let left = Number.NaN
  await until(() => {
    void openLeft().then((count) => {
      left = count
    })
    return left === 0
  }, 'the end of all connections')
  // Another pod at the address of an earlier one begins at nothing.
  const renewed = [listenerOf(lab.port, [{ ...a.endpoint, pod: 'c' }])]
  await lab.go(renewed)
  const [fresh] = onlyPort(await summaryOf(metricsOf(lab, tableOf(renewed))))
  assert.deepEqual([fresh!.pod, fresh!.connections, fresh!.sentBytes], ['c', 0, 0])
})

test('ten thousand endpoints are told piece by piece, each once', async () => {
  const endpoints = Array.from({ length: 10_000 }, (_, i) => ({
    address: `127.127.${129 + (i >> 12)}.${i & 255}`,
    port: 8_000 + ((i >> 8) & 15),
    nodeName: undefined,
    pod: `pod-"${i}"`,
  }))
  const table = tableOf([listenerOf(80, endpoints), listenerOf(81, endpoints)])
  const pieces: string[] = []
  let turns = 0
  let isDone = false
  const count = (): void => {
    turns += 1
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  const source = { startedAtMs: 1, takenAtMs: 2.5, table, connections: () => undefined, http: () => undefined }
  for await (const piece of meshSummaryText(source)) pieces.push(piece)
  isDone = true
  assert.ok(pieces.length > 10)
  assert.ok(turns >= pieces.length - 1, `${turns} turns for ${pieces.length} pieces`)
  assert.ok(Math.max(...pieces.map(({ length }) => length)) < 70_000)
  const summary = JSON.parse(pieces.join('')) as MeshSummary
  assert.deepEqual([summary.startedAtMs, summary.takenAtMs], [1, 2.5])
  const names = onlyPort(summary).map(({ pod }) => pod)
  assert.equal(new Set(names).size, 10_000)
})

test('a table without Services is a summary, too', async () => {
  const source = {
    startedAtMs: 1,
    takenAtMs: 2,
    table: tableOf([]),
    connections: () => undefined,
    http: () => undefined,
  }
  assert.deepEqual(JSON.parse(await textOf(meshSummaryText(source))), { startedAtMs: 1, takenAtMs: 2, ports: [] })
})
