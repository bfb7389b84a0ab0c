import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { quantityToMilli } from '../../../src/api/quantity.ts'
import { DEPLOYMENTS, SERVICES } from '../../../src/api/resource-type.ts'
import type { Deployment } from '../../../src/api/types/apps-v1.gen.ts'
import type { Service } from '../../../src/api/types/core-v1.gen.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createHttpTransport } from '../../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../../src/client/load-kubeconfig.ts'
import type { Transport } from '../../../src/client/transport.ts'
import { startTestCluster, type TestCluster } from '../../harness/cluster.ts'
import { eventually } from '../../harness/eventually.ts'
import { startHttpLoad } from '../../harness/http-load.ts'

// Whatever dies or stands still, a metric of the traffic is right or missing: autoscalers act on it.

const NODE_PORT = 30_083
const CLIENTS = 8
const PAUSE_MS = 20
/** Each client rests for that long between two requests: more than this cannot be, but for what stood in a queue. */
const PER_SECOND_MAX = (1_000 / PAUSE_MS) * CLIENTS
const SERVER = `require('http').createServer((q, r) => r.end('ok')).listen(8080, process.env.HOST)`
const PATH = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default'

const META = { namespace: 'default', name: 'steady' }
const DEPLOYMENT = {
  metadata: META,
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'steady' } },
    template: {
      metadata: { labels: { app: 'steady' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: 'node',
            command: ['node', '-e', SERVER],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
} as Deployment
const SERVICE = {
  metadata: META,
  spec: {
    type: 'NodePort',
    selector: { app: 'steady' },
    ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: NODE_PORT }],
  },
} as Service

describe('metrics of the traffic under faults', () => {
  let cluster: TestCluster
  let transport: Transport
  let load: ReturnType<typeof startHttpLoad>
  /** A process that stands still, also when the test has failed meanwhile. */
  let stopped: number | undefined
  const goOn = (): void => {
    if (stopped !== undefined) process.kill(stopped, 'SIGCONT')
    stopped = undefined
  }
  before(async () => {
    cluster = await startTestCluster()
    transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
    const client = createClient(transport)
    await client.create(SERVICES, SERVICE)
    await client.create(DEPLOYMENTS, DEPLOYMENT)
    await eventually(async () => {
      const { status } = await client.get(DEPLOYMENTS, META)
      return status?.readyReplicas === 2 ? true : undefined
    }, 60_000)
    const { nodes } = await cluster.status()
    load = startHttpLoad([`http://${nodes[0]!.address}:${NODE_PORT}/`], {
      clients: CLIENTS,
      keepAlive: true,
      pauseMs: PAUSE_MS,
    })
  })
  after(async () => {
    goOn()
    await load?.stop()
    await transport?.close()
    await cluster?.destroy()
  })

  /** Undefined while it is missing, or nobody answers at all. */
  const value = async (what: string): Promise<number | undefined> => {
    const signal = AbortSignal.timeout(5_000)
    const answer = await transport.request({ method: 'GET', path: `${PATH}/${what}`, signal }).catch(() => undefined)
    if (answer?.status !== 200) return undefined
    const { items } = answer.body as { readonly items: readonly { readonly value: string }[] }
    return items[0] && quantityToMilli(items[0].value) / 1_000
  }
  const isSteady = (): Promise<true> =>
    eventually(
      async () => {
        const rate = await value('services/steady/http_requests_per_second')
        // On a busy machine a client takes longer for a request than it rests.
        return rate !== undefined && rate > PER_SECOND_MAX / 20 ? true : undefined
      },
      60_000,
      'a rate that is that of the load',
    )
  const pidOf = async (role: string): Promise<number> =>
    (await cluster.status()).processes.find((one) => one.role === role)!.pid

  for (const { name, hurt } of [
    {
      name: 'the proxy is killed',
      hurt: async () => void process.kill(await pidOf('proxy'), 'SIGKILL'),
    },
    {
      name: 'the proxy stands still for a moment',
      hurt: async () => {
        const pid = await pidOf('proxy')
        process.kill(pid, 'SIGSTOP')
        stopped = pid
        setTimeout(goOn, 3_000).unref()
      },
    },
    {
      name: 'the control plane is killed',
      hurt: async () => void process.kill(await pidOf('control-plane'), 'SIGKILL'),
    },
  ])
    test(`right or missing when ${name}`, async () => {
      await isSteady()
      await hurt()
      const seen: number[] = []
      const until = performance.now() + 12_000
      while (performance.now() < until) {
        const found = await Promise.all(
          [
            'services/steady/http_requests_per_second',
            'deployments.apps/steady/http_requests_per_second',
            'services/steady/http_requests_in_flight',
            'services/steady/http_success_rate',
          ].map(value),
        )
        const [ofService, ofDeployment, inFlight, success] = found
        for (const rate of [ofService, ofDeployment])
          if (rate !== undefined) {
            assert.ok(rate >= 0 && rate <= PER_SECOND_MAX * 1.2, `${rate} requests a second`)
            seen.push(rate)
          }
        if (inFlight !== undefined) assert.ok(inFlight >= 0 && inFlight <= CLIENTS, `${inFlight} in flight`)
        if (success !== undefined) assert.ok(success >= 0 && success <= 1, `${success} of 1`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      assert.ok(seen.length > 0)
      await isSteady()
    })
})
