import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DEPLOYMENTS, PODS, SERVICES } from '../../../src/api/resource-type.ts'
import type { Deployment } from '../../../src/api/types/apps-v1.gen.ts'
import type { Pod, Service } from '../../../src/api/types/core-v1.gen.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createHttpTransport } from '../../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../../src/client/load-kubeconfig.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { startTestCluster, type TestCluster } from '../../harness/cluster.ts'
import { eventually } from '../../harness/eventually.ts'
import { startHttpLoad } from '../../harness/http-load.ts'

const UPDATES = 3
const REPLICAS = 3

/** Answers with its process and version; now and then only after a while. */
const SERVER = `
const server = require('http').createServer((request, response) => {
  const answer = () => response.end(process.pid + ' ' + process.env.VERSION)
  if (Math.random() < 0.05) setTimeout(answer, 400)
  else answer()
})
server.keepAliveTimeout = 60000
server.listen(8080, process.env.HOST)
`

// How servers end. Only the first does what servers should; the proxy must not need it.
const ENDINGS = [
  [
    'finish what they are asked and close idle connections',
    "process.on('SIGTERM', () => server.close(() => process.exit(0)))",
  ],
  ['drop everything', "process.on('SIGTERM', () => { server.closeAllConnections(); process.exit(0) })"],
  ['have never heard of SIGTERM', ''],
] as const

let cluster: TestCluster
let transport: Transport
let client: Client
before(async () => {
  cluster = await startTestCluster(['--nodes', '2'])
  transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
  client = createClient(transport)
})
after(async () => {
  await transport?.close()
  await cluster?.destroy()
})

function deployment(name: string, script: string): Deployment {
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'node',
              command: ['node', '-e', script],
              env: [{ name: 'VERSION', value: '0' }],
              ports: [{ containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  } as Deployment
}

/** What the proxy does with a port's connections, by the port's name. */
const MODES = ['raw', 'http'] as const

/** Two node ports, from `port` on: one for each mode. */
function nodePorts(name: string, port: number): Service {
  const ports = MODES.map((mode, i) => ({ name: mode, port: 80 + i, targetPort: 8080, nodePort: port + i }))
  return {
    metadata: { name, namespace: 'default' },
    spec: { type: 'NodePort', selector: { app: name }, ports },
  } as Service
}

/** Kept and short connections in each mode. */
function startLoads(
  urls: Readonly<Record<(typeof MODES)[number], readonly string[]>>,
): readonly ReturnType<typeof startHttpLoad>[] {
  return MODES.flatMap((mode) => [true, false].map((keepAlive) => startHttpLoad(urls[mode], { clients: 4, keepAlive })))
}

/** Waits until all pods of the Deployment's newest template are available and no other is left, not even one that ends. */
function rolledOut(name: string): Promise<true> {
  return eventually(
    async () => {
      const { metadata, status = {} } = await client.get<Deployment>(DEPLOYMENTS, { namespace: 'default', name })
      const isSeen = status.observedGeneration === metadata?.generation
      const counts = [status.replicas, status.updatedReplicas, status.availableReplicas]
      if (!isSeen || counts.some((count) => count !== REPLICAS)) return undefined
      const pods = await client.list<Pod>(PODS, { namespace: 'default', labelSelector: `app=${name}` })
      return pods.items.length === REPLICAS || undefined
    },
    60_000,
    `the roll-out of ${name}`,
  )
}

async function deploy(
  name: string,
  script: string,
  port: number,
): Promise<Readonly<Record<(typeof MODES)[number], readonly string[]>>> {
  await client.create(SERVICES, nodePorts(name, port))
  await client.create(DEPLOYMENTS, deployment(name, script))
  await rolledOut(name)
  const { nodes } = await cluster.status()
  const at = (nodePort: number): readonly string[] => nodes.map(({ address }) => `http://${address}:${nodePort}/`)
  return { raw: at(port), http: at(port + 1) }
}

for (const [i, [how, ending]] of ENDINGS.entries())
  test(`${UPDATES} rolling updates of servers that ${how} lose no request`, { timeout: 240_000 }, async (t) => {
    const name = `update-${i}`
    const urls = await deploy(name, SERVER + ending, 30_200 + 2 * i)
    const loads = startLoads(urls)
    t.after(() => Promise.all(loads.map((load) => load.stop())))
    for (let version = 1; version <= UPDATES; version++) {
      const env = [{ name: 'VERSION', value: String(version) }]
      const patch = { spec: { template: { spec: { containers: [{ name: 'web', env }] } } } }
      await client.patch(DEPLOYMENTS, { namespace: 'default', name }, patch, {
        type: 'application/strategic-merge-patch+json',
      })
      await rolledOut(name)
    }
    for (const load of loads) {
      const { ok, failures } = await load.stop()
      assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${ok + failures.length} requests failed`)
      assert.ok(ok > 100)
    }
    await client.delete(DEPLOYMENTS, { namespace: 'default', name })
  })

test('pods that are killed under load lose no request that changes nothing', { timeout: 240_000 }, async (t) => {
  const urls = await deploy('kill', SERVER, 30_210)
  const loads = startLoads(urls)
  t.after(() => Promise.all(loads.map((load) => load.stop())))
  const killed = new Set<string>()
  /** The processes that answer, once there are as many as there should be, without those that were killed. */
  const processes = async (): Promise<readonly string[]> => {
    const found = new Set<string>()
    return eventually(
      async () => {
        const answer = await (await fetch(urls.raw[0]!, { headers: { connection: 'close' } })).text()
        found.add(answer.split(' ')[0]!)
        const alive = [...found].filter((pid) => !killed.has(pid))
        return alive.length === REPLICAS ? alive : undefined
      },
      60_000,
      'all pods answer',
    )
  }
  // Each of the first ones once: one that is killed again is started again later.
  for (const pid of await processes()) {
    process.kill(Number(pid), 'SIGKILL')
    killed.add(pid)
    await processes()
  }
  for (const load of loads) {
    const { ok, failures } = await load.stop()
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${ok + failures.length} requests failed`)
  }
})
