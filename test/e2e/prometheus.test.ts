import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { dashboardQueries } from '../harness/dashboard-queries.ts'
import { eventually } from '../harness/eventually.ts'
import { startHttpLoad } from '../harness/http-load.ts'
import { KUBECTL_MISSING, type Kubectl, kubectlOk, kubectls } from '../harness/kubectl.ts'
import {
  checkConfig,
  PROMETHEUS_MISSING,
  type PrometheusServer,
  type PrometheusTarget,
  startPrometheus,
  startVictoriaMetrics,
  VICTORIA_METRICS_MISSING,
} from '../harness/prometheus-server.ts'

// A real Prometheus on a real cluster, with the example's configuration: it finds everything, and everything answers.
const EXAMPLES = new URL('../../examples/', import.meta.url).pathname
const JOBS = [
  'kube-state-metrics',
  'kubernetes-apiservers',
  'kubernetes-nodes',
  'kubernetes-nodes-cadvisor',
  'kubernetes-nodes-probes',
  'kubernetes-nodes-resource',
  'kubernetes-pods',
  'kubernetes-service-endpoints',
  'kubernetes-services',
  'wherry-proxies',
]
const OF_PEOPLE = ['kubernetes-pods', 'kubernetes-service-endpoints', 'kubernetes-services']

const SERVER = `
  const text = '# HELP my_jobs Jobs under way.\\n# TYPE my_jobs gauge\\nmy_jobs 7\\n'
  require('http').createServer((q, r) => q.url === '/stats' ? r.end(text) : r.writeHead(404).end()).listen(9100, process.env.IP)`

const PATH_AND_SCRAPE = { 'prometheus.io/scrape': 'true', 'prometheus.io/path': '/stats' }

/** A pod with series of its own, and a Service before it: scraped as a pod, as an endpoint, and through the ClusterIP. */
const ANNOTATED = [
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'worker',
      labels: { app: 'worker' },
      annotations: { ...PATH_AND_SCRAPE, 'prometheus.io/port': '9100' },
    },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: 'node',
          command: ['node', '-e', SERVER],
          env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
          resources: { requests: { cpu: '10m', memory: '32Mi' } },
        },
      ],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'worker', annotations: { ...PATH_AND_SCRAPE, 'prometheus.io/probe': 'true' } },
    spec: { selector: { app: 'worker' }, ports: [{ port: 80, targetPort: 9100 }] },
  },
]

/** Panels that are empty where all is well, or where nothing scales. */
const OF_TROUBLE = new Set(['Errors of the proxy', 'API errors', 'Autoscalers'])

/** Debian's Prometheus has been built without it. */
const KNOWS_KUBERNETES =
  PROMETHEUS_MISSING === undefined &&
  !checkConfig(`${EXAMPLES}prometheus.yml`).includes('kubernetes_sd_configs not found')

const CONFIGURATIONS = [
  { name: 'Prometheus, HTTP discovery', file: 'prometheus-http-sd.yml', start: startPrometheus, skip: undefined },
  {
    name: 'Prometheus, Kubernetes discovery',
    file: 'prometheus.yml',
    start: startPrometheus,
    skip: KNOWS_KUBERNETES
      ? undefined
      : 'this Prometheus has been built without kubernetes_sd_configs, as Debian’s is; an upstream one has it',
  },
  {
    name: 'VictoriaMetrics, Kubernetes discovery',
    file: 'prometheus.yml',
    start: startVictoriaMetrics,
    skip: VICTORIA_METRICS_MISSING,
  },
]

const all = kubectls()
const missing = all.length === 0 ? KUBECTL_MISSING : PROMETHEUS_MISSING

/** Puts an example where its relative paths lead to the cluster's files, with this cluster's API port in it. */
async function install(cluster: TestCluster, file: string): Promise<string> {
  const target = join(cluster.dataDir, file)
  copyFileSync(join(EXAMPLES, file), target)
  const { api } = await cluster.status()
  writeFileSync(target, readFileSync(target, 'utf8').replaceAll(':6443/', `:${api?.port}/`))
  return target
}

