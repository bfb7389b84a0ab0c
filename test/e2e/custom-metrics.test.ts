import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { quantityToMilli } from '../../src/api/quantity.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { startHttpLoad } from '../harness/http-load.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls, runKubectl } from '../harness/kubectl.ts'

// examples/autoscale-requests.yaml: scaled on the traffic that the proxy counts, with nothing else installed. And a pod
// that tells of its own queue.
const all = kubectls()

const EXAMPLE = new URL('../../examples/autoscale-requests.yaml', import.meta.url).pathname
const NODE_PORT = 30_082
const CUSTOM = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default'

/** Seconds on an idle machine. */
const PATIENCE_MS = 120_000

/** Each pod has a queue of two lanes that never gets shorter, and does fifty jobs a second. */
const WORKER = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'worker' },
  spec: {
    selector: { matchLabels: { app: 'worker' } },
    template: {
      metadata: {
        labels: { app: 'worker' },
        annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102', 'prometheus.io/path': '/own' },
      },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: 'node',
            command: [
              'node',
              '-e',
              `const began = Date.now()
               require('http').createServer((request, response) => {
                 if (request.url !== '/own') return response.writeHead(404).end()
                 const jobs = Math.floor((Date.now() - began) / 20)
                 response.end('# TYPE queue_length gauge\\nqueue_length{lane="slow"} 40\\nqueue_length{lane="fast"} 5\\n' +
                   '# TYPE jobs_total counter\\njobs_total ' + jobs + '\\n')
               }).listen(9102, process.env.HOST)`,
            ],
            readinessProbe: { tcpSocket: { port: 9102 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
}

function autoscaler(name: string, target: string, maxReplicas: number, metric: object): object {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: target },
      minReplicas: 1,
      maxReplicas,
      metrics: [metric],
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    },
  }
}

