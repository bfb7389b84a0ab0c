import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { PodScraper } from '../../../../src/agent/scrape/pod-scraper.ts'
import type { ScrapedSummary } from '../../../../src/api/scraped-series.ts'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createAuthority, openAuthority } from '../../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import { nodeContainer, startTestNode } from '../agent-fixture.ts'

const ADDRESS = '127.0.0.1'

async function listen(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const says =
  (text: string): RequestListener =>
  (_, response) =>
    response.end(text)

interface World {
  readonly scraper: PodScraper
  readonly told: string[]
  add(uid: string, annotations: Readonly<Record<string, string>>): void
}

function world(t: TestContext): World {
  const pods: Pod[] = []
  const told: string[] = []
  const scraper = new PodScraper({
    pods: () => pods,
    sandboxes: async () =>
      pods.map(({ metadata }) => ({
        podUid: metadata!.uid!,
        podName: '',
        podNamespace: '',
        ip: ADDRESS,
        containers: [],
      })),
    clock: systemClock,
    logger: { ...silentLogger, info: (fields) => void told.push((fields as { readonly pod: string }).pod) },
  })
  t.after(() => scraper.close())
  return {
    scraper,
    told,
    add(uid, annotations) {
      const named = Object.entries({ scrape: 'true', ...annotations }).map(([key, value]) => [
        `prometheus.io/${key}`,
        value,
      ])
      pods.push({
        metadata: { uid, name: uid, namespace: 'default', annotations: Object.fromEntries(named) },
        spec: { containers: [] },
        status: { phase: 'Running' },
      } as unknown as Pod)
    },
  }
}

const valuesOf = ({ pods }: ScrapedSummary): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(pods.map(({ uid, series }) => [uid, series.map(({ value }) => value)]))

test('wanted series of each annotated pod, and the names of all', async (t) => {
  const w = world(t)
  const paths: string[] = []
  const port = await listen(t, (request, response) => {
    paths.push(request.url!)
    response.end('# TYPE a gauge\na{x="1"} 1\na{x="2"} 2\nb_total 3\n')
  })
  w.add('one', { port: String(port) })
  w.add('two', { port: String(port), path: '//elsewhere/m?x=a b' })
  w.add('not', { port: String(port), scrape: 'false' })
  const summary = await w.scraper.read(['a'])
  assert.deepEqual(valuesOf(summary), { one: [1, 2], two: [1, 2] })
  assert.ok(summary.pods.every(({ atMs }) => Math.abs(atMs - Date.now()) < 60_000))
  assert.deepEqual(summary.names, [
    { name: 'a', type: 'gauge' },
    { name: 'b_total', type: 'counter' },
  ])
  assert.deepEqual(paths.sort(), ['//elsewhere/m?x=a%20b', '/metrics'])
  assert.deepEqual(valuesOf(await w.scraper.read([])), { one: [], two: [] })
})

test('metrics over TLS, by whatever certificate', async (t) => {
  const authority = await openAuthority(await createAuthority('nobody', Date.now()))
  const names = {
    commonName: 'pod',
    organizations: [],
    dnsNames: ['pod'],
    ipAddresses: [],
    usages: ['server'] as const,
  }
  const server = createTlsServer(await authority.issue(names, Date.now()), says('a 1\n'))
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const w = world(t)
  w.add('tls', { port: String((server.address() as AddressInfo).port), scheme: 'https' })
  assert.deepEqual(valuesOf(await w.scraper.read(['a'])), { tls: [1] })
})

for (const { name, answer } of [
  { name: 'answers garbage', answer: says('<html>') },
  { name: 'answers with an error', answer: ((_, response) => response.writeHead(500).end('a 1\n')) as RequestListener },
  {
    name: 'leads elsewhere',
    answer: ((_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()) as RequestListener,
  },
  { name: 'never answers', answer: (() => {}) as RequestListener },
  {
    name: 'breaks off',
    answer: ((_, response) => void response.write('a 1\n', () => response.destroy())) as RequestListener,
  },
  {
    name: 'answers drop by drop',
    answer: ((_, response) => {
      const drops = setInterval(() => response.write('a 1\n'), 100)
      response.on('close', () => clearInterval(drops))
    }) as RequestListener,
  },
  {
    name: 'never comes to an end',
    answer: ((_, response) => {
      const more = (): void => {
        while (!response.closed && response.write('a 1\n'.repeat(10_000)));
      }
      response.on('drain', more)
      more()
    }) as RequestListener,
  },
])
  test(`a pod that ${name} harms itself alone, and is told of once`, async (t) => {
    const w = world(t)
    w.add('bad', { port: String(await listen(t, answer)) })
    w.add('good', { port: String(await listen(t, says('a 1\n'))) })
    assert.deepEqual(valuesOf(await w.scraper.read(['a'])), { good: [1] })
    assert.deepEqual(w.told, ['default/bad'])
    if (name === 'answers garbage') {
      await w.scraper.read(['a'])
      assert.deepEqual(w.told, ['default/bad'])
    }
  })

test('a pod with very many of the wanted series is missing, and told of', async (t) => {
  const w = world(t)
  const names = ['a', 'b', 'c', 'd']
  const lines = names.flatMap((name) => Array.from({ length: 150 }, (_, i) => `${name}{i="${i}"} 1\n`))
  w.add('many', { port: String(await listen(t, says(lines.join('')))) })
  assert.deepEqual((await w.scraper.read(names)).pods, [])
  assert.deepEqual(w.told, ['default/many'])
  assert.equal((await w.scraper.read(['a'])).pods[0]?.series.length, 150)
})

test('a pod where nothing listens is missing', async (t) => {
  const w = world(t)
  w.add('away', { port: '1' })
  assert.deepEqual((await w.scraper.read(['a'])).pods, [])
})

test('an agent serves the series of its pods', async (t) => {
  const node = await startTestNode(t)
  const script = `require('http').createServer((q, s) => s.end('# TYPE jobs gauge\\njobs{queue="a"} 4\\n')).listen(9102, process.env.HOST)`
  const readinessProbe = { httpGet: { port: 9102, path: '/' }, periodSeconds: 1 }
  const { metadata } = await node.createPod(
    'worker',
    { containers: [nodeContainer(script, { readinessProbe })] },
    {
      metadata: {
        name: 'worker',
        namespace: 'default',
        annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102' },
      },
    },
  )
  await node.until(
    'worker',
    ({ status }) => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True',
    'ready',
  )
  const { text, contentType } = await node.documents.read('/stats/custom', new URLSearchParams('name=jobs'))!
  assert.equal(contentType, 'application/json')
  const { pods } = JSON.parse(text) as ScrapedSummary
  assert.deepEqual(
    pods.map(({ uid, series }) => [uid, series]),
    [[metadata?.uid, [{ name: 'jobs', type: 'gauge', labels: { queue: 'a' }, value: 4 }]]],
  )
})