if (missing !== undefined) test('Prometheus', { skip: missing }, () => {})
else
  describe('Prometheus', () => {
    let cluster: TestCluster
    let kubectl: Kubectl
    before(async () => {
      kubectl = all[0]!
      cluster = await startTestCluster(['--nodes', '2'])
      const run = (...args: readonly string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: ANNOTATED })
      await kubectlOk(kubectl, cluster.kubeconfig, ['apply', '-f', '-'], { input })
      await run('apply', '-f', `${EXAMPLES}shop.yaml`)
      await run('-n', 'shop', 'rollout', 'status', 'deployment/front', '--timeout=60s')
      await run('wait', '--for=condition=Ready', 'pod/worker', '--timeout=60s')
    })
    after(async () => {
      await cluster?.destroy()
    })

    for (const { name, file, start, skip } of CONFIGURATIONS)
      describe(name, { skip: skip ?? false }, () => {
        let prometheus: PrometheusServer
        before(async () => {
          const config = await install(cluster, file)
          if (start === startPrometheus) assert.equal(checkConfig(config), '')
          prometheus = await start(config)
        })
        after(async () => {
          await prometheus?.close()
        })
        const value = async (expression: string): Promise<number> => {
          const [sample, ...more] = await prometheus.query(expression)
          assert.deepEqual(more, [], expression)
          assert.ok(sample !== undefined, `nothing: ${expression}`)
          return Number(sample.value[1])
        }
        const eventuallyIs = (expression: string, wanted: number): Promise<unknown> =>
          eventually(async () => {
            const found = await value(expression)
            assert.equal(found, wanted, expression)
            return true
          })

        test('finds every part of the cluster and what is annotated, and all are up', async () => {
          const targets = await eventually(async (): Promise<readonly PrometheusTarget[]> => {
            const found = await prometheus.targets()
            const down = found.filter(({ health }) => health !== 'up')
            assert.deepEqual(
              down.map(({ scrapeUrl, lastError }) => `${scrapeUrl} ${lastError}`),
              [],
            )
            assert.deepEqual([...new Set(found.map(({ labels }) => labels.job))].sort(), JOBS)
            return found
          }, 60_000)
          const count = (job: string): number => targets.filter(({ labels }) => labels.job === job).length
          assert.equal(count('kubernetes-nodes'), 2)
          assert.equal(count('wherry-proxies'), 1)
          assert.equal(count('kubernetes-apiservers'), 1)
          assert.equal(count('kubernetes-pods'), 1)
          // Only what people's own programs serve comes in clear.
          for (const { scrapeUrl, labels } of targets)
            assert.equal(scrapeUrl.startsWith('http://'), OF_PEOPLE.includes(labels.job ?? ''), scrapeUrl)
        })

        test('what objects say of themselves is true', async () => {
          await eventuallyIs('count(kube_pod_info{namespace="shop"})', 7)
          await eventuallyIs('kube_deployment_status_replicas_available{namespace="shop",deployment="front"}', 3)
          await eventuallyIs('sum(kube_node_status_condition{condition="Ready",status="true"})', 2)
          await eventuallyIs(
            'kube_pod_container_resource_requests{pod="worker",resource="memory",unit="byte"}',
            33_554_432,
          )
          await eventuallyIs('count(kube_service_info{namespace="kube-system",service="wherry-proxy"})', 1)
        })

        test('usage, the control plane’s work and a pod’s own series are there', async () => {
          await eventually(
            async () =>
              (await value('container_memory_working_set_bytes{job="kubernetes-nodes-cadvisor",pod="worker"}')) > 0 ||
              undefined,
          )
          await eventually(async () => (await value('sum(apiserver_request_total{verb="POST"})')) > 0 || undefined)
          await eventually(
            async () =>
              (await value(
                'sum(rate(process_cpu_seconds_total[1m])) by (job) > 0 and on (job) up{job="kubernetes-apiservers"}',
              )) > 0 || undefined,
          )
          await eventuallyIs('my_jobs{job="kubernetes-pods",namespace="default",pod="worker"}', 7)
          await eventuallyIs('my_jobs{job="kubernetes-services",namespace="default",service="worker"}', 7)
          await eventuallyIs('my_jobs{job="kubernetes-service-endpoints",service="worker",pod="worker"}', 7)
        })

        test('a pod that comes is found, and one that goes is let go of', async () => {
          const [pod] = ANNOTATED
          const more = JSON.stringify({ ...pod, metadata: { ...pod!.metadata, name: 'second', labels: {} } })
          await kubectlOk(kubectl, cluster.kubeconfig, ['apply', '-f', '-'], { input: more })
          await eventuallyIs('sum(my_jobs{job="kubernetes-pods"})', 14)
          await kubectlOk(kubectl, cluster.kubeconfig, ['delete', 'pod', 'second', '--wait=false'])
          await eventually(async () => {
            const pods = (await prometheus.targets()).filter(({ labels }) => labels.job === 'kubernetes-pods')
            return pods.length === 1 ? true : undefined
          })
        })
      })

    describe('the dashboard of Grafana', () => {
      let prometheus: PrometheusServer
      let load: ReturnType<typeof startHttpLoad>
      before(async () => {
        const { nodes } = await cluster.status()
        load = startHttpLoad([`http://${nodes[0]?.address}:30080/`], { clients: 2, keepAlive: true, pauseMs: 20 })
        prometheus = await startPrometheus(await install(cluster, 'prometheus-http-sd.yml'))
      })
      after(async () => {
        await load?.stop()
        await prometheus?.close()
      })

      test('asks nothing that Prometheus does not understand, and gets an answer where there is one', async () => {
        const queries = dashboardQueries(`${EXAMPLES}grafana-dashboard.json`)
        assert.ok(queries.length > 30)
        for (const { panel, expression } of queries)
          await eventually(async () => {
            const found = await prometheus.query(expression)
            assert.ok(found.length > 0 || OF_TROUBLE.has(panel), `${panel}: nothing for ${expression}`)
            return true
          }, 60_000)
      })

      test('shows the traffic that there is', async () => {
        const front = 'namespace="shop",service="front"'
        const rate = await prometheus.query(`sum(rate(wherry_http_requests_total{${front}}[40s]))`)
        assert.ok(Number(rate[0]?.value[1]) > 1)
        const pods = await prometheus.query(`count(sum by (pod) (wherry_http_requests_total{${front},pod!=""}))`)
        assert.equal(pods[0]?.value[1], '3')
        const failed = await prometheus.query(`sum(wherry_http_requests_total{${front},code="5xx"})`)
        assert.deepEqual(failed, [])
      })
    })

    test('promtool finds nothing to say about any of our series', async () => {
      const { api, nodes } = await cluster.status()
      const node = `https://${nodes[0]?.address}`
      const urls = [
        `${api?.url}/metrics`,
        `${api?.url}/metrics/state`,
        `${node}:10249/metrics`,
        ...['', '/cadvisor', '/resource', '/probes'].map((path) => `${node}:10250/metrics${path}`),
      ]
      for (const url of urls) {
        const text = await scrape(cluster, url)
        const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
          input: text,
          encoding: 'utf8',
        })
        assert.equal(`${stdout}${stderr}`, '', url)
        assert.equal(status, 0, url)
      }
    })

    test('the token of the account for a Prometheus within the cluster reads the same', async () => {
      const run = (...args: readonly string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)
      const token = (await run('-n', 'kube-system', 'create', 'token', 'prometheus')).trim()
      const other = (await run('create', 'token', 'default')).trim()
      const { api, nodes } = await cluster.status()
      const node = `https://${nodes[0]?.address}`
      for (const url of [`${api?.url}/metrics/state`, `${node}:10249/metrics`, `${node}:10250/metrics/cadvisor`]) {
        assert.equal(await statusWith(cluster, url, token), '200', url)
        assert.equal(await statusWith(cluster, url, other), '403', url)
      }
      for (const url of [
        `${node}:10249/mesh`,
        `${node}:10250/stats/summary`,
        `${node}:10250/containerLogs/default/worker/main`,
      ])
        assert.match(await statusWith(cluster, url, token), /^40[13]$/, url)
    })

    test('without a certificate nobody sees any of it', async () => {
      const { api, nodes } = await cluster.status()
      for (const url of [
        `${api?.url}/metrics/state`,
        `https://${nodes[0]?.address}:10249/metrics`,
        `https://${nodes[0]?.address}:10250/metrics`,
      ])
        assert.match(await statusWith(cluster, url), /^40[13]$/, url)
    })
  })

/** What the certificate for Prometheus gets. */
function scrape({ dataDir }: TestCluster, url: string): Promise<string> {
  const read = (file: string): Buffer => readFileSync(join(dataDir, 'pki', file))
  return new Promise((resolve, reject) => {
    const options = { ca: read('ca.crt'), cert: read('prometheus.crt'), key: read('prometheus.key'), agent: false }
    const call = request(url, options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${url}: ${response.statusCode} ${text}`)),
      )
    })
    call.on('error', reject)
    call.end()
  })
}

function statusWith({ dataDir }: TestCluster, url: string, token?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(join(dataDir, 'pki', 'ca.crt'))
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const call = request(url, { ca, headers, agent: false }, (response) => {
      response.resume()
      resolve(String(response.statusCode))
    })
    call.on('error', reject)
    call.end()
  })
}
