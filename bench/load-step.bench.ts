/**
 * A step in the load on a NodePort: until the autoscaler asks for more pods, and until a new pod answers; and what it
 * costs to watch for one. `node bench/load-step.bench.ts`
 */
import { Agent, get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, PODS, SERVICES } from '../src/api/resource-type.ts'
import type { Deployment } from '../src/api/types/apps-v1.gen.ts'
import type { HorizontalPodAutoscaler } from '../src/api/types/autoscaling-v2.gen.ts'
import type { Pod, Service } from '../src/api/types/core-v1.gen.ts'
import type { Client } from '../src/client/client.ts'
import { createClient } from '../src/client/create-client.ts'
import { createHttpTransport } from '../src/client/http-transport.ts'
import { loadKubeconfig } from '../src/client/load-kubeconfig.ts'
import type { Transport } from '../src/client/transport.ts'
import { startTestCluster, type TestCluster } from '../test/harness/cluster.ts'
import { describeMachine } from './describe-machine.ts'
import { cpuSeconds } from './process-usage.ts'

const ROUNDS = 5
const CLIENTS = 40
const REST_SECONDS = 15
const WITHIN_MS = 60_000
const NODE_PORT = 31_200
const REF = { namespace: 'default', name: 'step' }
/** Answers after 20 ms, with the name of the pod. */
const SERVER = `require('http').createServer((q, r) => setTimeout(() => r.end(process.env.HOSTNAME), 20)).listen(8080, process.env.HOST)`

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits))
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

const DEPLOYMENT = {
  metadata: REF,
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'step' } },
    template: {
      metadata: { labels: { app: 'step' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'web',
            image: 'node',
            command: ['node', '-e', SERVER],
            ports: [{ containerPort: 8080 }],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
} as Deployment

const SERVICE = {
  metadata: REF,
  spec: {
    type: 'NodePort',
    selector: { app: 'step' },
    ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: NODE_PORT }],
  },
} as Service

function autoscaler(metric: string, averageValue: string): HorizontalPodAutoscaler {
  return {
    metadata: REF,
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: REF.name },
      minReplicas: 1,
      maxReplicas: 4,
      metrics: [{ type: 'Pods', pods: { metric: { name: metric }, target: { type: 'AverageValue', averageValue } } }],
    },
  } as HorizontalPodAutoscaler
}

/** Requests from so many clients until stopped; the time of the first answer of each pod. */
function startLoad(url: string): { readonly firstMs: ReadonlyMap<string, number>; stop(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const firstMs = new Map<string, number>()
  let stopped = false
  const ask = (): void => {
    if (stopped) return
    const request = get(url, { agent }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
      })
      response.on('end', () => {
        if (response.statusCode === 200 && !firstMs.has(body)) firstMs.set(body, performance.now())
        ask()
      })
    })
    request.on('error', () => setTimeout(ask, 10))
  }
  for (let i = 0; i < CLIENTS; i++) ask()
  return {
    firstMs,
    stop() {
      stopped = true
      agent.destroy()
    },
  }
}

async function until<T>(probe: () => Promise<T | undefined>, what: string): Promise<T> {
  const began = performance.now()
  while (performance.now() - began < WITHIN_MS) {
    const found = await probe()
    if (found !== undefined) return found
    await pause(20)
  }
  throw new Error(`${what} did not come within ${WITHIN_MS} ms`)
}

async function settle(client: Client): Promise<void> {
  await client.patch(DEPLOYMENTS, REF, { spec: { replicas: 1 } })
  await until(async () => {
    const { items } = await client.list<Pod>(PODS, { namespace: 'default', labelSelector: 'app=step' })
    const isReady = items[0]?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
    return items.length === 1 && isReady === true ? true : undefined
  }, 'one pod')
}

/** The last step is over once its load is no longer seen. */
async function quiet(transport: Transport, metric: string): Promise<void> {
  const path = `/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/${metric}`
  await until(async () => {
    const { body } = await transport.request({ method: 'GET', path })
    const { items = [] } = body as { readonly items?: readonly { readonly value: string }[] }
    return items.length === 1 && items[0]?.value === '0' ? true : undefined
  }, 'silence')
}