if (all.length === 0) test('autoscaling on requests', { skip: KUBECTL_MISSING }, () => {})
else
  describe('autoscaling on requests', () => {
    let cluster: TestCluster
    /** On the node's own address: another cluster of this machine may have the port on 127.0.0.1. */
    let urls: readonly string[]
    const newest = all.at(-1)!
    const k = (...args: string[]): Promise<string> => kubectlOk(newest, cluster.kubeconfig, args)
    const apply = (object: object): Promise<string> =>
      kubectlOk(newest, cluster.kubeconfig, ['apply', '-f', '-'], { input: JSON.stringify(object) })
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    const raw = async (path: string): Promise<any> => JSON.parse(await k('get', '--raw', path))
    const isAt = (deployment: string, ...counts: readonly string[]): Promise<true> =>
      eventually(
        async () => {
          const ready = await k('get', 'deployment', deployment, '-o', 'jsonpath={.status.readyReplicas}')
          return counts.includes(ready) ? true : undefined
        },
        PATIENCE_MS,
        `${counts.join(' or ')} ready pods`,
      ).catch(async (error) => {
        throw new Error(`${(error as Error).message}\n${await k('describe', 'hpa')}`)
      })

    /** What `kubectl describe` tells of an autoscaler, once it tells this: its status is that of its last turn. */
    const says = (name: string, pattern: RegExp): Promise<string> =>
      eventually(
        async () => {
          const text = await k('describe', 'hpa', name)
          assert.match(text, pattern)
          return text
        },
        PATIENCE_MS,
        String(pattern),
      )

    before(async () => {
      cluster = await startTestCluster()
      const { nodes } = await cluster.status()
      urls = [`http://${nodes[0]!.address}:${NODE_PORT}/`]
      await k('apply', '-f', EXAMPLE)
      await k('rollout', 'status', 'deployment/front', '--timeout=60s')
    })
    after(async () => {
      await cluster?.destroy()
    })

    for (const kubectl of all) {
      const old = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)

      test(`the metrics APIs are found by kubectl ${kubectl.minor}, and confuse it in nothing`, async () => {
        const versions = (await old('api-versions')).split('\n')
        for (const version of [
          'custom.metrics.k8s.io/v1beta1',
          'custom.metrics.k8s.io/v1beta2',
          'external.metrics.k8s.io/v1beta1',
        ])
          assert.ok(versions.includes(version), version)
        assert.match(
          await old('api-resources', '--api-group=external.metrics.k8s.io'),
          /^http_requests_per_second +external\.metrics\.k8s\.io\/v1beta1 +true +ExternalMetricValueList$/m,
        )
        assert.match(await old('get', 'deployments,services,pods'), /^deployment\.apps\/front +1\/1/m)
        assert.match(await old('get', 'all'), /^horizontalpodautoscaler\.autoscaling\/front/m)
        assert.match(await old('describe', 'deployment', 'front'), /^Name: +front$/m)
      })

      test(`metrics are read raw with kubectl ${kubectl.minor}, and what is not there is told in an adapter's words`, async () => {
        const path = `${CUSTOM}/services/front/http_requests_per_second`
        const { items } = await eventually(async () => JSON.parse(await old('get', '--raw', path)), PATIENCE_MS)
        assert.deepEqual(items[0].describedObject, {
          kind: 'Service',
          namespace: 'default',
          name: 'front',
          apiVersion: 'v1',
        })
        const none = await runKubectl(kubectl, cluster.kubeconfig, ['get', '--raw', `${CUSTOM}/pods/*/unheard_of`])
        assert.match(
          none.stderr,
          /Error from server \(NotFound\): the server could not find the metric unheard_of for pods/,
        )
      })
    }

    test('pods are added under load and taken away when it ends', { timeout: 2 * PATIENCE_MS + 60_000 }, async () => {
      const load = startHttpLoad(urls, { clients: 40, keepAlive: true, pauseMs: 0 })
      try {
        // On a busy machine the clients themselves hold the load back.
        await isAt('front', '3', '4')
        const described = await says('front', /"http_requests_in_flight" on pods: +[1-9]/)
        assert.match(described, /"http_requests_per_second" on pods: +\d+m? \/ 600\n/)
        assert.match(described, /"http_requests_in_flight" on pods: +\d+m? \/ 10\n/)
        assert.match(described, /AbleToScale +True/)
        assert.match(
          described,
          /ScalingActive +True +ValidMetricFound .*from pods metric http_requests_(in_flight|per_second)/,
        )
        assert.match(
          described,
          /Normal +SuccessfulRescale +\S+ .*horizontal-pod-autoscaler +New size: \d; reason: pods metric http_requests_(in_flight|per_second) above target/,
        )
        // Each request takes 20 ms at least, and all of them went well.
        const [p50, success, open] = await Promise.all(
          ['http_latency_p50_seconds', 'http_success_rate', 'tcp_open_connections'].map(async (metric) => {
            const { items } = await raw(`${CUSTOM}/deployments.apps/front/${metric}`)
            return quantityToMilli(items[0].value) / 1000
          }),
        )
        assert.ok(p50! >= 0.015 && p50! < 5, String(p50))
        assert.equal(success, 1)
        assert.ok(open! > 0)
        // What the pods do is what the Service does.
        const pods = await raw(`${CUSTOM}/pods/*/http_requests_per_second?labelSelector=app%3Dfront`)
        assert.ok(pods.items.length >= 1)
        assert.match(await k('get', 'hpa', 'front'), /^front +Deployment\/front +\d+m?\/600, \d+m?\/10 +1 +4 +[1-4] /m)
      } finally {
        const { ok, failures } = await load.stop()
        assert.ok(ok > 0)
        assert.deepEqual(failures, [])
      }
      // Half a minute of patience on the way down is for a cluster that somebody works with.
      const patience = { spec: { behavior: { scaleDown: { stabilizationWindowSeconds: 0 } } } }
      await k('patch', 'hpa', 'front', '-p', JSON.stringify(patience), '--type=merge')
      await isAt('front', '1')
      const messages = await k(
        'get',
        'events',
        '--field-selector',
        'reason=SuccessfulRescale',
        '-o',
        'jsonpath={.items[*].message}',
      )
      assert.match(messages, /New size: \d; reason: All metrics below target/)
    })

    test('on the requests of a Service, as an object and from outside', {
      timeout: 2 * PATIENCE_MS + 60_000,
    }, async () => {
      await k('delete', 'hpa', 'front')
      const metric = { name: 'http_requests_per_second' }
      const target = { type: 'AverageValue', averageValue: '40' }
      const describedObject = { apiVersion: 'v1', kind: 'Service', name: 'front' }
      const load = startHttpLoad(urls, { clients: 8, keepAlive: true, pauseMs: 20 })
      try {
        await apply(autoscaler('front', 'front', 2, { type: 'Object', object: { metric, describedObject, target } }))
        await isAt('front', '2')
        await says('front', /"http_requests_per_second" on Service\/front \(target average value\): +\d+m? \/ 40\n/)
        const selector = { matchLabels: { service: 'front' } }
        await apply(
          autoscaler('front', 'front', 3, { type: 'External', external: { metric: { ...metric, selector }, target } }),
        )
        await isAt('front', '3')
        await says('front', /"http_requests_per_second" \(target average value\): +\d+m? \/ 40\n/)
      } finally {
        assert.deepEqual((await load.stop()).failures, [])
      }
      await isAt('front', '1')
    })

    test('on what pods tell of themselves', { timeout: PATIENCE_MS + 60_000 }, async () => {
      await apply(WORKER)
      await k('rollout', 'status', 'deployment/worker', '--timeout=60s')
      const value = (metric: string): Promise<number> =>
        eventually(async () => {
          const { items } = await raw(`${CUSTOM}/pods/*/${metric}`)
          return items.length === 1 ? quantityToMilli(items[0].value) / 1000 : undefined
        }, PATIENCE_MS)
      assert.equal(await value('queue_length'), 45)
      assert.equal(await value('queue_length?metricLabelSelector=lane%3Dfast'), 5)
      const perSecond = await value('jobs_per_second')
      assert.ok(perSecond > 25 && perSecond < 75, String(perSecond))
      const selector = { matchLabels: { lane: 'slow' } }
      const target = { type: 'AverageValue', averageValue: '30' }
      await apply(
        autoscaler('worker', 'worker', 3, {
          type: 'Pods',
          pods: { metric: { name: 'queue_length', selector }, target },
        }),
      )
      await isAt('worker', '3')
      await says('worker', /"queue_length" on pods: +40 \/ 30\n/)
      const external = await raw(
        '/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue_length?labelSelector=app%3Dworker,lane%3Dfast',
      )
      assert.ok(external.items.length >= 1)
      for (const { metricLabels, value: length } of external.items) {
        assert.equal(metricLabels.lane, 'fast')
        assert.equal(length, '5')
      }
      assert.match(await k('get', '--raw', '/apis/custom.metrics.k8s.io/v1beta1'), /"name":"pods\/queue_length"/)
    })
  })
