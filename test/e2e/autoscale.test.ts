import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { startHttpLoad } from '../harness/http-load.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls } from '../harness/kubectl.ts'

// The walk through examples/autoscale.yaml: a Deployment, `kubectl autoscale`, load, and its end.
const all = kubectls()

const EXAMPLE = new URL('../../examples/autoscale.yaml', import.meta.url).pathname

/** Usage is averaged, starts are waited for, and turns come every 15 s: what takes three of them on an idle machine. */
const PATIENCE_MS = 150_000

if (all.length === 0) test('kubectl autoscale', { skip: KUBECTL_MISSING }, () => {})
else
  describe('kubectl autoscale', () => {
    let cluster: TestCluster
    const newest = all.at(-1)!
    const k = (...args: string[]): Promise<string> => kubectlOk(newest, cluster.kubeconfig, args)
    before(async () => {
      cluster = await startTestCluster()
      await k('apply', '-f', EXAMPLE)
      await k('create', 'deployment', 'idle', '--image=node', '--replicas=0')
      await k('rollout', 'status', 'deployment/work', '--timeout=60s')
    })
    after(async () => {
      await cluster?.destroy()
    })

    for (const kubectl of all)
      test(`is understood from kubectl ${kubectl.minor}, and shown in both versions`, async () => {
        const old = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)
        const said = await old(
          'autoscale',
          'deployment',
          'idle',
          '--cpu-percent=50',
          '--min=1',
          '--max=3',
          '--name=first',
        )
        assert.match(said, /horizontalpodautoscaler\.autoscaling\/first autoscaled/)
        const [head = '', row = ''] = (await old('get', 'hpa')).split('\n')
        assert.match(head, /^NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE$/)
        assert.match(row, /^first +Deployment\/idle +cpu: <unknown>\/50% +1 +3 +0 +\d+s$/)
        const first = JSON.parse(await old('get', 'horizontalpodautoscalers.v1.autoscaling', 'first', '-o', 'json'))
        assert.equal(first.spec.targetCPUUtilizationPercentage, 50)
        const second = JSON.parse(await old('get', 'horizontalpodautoscalers.v2.autoscaling', 'first', '-o', 'json'))
        assert.equal(second.spec.metrics[0].resource.target.averageUtilization, 50)
        assert.match(await old('get', 'all'), /horizontalpodautoscaler\.autoscaling\/first/)
        await old('delete', 'hpa', 'first')
      })

    test('adds pods under load and takes them away when it ends', { timeout: 2 * PATIENCE_MS + 60_000 }, async () => {
      await k('autoscale', 'deployment', 'work', '--cpu-percent=50', '--min=1', '--max=3')
      // Five minutes of patience on the way down are for a cluster that somebody works with.
      const patience = { spec: { behavior: { scaleDown: { stabilizationWindowSeconds: 0 } } } }
      await k('patch', 'hpa', 'work', '-p', JSON.stringify(patience), '--type=merge')
      const replicas = async (): Promise<string> =>
        k('get', 'deployment', 'work', '-o', 'jsonpath={.status.readyReplicas}')
      const isAt = (count: string) =>
        eventually(async () => ((await replicas()) === count ? true : undefined), PATIENCE_MS, `${count} ready pods`)

      // 20 ms of CPU every 100 ms: twice what one pod requests.
      const load = startHttpLoad(['http://127.0.0.1:30081/'], { clients: 1, keepAlive: false, pauseMs: 80 })
      try {
        await isAt('3').catch(async (error) => {
          throw new Error(`${(error as Error).message}\n${await k('describe', 'hpa', 'work')}`)
        })
        const described = await k('describe', 'hpa', 'work')
        assert.match(described, /resource cpu on pods +\(as a percentage of request\): +\d+% \(\d+m\) \/ 50%/)
        assert.match(described, /Min replicas: +1\n/)
        assert.match(described, /ScalingActive +True +ValidMetricFound/)
        assert.match(
          described,
          /Normal +SuccessfulRescale +\S+ .*horizontal-pod-autoscaler +New size: \d; reason: cpu resource utilization \(percentage of request\) above target/,
        )
      } finally {
        const { ok, failures } = await load.stop()
        assert.ok(ok > 0)
        assert.deepEqual(failures, [])
      }
      await isAt('1')
      const events = await k(
        'get',
        'events',
        '--field-selector',
        'reason=SuccessfulRescale',
        '-o',
        'jsonpath={.items[*].message}',
      )
      assert.match(events, /New size: \d; reason: All metrics below target/)
    })
  })
