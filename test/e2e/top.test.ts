import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls, runKubectl } from '../harness/kubectl.ts'

// `kubectl top` as people type it, on pods that are known to burn a core and to do nothing.
const all = kubectls()

function pod(name: string, scripts: Readonly<Record<string, string>>): object {
  const containers = Object.entries(scripts).map(([container, script]) => ({
    name: container,
    image: 'node',
    command: ['node', '-e', script],
  }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { kind: name } },
    spec: { terminationGracePeriodSeconds: 1, containers },
  }
}

const IDLE = 'setInterval(() => {}, 60000)'
const BURN = 'for (;;);'
/** Uses 300 ms of CPU in each second, whatever else the machine does: a whole core is more than it may get. */
const PACED = `
  let owed = 0, last = performance.now()
  setInterval(() => {
    const now = performance.now(); owed += (now - last) * 0.3; last = now
    const start = process.cpuUsage()
    while (owed > 0) { const used = process.cpuUsage(start); if ((used.user + used.system) / 1000 >= owed) { owed = 0 } }
  }, 50)`

/** `NAME … 301m … 45Mi`: the columns by head. */
function rows(text: string): readonly Readonly<Record<string, string>>[] {
  const [head = '', ...lines] = text.trimEnd().split('\n')
  const names = head.trim().split(/\s+/)
  return lines.map((line) =>
    Object.fromEntries(
      line
        .trim()
        .split(/\s+/)
        .map((cell, i) => [names[i]!, cell]),
    ),
  )
}

function milli(cpu: string | undefined): number {
  assert.match(cpu ?? '', /^\d+m$/)
  return Number.parseInt(cpu!, 10)
}

if (all.length === 0) test('kubectl top', { skip: KUBECTL_MISSING }, () => {})
else
  describe('kubectl top', () => {
    let cluster: TestCluster
    before(async () => {
      cluster = await startTestCluster(['--nodes', '2'])
      const kubectl = all[0]!
      const items = [
        pod('burner', { main: BURN, sidecar: IDLE }),
        pod('paced', { main: PACED }),
        pod('idle', { main: IDLE }),
      ]
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
      await kubectlOk(kubectl, cluster.kubeconfig, ['apply', '-f', '-'], { input })
      await kubectlOk(kubectl, cluster.kubeconfig, [
        'wait',
        '--for=condition=Ready',
        'pod/burner',
        'pod/paced',
        'pod/idle',
      ])
    })
    after(async () => {
      await cluster?.destroy()
    })

    for (const kubectl of all) {
      const k = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)

      test(`pods with kubectl ${kubectl.minor}: the burning one beside the idle one`, async () => {
        const pods = await eventually(
          async () => {
            const found = rows(await k('top', 'pods'))
            const cpu = (of: string): number => milli(found.find(({ NAME }) => NAME === of)?.['CPU(cores)'])
            // A whole core, as far as the machine has one left; and three tenths of one, which it always has.
            const burns = cpu('burner') >= 500 && cpu('burner') <= 1_100
            return burns && cpu('paced') >= 200 && cpu('paced') <= 450 && found.length === 3 ? found : undefined
          },
          60_000,
          'the usage of all pods',
        )
        assert.deepEqual(pods.map(({ NAME }) => NAME).sort(), ['burner', 'idle', 'paced'])
        const idle = pods.find(({ NAME }) => NAME === 'idle')!
        assert.ok(milli(idle['CPU(cores)']) < 100, idle['CPU(cores)'])
        assert.match(idle['MEMORY(bytes)']!, /^[1-9]\d*Mi$/)
      })

      test(`containers with kubectl ${kubectl.minor}`, async () => {
        const containers = await eventually(async () => {
          const found = rows(await k('top', 'pods', '--containers'))
          return found.length === 4 ? found : undefined
        }, 60_000)
        const cpu = (of: string): number =>
          milli(containers.find(({ POD, NAME }) => `${POD}/${NAME}` === of)?.['CPU(cores)'])
        assert.ok(cpu('burner/main') > cpu('burner/sidecar') && cpu('burner/main') > cpu('idle/main'))
      })

      test(`selectors, sorting, sums, all namespaces and one pod with kubectl ${kubectl.minor}`, async () => {
        assert.deepEqual(
          rows(await k('top', 'pods', '-l', 'kind=idle')).map(({ NAME }) => NAME),
          ['idle'],
        )
        assert.equal(rows(await k('top', 'pods', '--sort-by=cpu'))[0]?.NAME, 'burner')
        assert.match(await k('top', 'pods', '--sum'), /^ +_+ +_+ *$/m)
        assert.equal(rows(await k('top', 'pods', '-A')).filter(({ NAMESPACE }) => NAMESPACE === 'default').length, 3)
        assert.deepEqual(
          rows(await k('top', 'pod', 'idle')).map(({ NAME }) => NAME),
          ['idle'],
        )
        const missing = await runKubectl(kubectl, cluster.kubeconfig, ['top', 'pod', 'nobody'])
        assert.match(missing.stderr, /Error from server \(NotFound\): pods(\.metrics\.k8s\.io)? "nobody" not found/)
      })

      test(`nodes with kubectl ${kubectl.minor}`, async () => {
        const nodes = rows(await k('top', 'nodes'))
        assert.deepEqual(nodes.map(({ NAME }) => NAME).sort(), ['wherry-1', 'wherry-2'])
        for (const node of nodes) {
          assert.ok(milli(node['CPU(cores)']) >= 100, 'the burner alone uses more')
          assert.match(Object.values(node)[2]!, /^\d+%$/)
          assert.match(node['MEMORY(bytes)']!, /^[1-9]\d*Mi$/)
        }
      })

      test(`get, describe and raw reading with kubectl ${kubectl.minor}`, async () => {
        assert.match(await k('get', 'podmetrics', 'idle'), /^NAME +CPU +MEMORY +WINDOW\nidle +\S+ +\S+ +\S+s\n$/)
        assert.match(await k('get', 'nodemetrics'), /^wherry-1 +\d+\S* +\d+\S* +\S+s$/m)
        assert.match(await k('get', 'pods'), /^NAME +READY +STATUS/)
        assert.match(await k('describe', 'podmetrics', 'burner'), /Cpu: +\d+n/)
        assert.match(await k('explain', 'podmetrics.containers'), /usage/)
        assert.match(
          await k('api-resources', '--api-group=metrics.k8s.io'),
          /^pods +metrics\.k8s\.io\/v1beta1 +true +PodMetrics$/m,
        )
        const list = JSON.parse(await k('get', '--raw', '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods'))
        assert.equal(list.kind, 'PodMetricsList')
        assert.equal(list.items.length, 3)
        const summary = JSON.parse(await k('get', '--raw', '/api/v1/nodes/wherry-1/proxy/stats/summary'))
        assert.equal(summary.node.nodeName, 'wherry-1')
        for (const document of ['metrics', 'metrics/resource', 'metrics/probes', 'metrics/cadvisor'])
          assert.match(await k('get', '--raw', `/api/v1/nodes/wherry-1/proxy/${document}`), /^# TYPE /m)
        const own = await k('get', '--raw', '/metrics')
        assert.match(own, /^apiserver_request_total\{verb="LIST",.*code="200"\} \d+$/m)
        assert.match(own, /^workqueue_adds_total\{name="deployment[^"]*"\} \d+$/m)
      })
    }
  })
