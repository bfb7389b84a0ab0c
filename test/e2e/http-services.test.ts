import assert from 'node:assert/strict'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import type { MeshSummary } from '../../src/api/mesh-summary.ts'
import { PROXY_ADMIN_PORT_NAME, PROXY_SERVICE } from '../../src/api/proxy-endpoints.ts'
import { DEPLOYMENTS, ENDPOINT_SLICES, EVENTS, PODS, SERVICES } from '../../src/api/resource-type.ts'
import type { Deployment } from '../../src/api/types/apps-v1.gen.ts'
import type { Event, Pod, Service } from '../../src/api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../src/api/types/discovery-v1.gen.ts'
import type { StatusReport } from '../../src/cli/status.ts'
import type { Client } from '../../src/client/client.ts'
import { createClient } from '../../src/client/create-client.ts'
import { createHttpTransport } from '../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../src/client/load-kubeconfig.ts'
import type { Transport } from '../../src/client/transport.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { startHttpLoad } from '../harness/http-load.ts'

// Services whose port carries HTTP, on three nodes with a pod each.
const REPLICAS = 3
const NODE_PORT = 30_300
const LOCAL_NODE_PORT = 30_301
const NAMESPACE = 'default'
const WS = import.meta.resolve('ws')

/** Says who it is and what it was asked; echoes what a WebSocket says. */
const SERVER = `
const { pid, env } = process
const server = require('http').createServer((request, response) => {
  const answer = () => response.end(JSON.stringify({ pod: env.POD_NAME, node: env.NODE_NAME, pid, headers: request.headers }))
  if (request.url === '/slow') setTimeout(answer, 5_000)
  else answer()
})
import(env.WS).then(({ WebSocketServer }) => {
  new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', (data) => socket.send(env.POD_NAME + ' ' + data)))
  server.keepAliveTimeout = 60_000
  server.listen(8080, env.HOST)
})
`

interface Said {
  readonly pod: string
  readonly node: string
  readonly pid: number
  readonly headers: Readonly<Record<string, string>>
}

interface Answer {
  readonly status: number
  readonly said: Said
  readonly headers: IncomingMessage['headers']
}

let cluster: TestCluster
let transport: Transport
let client: Client
let status: StatusReport
let pods: readonly Pod[]
const agents: Agent[] = []

const field = (fieldPath: string): object => ({ valueFrom: { fieldRef: { fieldPath } } })

function deployment(): Deployment {
  return {
    metadata: { name: 'web', namespace: NAMESPACE },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'node',
              command: ['node', '-e', SERVER],
              env: [
                { name: 'POD_NAME', ...field('metadata.name') },
                { name: 'NODE_NAME', ...field('spec.nodeName') },
                { name: 'WS', value: WS },
              ],
              ports: [{ containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  } as Deployment
}

function service(name: string, spec: Partial<NonNullable<Service['spec']>>, annotations = {}): Service {
  const port = { name: 'http', port: 80, targetPort: 8080 }
  return {
    metadata: { name, namespace: NAMESPACE, annotations },
    spec: { selector: { app: 'web' }, ports: [port], ...spec },
  } as Service
}

/** Asks on a connection that is kept, from `localAddress`. */
function asker(
  host: string,
  port: number,
  localAddress = '127.0.0.1',
): (path?: string, headers?: object) => Promise<Answer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress })
  agents.push(agent)
  return (path = '/', headers = {}) =>
    new Promise((resolve, reject) => {
      const sent = httpRequest({ host, port, path, agent, timeout: 10_000, headers: { ...headers } }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        response.on('end', () => {
          const said = (text.startsWith('{') ? JSON.parse(text) : {}) as Said
          resolve({ status: response.statusCode ?? 0, said, headers: response.headers })
        })
        response.on('error', reject)
      })
      sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')))
      sent.on('error', reject)
      sent.end()
    })
}

async function podsThatAnswer(ask: () => Promise<Answer>, requests: number): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (let i = 0; i < requests; i++) {
    const { said } = await ask()
    found.set(said.pod, (found.get(said.pod) ?? 0) + 1)
  }
  return found
}

async function annotate(annotations: Readonly<Record<string, string | null>>): Promise<void> {
  const type = 'application/merge-patch+json'
  await client.patch(SERVICES, { namespace: NAMESPACE, name: 'web' }, { metadata: { annotations } }, { type })
}

/** Waits until a Service is served there, and gives its object. */
async function served(name: string): Promise<Service> {
  return eventually(
    async () => {
      const found = await client.get<Service>(SERVICES, { namespace: NAMESPACE, name })
      const isBalanced =
        found.spec?.type !== 'LoadBalancer' || found.status?.loadBalancer?.ingress?.[0]?.ip !== undefined
      if (!isBalanced) return undefined
      await asker(found.spec!.clusterIP!, 80)()
      return found
    },
    30_000,
    `an answer from ${name}`,
  )
}

