import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { quantityToMilli } from '../../src/api/quantity.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { KUBECTL_MISSING, type Kubectl, kubectlOk, kubectls, runKubectl } from '../harness/kubectl.ts'

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
/** Takes all of a core that it can get, and writes down how much that was: milliseconds since the epoch, microseconds of CPU. */
const BURN = `
  for (let next = 0; ;) {
    const now = Date.now()
    if (now < next) continue
    next = now + 200
    const { user, system } = process.cpuUsage()
    console.log(now, user + system)
  }`

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
      const items = [pod('burner', { main: BURN, sidecar: IDLE }), pod('idle', { main: IDLE })]
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
      await kubectlOk(kubectl, cluster.kubeconfig, ['apply', '-f', '-'], { input })
      await kubectlOk(kubectl, cluster.kubeconfig, ['wait', '--for=condition=Ready', 'pod/burner', 'pod/idle'])
    })
    after(async () => {
      await cluster?.destroy()
    })

    /**
     * What the API says of the burner, and how far that is from what the burner itself wrote down for the same window;
     * thousandths of a core.
     */
    const measuredAndOwn = async (
      kubectl: Kubectl,
    ): Promise<{ readonly at: number; readonly apart: number; readonly own: number }> => {
      const path = '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/burner'
      const text = await kubectlOk(kubectl, cluster.kubeconfig, ['get', '--raw', path])
      const { timestamp, window, containers } = JSON.parse(text)
      const { usage } = containers.find(({ name }: { readonly name: string }) => name === 'main')
      const log = await kubectlOk(kubectl, cluster.kubeconfig, ['logs', 'burner', '-c', 'main', '--tail=1000'])
      const lines = log
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ').map(Number))
      // Timestamps are whole seconds, cut off.
      const end = Date.parse(timestamp) + 500
      const start = end - Number.parseFloat(window) * 1000
      const [first, last] = [start, end].map((ms) =>
        lines.reduce((best, line) => (Math.abs(line[0]! - ms) < Math.abs(best[0]! - ms) ? line : best)),
      )
      const own = (last![1]! - first![1]!) / (last![0]! - first![0]!)
      return { at: Date.parse(timestamp), apart: Math.abs(quantityToMilli(usage.cpu) - own), own }
    }

    for (const kubectl of all) {
      const k = (...args: string[]): Promise<string> => kubectlOk(kubectl, cluster.kubeconfig, args)

      test(`pods with kubectl ${kubectl.minor}: the burning one beside the idle one`, async () => {
        const pods = await eventually(
          async () => {
            const { apart, own } = await measuredAndOwn(kubectl)
            const found = rows(await k('top', 'pods'))
            const shown = milli(found.find(({ NAME }) => NAME === 'burner')?.['CPU(cores)'])
            // A whole core where the machine has one left: then no more than that, and not much less.
            const isNear = Math.abs(shown - own) <= 60 + own * 0.3 && shown <= 1_100
            return apart <= 60 + own * 0.3 && isNear ? found : undefined
          },
          60_000,
          'that what is shown is what the pod itself has counted',
        )
        assert.deepEqual(pods.map(({ NAME }) => NAME).sort(), ['burner', 'idle'])
        const idle = pods.find(({ NAME }) => NAME === 'idle')!
        assert.ok(milli(idle['CPU(cores)']) < 100, idle['CPU(cores)'])
        assert.match(idle['MEMORY(bytes)']!, /^[1-9]\d*Mi$/)
      })

      test(`containers with kubectl ${kubectl.minor}`, async () => {
        const containers = await eventually(async () => {
          const found = rows(await k('top', 'pods', '--containers'))
          return found.length === 3 ? found : undefined
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
        assert.equal(rows(await k('top', 'pods', '-A')).filter(({ NAMESPACE }) => NAMESPACE === 'default').length, 2)
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
        assert.equal(list.items.length, 2)
        const summary = JSON.parse(await k('get', '--raw', '/api/v1/nodes/wherry-1/proxy/stats/summary'))
        assert.equal(summary.node.nodeName, 'wherry-1')
        for (const document of ['metrics', 'metrics/resource', 'metrics/probes', 'metrics/cadvisor'])
          assert.match(await k('get', '--raw', `/api/v1/nodes/wherry-1/proxy/${document}`), /^# TYPE /m)
        const own = await k('get', '--raw', '/metrics')
        assert.match(own, /^apiserver_request_total\{verb="LIST",.*code="200"\} \d+$/m)
        assert.match(own, /^workqueue_adds_total\{name="deployment[^"]*"\} \d+$/m)
      })
    }

    test('after an agent was killed, usage goes on from where it was', async () => {
      const kubectl = all.at(-1)!
      await measuredAndOwn(kubectl)
      const { processes } = await cluster.status()
      const killed = Date.now()
      process.kill(processes.find(({ role }) => role === 'agent')!.pid, 'SIGKILL')
      // The counter is that of the processes, which run on: no leap and no hole.
      await eventually(
        async () => {
          const { at, apart, own } = await measuredAndOwn(kubectl)
          return at > killed + 1_000 && apart <= 60 + own * 0.3 ? true : undefined
        },
        60_000,
        'a true sample of the next agent',
      )
    })
  })
