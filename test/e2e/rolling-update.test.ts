import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { startHttpLoad } from '../harness/http-load.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls } from '../harness/kubectl.ts'

// Ten rolling updates of three pods, one after the other, while clients with kept and with short connections send
// requests through a node port that relays bytes and one that balances requests: not one may fail.
const [kubectl] = kubectls().slice(-1)
const skip = kubectl === undefined ? KUBECTL_MISSING : false
const UPDATES = 10
const NODE_PORTS = { raw: 30_090, http: 30_091 }

// Ends as a server should: it tells clients of kept connections, with their next answer, that it is about to close.
const SERVER = `
const server = require('http').createServer((request, response) => {
  if (stopping) response.setHeader('connection', 'close')
  response.end(process.env.VERSION)
})
let stopping = false
server.keepAliveTimeout = 60000
server.listen(8080, process.env.HOST)
process.on('SIGTERM', () => {
  stopping = true
  setTimeout(() => server.close(() => process.exit(0)), 500)
})`

const MANIFEST = JSON.stringify({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            terminationGracePeriodSeconds: 10,
            containers: [
              {
                name: 'web',
                image: 'node',
                command: ['node', '-e', SERVER],
                env: [{ name: 'VERSION', value: '0' }],
                ports: [{ containerPort: 8080 }],
                readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    },
    ...Object.entries(NODE_PORTS).map(([name, nodePort]) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `web-${name}` },
      spec: {
        type: 'NodePort',
        selector: { app: 'web' },
        ports: [{ name, port: 80, targetPort: 8080, nodePort }],
      },
    })),
  ],
})

let cluster: TestCluster
before(async () => {
  if (skip === false) cluster = await startTestCluster(['--nodes', '2'])
})
after(async () => {
  await cluster?.destroy()
})

test(`${UPDATES} rolling updates under load lose no request`, { skip, timeout: 400_000 }, async () => {
  const k = (...args: string[]): Promise<string> =>
    kubectlOk(kubectl!, cluster.kubeconfig, args, { timeoutMs: 120_000, input: MANIFEST })
  await k('apply', '-f', '-')
  await k('rollout', 'status', 'deployment/web', '--timeout=60s')
  const { nodes } = await cluster.status()
  const loads = Object.values(NODE_PORTS).flatMap((port) => {
    const urls = nodes.map(({ address }) => `http://${address}:${port}/`)
    return [true, false].map((keepAlive) => startHttpLoad(urls, { clients: 4, keepAlive }))
  })
  // What must not be done twice cannot be sent again: none of it may be lost in the first place.
  const http = nodes.map(({ address }) => `http://${address}:${NODE_PORTS.http}/`)
  loads.push(startHttpLoad(http, { clients: 4, keepAlive: true, method: 'POST' }))
  for (let version = 1; version <= UPDATES; version++) {
    await k('set', 'env', 'deployment/web', `VERSION=${version}`)
    await k('rollout', 'status', 'deployment/web', '--timeout=100s')
  }
  const reports = await Promise.all(loads.map((load) => load.stop()))
  for (const { ok, failures } of reports)
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${ok + failures.length} requests failed`)
  // Kept connections may stay with pods that are on their way out; new ones go to the newest.
  for (const { bodies } of [reports[1]!, reports[3]!])
    for (let version = 0; version < UPDATES; version++)
      assert.ok(bodies.has(String(version)), `no answer came from version ${version}`)
  for (const port of Object.values(NODE_PORTS)) {
    const response = await fetch(`http://${nodes[0]!.address}:${port}/`, { headers: { connection: 'close' } })
    assert.equal(await response.text(), String(UPDATES))
  }
})
