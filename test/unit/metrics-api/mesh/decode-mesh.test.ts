import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MeshSummary } from '../../../../src/api/mesh-summary.ts'
import { decodeMesh } from '../../../../src/controlplane/metrics-api/mesh/decode-mesh.ts'
import { splitSummary } from '../../../../src/controlplane/metrics-api/mesh/split-summary.ts'
import { httpEndpoint, meshSummary, requests } from './mesh-fixture.ts'

const decode = (summary: unknown) => decodeMesh(Buffer.from(JSON.stringify(summary)))

/** What the pieces and the frame hold together, as one reader would have read it. */
async function putTogether(text: Buffer): Promise<unknown> {
  const { frame, pieces } = await splitSummary(text)
  const summary = JSON.parse(frame)
  for (const { port, start, end } of pieces)
    summary.ports[port].endpoints.push(...JSON.parse(`[${text.toString('utf8', start, end)}]`))
  return summary
}

test('endpoints come with the port they stand in', async () => {
  const summary: MeshSummary = {
    startedAtMs: 1,
    takenAtMs: 2,
    ports: [
      { namespace: 'a', service: 'web', port: '', endpoints: [] },
      {
        namespace: 'a',
        service: 'db',
        port: 'sql',
        endpoints: [httpEndpoint('db-1', 0, { requests: undefined, inFlight: undefined })],
      },
      { namespace: 'b', service: 'web', port: 'http', endpoints: [httpEndpoint('web-1', 5), httpEndpoint('web-2', 7)] },
    ],
  }
  const { samples, startedAtMs, takenAtMs } = await decode(summary)
  assert.deepEqual([startedAtMs, takenAtMs], [1, 2])
  assert.deepEqual(
    samples.map(({ namespace, service, port, pod, http }) => [namespace, service, port, pod, http?.requests.total]),
    [
      ['a', 'db', 'sql', 'db-1', undefined],
      ['b', 'web', 'http', 'web-1', 5],
      ['b', 'web', 'http', 'web-2', 7],
    ],
  )
})

test('ten thousand endpoints are read in pieces', async () => {
  const endpoints = Array.from({ length: 10_000 }, (_, i) => httpEndpoint(`web-${i}`, i))
  const summary = meshSummary(1, endpoints)
  const text = Buffer.from(JSON.stringify(summary))
  const { frame, pieces } = await splitSummary(text)
  assert.ok(frame.length < 1_000, 'the frame holds no endpoint')
  for (const { start, end } of pieces) assert.ok(end - start < 70_000)
  assert.equal((await decodeMesh(text)).samples.length, 10_000)
})

test('wherever it is cut and whatever strings hold, nothing is lost or moved', async () => {
  const place = fc.record({ namespace: fc.string(), service: fc.string(), port: fc.string() })
  const endpoint = fc.record({ endpoint: fc.string(), pod: fc.string(), nested: fc.jsonValue() })
  const port = fc
    .tuple(place, fc.array(endpoint, { maxLength: 8 }))
    .map(([names, endpoints]) => ({ ...names, endpoints }))
  const summary = fc.record({ startedAtMs: fc.nat(), ports: fc.array(port, { maxLength: 4 }), takenAtMs: fc.nat() })
  await fc.assert(
    fc.asyncProperty(summary, fc.boolean(), async (value, spaced) => {
      const text = Buffer.from(JSON.stringify(value, null, spaced ? 2 : 0))
      assert.deepEqual(await putTogether(text), JSON.parse(text.toString()))
    }),
  )
})

for (const { name, endpoint } of [
  { name: 'no pod', endpoint: { ...httpEndpoint('a', 1), pod: undefined } },
  { name: 'a negative count', endpoint: { ...httpEndpoint('a', 1), connections: -1 } },
  { name: 'a count that is text', endpoint: { ...httpEndpoint('a', 1), sentBytes: '1' } },
  { name: 'a number beyond numbers', endpoint: { ...httpEndpoint('a', 1), receivedBytes: 'Infinity' } },
])
  test(`an endpoint with ${name} is left out, and only it`, async () => {
    const given = {
      ...meshSummary(1, []),
      ports: [{ namespace: 'a', service: 's', port: '', endpoints: [endpoint, httpEndpoint('good', 1)] }],
    }
    assert.deepEqual(
      (await decode(given)).samples.map(({ pod }) => pod),
      ['good'],
    )
  })

test('requests that make no sense leave a pod without HTTP figures', async () => {
  const odd = [
    { ...requests(3), successful: 4 },
    { ...requests(3), latencyCounts: [3] },
    { ...requests(3), total: null },
  ]
  const { samples } = await decode(
    meshSummary(
      1,
      odd.map((one) => httpEndpoint('a', 0, { requests: one as never })),
    ),
  )
  assert.deepEqual(
    samples.map(({ http }) => http),
    [undefined, undefined, undefined],
  )
})

for (const text of [
  '',
  'null',
  '[]',
  '{"ports":[]}',
  '{"startedAtMs":1,"takenAtMs":"x","ports":[]}',
  '{"ports":[{"endpoints":[{',
  '}}]]',
])
  test(`${text === '' ? 'an empty answer' : text} is no summary`, async () => {
    await assert.rejects(decodeMesh(Buffer.from(text)))
  })

test('any text either is read or is refused', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.stringMatching(/^[[\]{}",:\\0-9a]{0,60}$/),
    fc
      .stringMatching(/^[[\]{}",:\\0-9a]{0,60}$/)
      .map((tail) => `{"startedAtMs":1,"takenAtMs":1,"ports":[{"endpoints":[{${tail}`),
  )
  await fc.assert(
    fc.asyncProperty(text, async (given) => {
      const answer = await decodeMesh(Buffer.from(given)).catch((error: unknown) => {
        assert.ok(error instanceof Error)
        return undefined
      })
      for (const { pod } of answer?.samples ?? []) assert.equal(typeof pod, 'string')
    }),
  )
})