async function step(
  client: Client,
  transport: Transport,
  url: string,
  metric: string,
  target: string,
): Promise<readonly [number, number]> {
  await settle(client)
  await quiet(transport, metric)
  await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(metric, target))
  try {
    await until(async () => {
      const { status } = await client.get(HORIZONTAL_POD_AUTOSCALERS, REF)
      return status?.currentMetrics?.[0]?.pods === undefined ? undefined : true
    }, 'a first reading')
    // A step comes at any time between two looks at the traffic.
    await pause(2_000 + Math.random() * 2_000)
    const began = performance.now()
    const load = startLoad(url)
    try {
      const desiredMs = await until(async () => {
        const { spec } = await client.get(DEPLOYMENTS, REF)
        return (spec?.replicas ?? 1) > 1 ? performance.now() - began : undefined
      }, 'a larger size')
      const [, second] = await until(
        async () => (load.firstMs.size > 1 ? [...load.firstMs.values()].sort((a, b) => a - b) : undefined),
        'an answer of a new pod',
      )
      return [desiredMs, second! - began]
    } finally {
      load.stop()
    }
  } finally {
    await client.delete(HORIZONTAL_POD_AUTOSCALERS, REF)
  }
}

async function measureSteps(client: Client, transport: Transport, url: string): Promise<void> {
  const rows: object[] = []
  // 40 clients at 20 ms are 2,000 requests a second at most, and 40 in flight.
  for (const [metric, target] of [
    ['http_requests_per_second', '500'],
    ['http_requests_in_flight', '10'],
  ] as const) {
    const desired: number[] = []
    const serving: number[] = []
    for (let i = 0; i < ROUNDS; i++) {
      const [desiredMs, servingMs] = await step(client, transport, url, metric, target)
      desired.push(desiredMs / 1_000)
      serving.push(servingMs / 1_000)
    }
    rows.push({
      metric,
      'more pods desired, median s': rounded(median(desired)),
      'maximum s': rounded(Math.max(...desired)),
      'goal s': 3,
      'a new pod answers, median s': rounded(median(serving)),
      ' maximum s': rounded(Math.max(...serving)),
    })
  }
  console.table(rows)
}

/** CPU of all processes, in per cent of a core. */
async function restingCpu(cluster: TestCluster): Promise<number> {
  const { processes } = await cluster.status()
  const total = (): number => processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
  const before = total()
  await pause(REST_SECONDS * 1_000)
  return ((total() - before) / REST_SECONDS) * 100
}

/** What watching for a step costs while nothing goes on. */
async function measureRest(cluster: TestCluster, client: Client): Promise<void> {
  await settle(client)
  await pause(65_000)
  const without = await restingCpu(cluster)
  await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler('http_requests_per_second', '500'))
  await pause(3_000)
  const watching = await restingCpu(cluster)
  await client.delete(HORIZONTAL_POD_AUTOSCALERS, REF)
  console.table([
    { 'at rest': 'no autoscaler', 'CPU % of a core': rounded(without) },
    { 'at rest': 'an autoscaler on requests, glancing every second', 'CPU % of a core': rounded(watching) },
  ])
}

export async function run(): Promise<void> {
  process.stdout.write(`load step: from more requests to more pods; ${describeMachine()}\n`)
  const cluster = await startTestCluster()
  const transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
  try {
    const client = createClient(transport)
    await client.create(SERVICES, SERVICE)
    await client.create(DEPLOYMENTS, DEPLOYMENT)
    const { nodes } = await cluster.status()
    await measureSteps(client, transport, `http://${nodes[0]!.address}:${NODE_PORT}/`)
    await measureRest(cluster, client)
  } finally {
    await transport.close()
    await cluster.destroy()
  }
}

if (import.meta.main) await run()