before(async () => {
  cluster = await startTestCluster(['--nodes', '3'])
  transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
  client = createClient(transport)
  status = await cluster.status()
  await client.create(DEPLOYMENTS, deployment())
  pods = await eventually(
    async () => {
      const { items } = await client.list<Pod>(PODS, { namespace: NAMESPACE, labelSelector: 'app=web' })
      const ready = items.filter((pod) =>
        pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      )
      return ready.length === REPLICAS ? ready : undefined
    },
    60_000,
    'three ready pods',
  )
  const nodePorts = (nodePort: number): Service['spec'] =>
    ({ ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort }] }) as Service['spec']
  await client.create(SERVICES, service('web', { type: 'LoadBalancer', ...nodePorts(NODE_PORT) }))
  await client.create(
    SERVICES,
    service('local', {
      type: 'NodePort',
      ...nodePorts(LOCAL_NODE_PORT),
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Local',
    }),
  )
  await client.create(SERVICES, service('sticky', { sessionAffinity: 'ClientIP' }))
  await Promise.all(['web', 'local', 'sticky'].map(served))
})
after(async () => {
  for (const agent of agents) agent.destroy()
  await transport?.close()
  await cluster?.destroy()
})

test('through a ClusterIP, every node port and a LoadBalancer, one kept connection reaches all pods', async () => {
  const { spec, status: given } = await served('web')
  const places: readonly (readonly [string, number])[] = [
    [spec!.clusterIP!, 80],
    ...status.nodes.map(({ address }) => [address, NODE_PORT] as const),
    ['127.0.0.1', NODE_PORT],
    [given!.loadBalancer!.ingress![0]!.ip!, 80],
  ]
  for (const [host, port] of places) {
    const found = await podsThatAnswer(asker(host, port), 30)
    assert.equal(found.size, REPLICAS, `${host}:${port} ${JSON.stringify([...found])}`)
  }
})

test('pods learn who asks and by which way', async () => {
  const { said, headers } = await asker(status.nodes[1]!.address, NODE_PORT)('/', { 'x-forwarded-for': '10.1.2.3' })
  assert.equal(said.headers['x-forwarded-for'], '127.0.0.1')
  assert.equal(said.headers.via, '1.1 wherry')
  assert.match(said.headers['x-request-id']!, /^[0-9a-f]{32}$/)
  assert.equal(headers['x-wherry-error'], undefined)
})

test('a WebSocket stays with its pod', async () => {
  const socket = new WebSocket(`ws://${status.nodes[0]!.address}:${NODE_PORT}/`)
  const heard: string[] = []
  socket.on('message', (data) => heard.push(String(data)))
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  for (const word of ['one', 'two', 'three']) socket.send(word)
  await eventually(() => (heard.length === 3 ? true : undefined), 10_000, 'three echoes')
  assert.equal(new Set(heard.map((text) => text.split(' ')[0])).size, 1)
  socket.terminate()
})

test('with Local policies a node port and the clients of a node reach its own pods', async () => {
  const { spec } = await served('local')
  for (const { name, address, podCidr } of status.nodes) {
    const own = pods.filter((pod) => pod.spec?.nodeName === name).map((pod) => pod.metadata!.name!)
    const client = podCidr.replace('.0/24', '.251')
    for (const ask of [asker(address, LOCAL_NODE_PORT), asker(spec!.clusterIP!, 80, client)]) {
      if (own.length === 0) await assert.rejects(ask())
      else assert.deepEqual(new Set((await podsThatAnswer(ask, 6)).keys()), new Set(own), `on ${name}`)
    }
  }
  assert.equal((await podsThatAnswer(asker(spec!.clusterIP!, 80), 30)).size, REPLICAS)
})

test('with sessionAffinity ClientIP a client stays with a pod', async () => {
  const { spec } = await served('sticky')
  const seats = new Set<string>()
  for (let i = 0; i < 12; i++) {
    const from = status.nodes[i % 3]!.podCidr.replace('.0/24', `.${200 + i}`)
    const found = await podsThatAnswer(asker(spec!.clusterIP!, 80, from), 4)
    const again = await podsThatAnswer(asker(spec!.clusterIP!, 80, from), 1)
    assert.equal(found.size, 1)
    assert.deepEqual([...again.keys()], [...found.keys()])
    seats.add([...found.keys()][0]!)
  }
  assert.ok(seats.size > 1, 'clients are spread')
})

