import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls } from '../harness/kubectl.ts'

// The HorizontalPodAutoscaler walkthrough of Kubernetes' documentation, step by step, with what it calls php-apache as a
// command instead of an image, and its load generator's loop with curl on the Service's address instead of its name.
const newest = kubectls().at(-1)

/** Usage is averaged and turns come every 15 s: what takes three of them on an idle machine. */
const PATIENCE_MS = 150_000

const SERVER = `
const { createServer } = require('node:http')
createServer((request, response) => {
  let x = 0.0001
  for (let i = 0; i <= 20000000; i++) x += Math.sqrt(x)
  response.end('OK!')
}).listen(8080, process.env.HOST)
`

const APPLICATION = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'php-apache' },
      spec: {
        selector: { matchLabels: { run: 'php-apache' } },
        template: {
          metadata: { labels: { run: 'php-apache' } },
          spec: {
            containers: [
              {
                name: 'php-apache',
                image: 'node',
                command: ['node', '-e', SERVER],
                ports: [{ containerPort: 8080 }],
                readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
                resources: { limits: { cpu: '500m' }, requests: { cpu: '200m' } },
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'php-apache', labels: { run: 'php-apache' } },
      spec: { ports: [{ port: 80, targetPort: 8080 }], selector: { run: 'php-apache' } },
    },
  ],
}

/** The documentation's second part: several metrics, of which a cluster without adapters knows the first alone. */
const SEVERAL_METRICS = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'php-apache' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'php-apache' },
    minReplicas: 1,
    maxReplicas: 3,
    // Five minutes of patience on the way down are for a cluster that somebody works with.
    behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    metrics: [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      {
        type: 'Pods',
        pods: { metric: { name: 'packets-per-second' }, target: { type: 'AverageValue', averageValue: '1k' } },
      },
      {
        type: 'Object',
        object: {
          metric: { name: 'requests-per-second' },
          describedObject: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main-route' },
          target: { type: 'Value', value: '10k' },
        },
      },
      {
        type: 'External',
        external: {
          metric: { name: 'queue_messages_ready', selector: { matchLabels: { queue: 'worker_tasks' } } },
          target: { type: 'AverageValue', averageValue: '30' },
        },
      },
    ],
  },
}

if (newest === undefined) test('the HorizontalPodAutoscaler walkthrough', { skip: KUBECTL_MISSING }, () => {})
else
  describe('the HorizontalPodAutoscaler walkthrough', () => {
    let cluster: TestCluster
    const k = (...args: string[]): Promise<string> => kubectlOk(newest, cluster.kubeconfig, args)
    const apply = (object: unknown): Promise<string> =>
      kubectlOk(newest, cluster.kubeconfig, ['apply', '-f', '-'], { input: JSON.stringify(object) })
    const targets = async (): Promise<string> => (await k('get', 'hpa', 'php-apache')).split('\n')[1] ?? ''
    /** The one row of `kubectl get hpa`, when it reads like `pattern`. */
    const reads = (pattern: RegExp): Promise<string> =>
      eventually(
        async () => {
          const row = await targets()
          return pattern.test(row) ? row : undefined
        },
        PATIENCE_MS,
        `an autoscaler that reads ${pattern}`,
      ).catch(async (error) => {
        throw new Error(`${(error as Error).message}\n${await k('describe', 'hpa', 'php-apache')}`)
      })
    before(async () => {
      cluster = await startTestCluster()
    })
    after(async () => {
      await cluster?.destroy()
    })

    test('run and expose the server', async () => {
      assert.match(await apply(APPLICATION), /deployment\.apps\/php-apache created\nservice\/php-apache created/)
      await k('rollout', 'status', 'deployment/php-apache', '--timeout=60s')
    })

    test('create the autoscaler; without load it is at rest', { timeout: PATIENCE_MS + 30_000 }, async () => {
      const said = await k('autoscale', 'deployment', 'php-apache', '--cpu-percent=50', '--min=1', '--max=3')
      assert.match(said, /horizontalpodautoscaler\.autoscaling\/php-apache autoscaled/)
      await reads(/^php-apache +Deployment\/php-apache +cpu: \d%\/50% +1 +3 +1 +\S+$/)
    })

    test('increase the load', { timeout: 2 * PATIENCE_MS }, async () => {
      const loop = 'while sleep 0.01; do curl -s -o /dev/null http://$PHP_APACHE_SERVICE_HOST/; done'
      await k('run', 'load-generator', '--image=busybox', '--restart=Never', '--command', '--', '/bin/sh', '-c', loop)
      await reads(/cpu: \d+%\/50% +1 +3 +3 /)
      await k('rollout', 'status', 'deployment/php-apache', '--timeout=60s')
      assert.match(await k('get', 'deployment', 'php-apache'), /php-apache +3\/3 +3 +3 /)
      assert.match(await k('get', 'hpa', 'php-apache', '-o', 'jsonpath={.status.desiredReplicas}'), /^3$/)
    })

    test('autoscale on several metrics: those that cannot be read are told, the others count', {
      timeout: PATIENCE_MS + 30_000,
    }, async () => {
      await apply(SEVERAL_METRICS)
      const described = await eventually(
        async () => {
          const text = await k('describe', 'hpa', 'php-apache')
          return /FailedGetExternalMetric|FailedGetPodsMetric|FailedGetObjectMetric/.test(text) ? text : undefined
        },
        PATIENCE_MS,
        'metrics that cannot be read are told',
      )
      assert.match(described, /"packets-per-second" on pods: +<unknown> \/ 1k/)
      assert.match(described, /"requests-per-second" on Ingress\/main-route \(target value\): +<unknown> \/ 10k/)
      assert.match(described, /"queue_messages_ready" \(target average value\): +<unknown> \/ 30/)
      assert.match(described, /resource cpu on pods +\(as a percentage of request\): +\d+% \(\d+m\) \/ 50%/)
      assert.match(described, /AbleToScale +True/)
    })

    test('stop the load', { timeout: 2 * PATIENCE_MS }, async () => {
      // With a metric that cannot be read nothing is taken away: it might be the one that wants more.
      await k('delete', 'pod', 'load-generator', '--now')
      const { metrics, ...spec } = SEVERAL_METRICS.spec
      await apply({ ...SEVERAL_METRICS, spec: { ...spec, metrics: metrics.slice(0, 1) } })
      await reads(/cpu: \d+%\/50% +1 +3 +1 /)
      assert.match(await k('get', 'deployment', 'php-apache'), /php-apache +1\/1 /)
      assert.match(
        await k('describe', 'hpa', 'php-apache'),
        /ScalingLimited +True +TooFewReplicas|ScalingLimited +False +DesiredWithinRange/,
      )
    })

    test('quantities may be written in any way', async () => {
      const quantity = (value: string): Promise<string> =>
        kubectlOk(newest, cluster.kubeconfig, ['create', '--dry-run=server', '-o', 'json', '-f', '-'], {
          input: JSON.stringify({
            ...SEVERAL_METRICS,
            metadata: { name: 'quantities' },
            spec: {
              ...SEVERAL_METRICS.spec,
              metrics: [
                {
                  type: 'Pods',
                  pods: { metric: { name: 'x' }, target: { type: 'AverageValue', averageValue: value } },
                },
              ],
            },
          }),
        })
      for (const [given, want] of [
        ['10500m', '10500m'],
        ['10.5', '10500m'],
        ['1000', '1k'],
      ] as const) {
        const { spec } = JSON.parse(await quantity(given)) as typeof SEVERAL_METRICS
        assert.equal(spec.metrics[0]?.pods?.target.averageValue, want)
      }
    })
  })