test('annotations take effect while connections are kept, and a wrong one is told of', async () => {
  const { spec } = await served('web')
  const ask = asker(spec!.clusterIP!, 80)
  await ask()
  await annotate({ 'wherry.dev/timeout.http': '300ms', 'wherry.dev/retries': 'many' })
  const message = await eventually(
    async () => {
      const { items } = await client.list<Event>(EVENTS, { namespace: NAMESPACE })
      return items.find(({ reason, involvedObject }) => reason === 'InvalidAnnotation' && involvedObject.name === 'web')
        ?.message
    },
    20_000,
    'an Event',
  )
  assert.equal(
    message,
    'annotation wherry.dev/retries is "many": must be a whole number from 0 to 10; the default holds',
  )
  const { status: code, headers } = await ask('/slow')
  assert.deepEqual([code, headers['x-wherry-error']], [504, 'overall-timeout'])
  await annotate({ 'wherry.dev/timeout.http': null, 'wherry.dev/retries': null })
})

test('the proxy tells of requests by pod, on /mesh and on /metrics', async () => {
  const { ca, cert, key } = loadKubeconfig(cluster.kubeconfig)
  const slices = await client.list<EndpointSlice>(ENDPOINT_SLICES, {
    namespace: PROXY_SERVICE.namespace,
    labelSelector: `kubernetes.io/service-name=${PROXY_SERVICE.name}`,
  })
  const [slice] = slices.items
  const host = slice!.endpoints![0]!.addresses[0]!
  const port = slice!.ports!.find(({ name }) => name === PROXY_ADMIN_PORT_NAME)!.port!
  const read = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = httpsRequest({ host, port, path, ca, cert, key, agent: false, timeout: 10_000 }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        response.on('end', () => resolve(text))
        response.on('error', reject)
      })
      sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')))
      sent.on('error', reject)
      sent.end()
    })
  const { ports } = JSON.parse(await read('/mesh')) as MeshSummary
  const told = ports.find(({ namespace, service }) => namespace === NAMESPACE && service === 'web')!.endpoints
  assert.deepEqual(new Set(told.map(({ pod }) => pod)), new Set(pods.map(({ metadata }) => metadata!.name!)))
  for (const { pod, requests, inFlight } of told) {
    assert.ok(requests!.total > 5 && requests!.successful > 5, pod)
    assert.equal(inFlight, 0, pod)
  }
  const metrics = await read('/metrics')
  for (const { metadata } of pods) {
    const series = new RegExp(
      `^wherry_http_requests_total\\{namespace="default",service="web",port="http",route="default",pod="${metadata!.name}",endpoint="[0-9.]+:8080",code="2xx"\\} \\d+$`,
      'm',
    )
    assert.match(metrics, series)
  }
})

test('a pod that freezes under load costs nobody more than a try, and is asked again when it goes on', async (t) => {
  await annotate({ 'wherry.dev/per-try-timeout': '300ms' })
  const ask = asker('127.0.0.1', NODE_PORT)
  const { said } = await ask()
  const readyAre = (wanted: number): Promise<true> =>
    eventually(
      async () => {
        const { items } = await client.list<EndpointSlice>(ENDPOINT_SLICES, {
          namespace: NAMESPACE,
          labelSelector: 'kubernetes.io/service-name=web',
        })
        const ready = items.flatMap(({ endpoints = [] }) => endpoints.filter(({ conditions }) => conditions?.ready))
        return ready.length === wanted || undefined
      },
      60_000,
      `${wanted} ready endpoints`,
    )
  const urls = status.nodes.map(({ address }) => `http://${address}:${NODE_PORT}/`)
  const load = startHttpLoad(urls, { clients: 8, keepAlive: true })
  t.after(() => load.stop())
  t.after(() => void process.kill(said.pid, 'SIGCONT'))
  process.kill(said.pid, 'SIGSTOP')
  await readyAre(REPLICAS - 1)
  process.kill(said.pid, 'SIGCONT')
  await readyAre(REPLICAS)
  await eventually(
    async () => ((await ask()).said.pod === said.pod ? true : undefined),
    60_000,
    'an answer of that pod',
  )
  const { ok, failures } = await load.stop()
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${ok + failures.length} requests failed`)
  await annotate({ 'wherry.dev/per-try-timeout': null })
})

test('pods killed under load lose no GET', async (t) => {
  const urls = status.nodes.map(({ address }) => `http://${address}:${NODE_PORT}/`)
  const loads = [true, false].map((keepAlive) => startHttpLoad(urls, { clients: 8, keepAlive }))
  t.after(() => Promise.all(loads.map((load) => load.stop())))
  const ask = asker('127.0.0.1', NODE_PORT)
  const killed = new Set<number>()
  const alive = (): Promise<readonly number[]> => {
    const seen = new Map<string, number>()
    return eventually(
      async () => {
        const { said } = await ask()
        if (!killed.has(said.pid)) seen.set(said.pod, said.pid)
        return seen.size === REPLICAS ? [...seen.values()] : undefined
      },
      60_000,
      'an answer from each pod',
    )
  }
  for (const pid of await alive()) {
    process.kill(pid, 'SIGKILL')
    killed.add(pid)
    await alive()
  }
  for (const load of loads) {
    const { ok, failures } = await load.stop()
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${ok + failures.length} requests failed`)
    assert.ok(ok > 100)
  }
})
