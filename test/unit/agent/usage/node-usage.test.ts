import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { UsageSampler } from '../../../../src/agent/usage/usage-sampler.ts'
import type { ContainerUsage } from '../../../../src/agent/usage/usage-source.ts'
import { PODS } from '../../../../src/api/resource-type.ts'
import type { StatsSummary } from '../../../../src/api/stats-summary.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { VirtualClock } from '../../../../src/base/virtual-clock.ts'
import { eventually } from '../../../harness/eventually.ts'
import { isReady, isRunning, nodeContainer, startTestNode, type TestNode } from '../agent-fixture.ts'

const SLEEP = 'setInterval(() => {}, 1000)'
/** Burns 300 ms of CPU in a child that it waits for; ready once that is over. */
const CHILD_BURNS = `
  require('child_process').execFileSync(process.execPath, ['-e', 'const t = process.cpuUsage(); for (;;) { const u = process.cpuUsage(t); if (u.user + u.system > 300000) break }'])
  require('fs').writeFileSync('burnt', ''); ${SLEEP}`

async function read(node: TestNode, path: string): Promise<string> {
  return (await node.documents.read(path)!).text
}

async function summary(node: TestNode): Promise<StatsSummary> {
  return JSON.parse(await read(node, '/stats/summary'))
}

function value(text: string, series: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  assert.ok(line !== undefined, `no ${series} in:\n${text}`)
  return Number(line.slice(series.length + 1))
}

test('what a pod uses, children included, is told in the summary and as series', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('burner', {
    containers: [
      nodeContainer(CHILD_BURNS, { readinessProbe: { exec: { command: ['test', '-e', 'burnt'] }, periodSeconds: 1 } }),
      nodeContainer(SLEEP, { name: 'idle' }),
    ],
  })
  const { metadata } = await node.until('burner', isReady, 'ready')
  const before = await summary(node)
  const pod = before.pods.find(({ podRef }) => podRef.name === 'burner')!
  assert.deepEqual(pod.podRef, { name: 'burner', namespace: 'default', uid: metadata!.uid })
  assert.deepEqual(pod.containers.map(({ name }) => name).sort(), ['idle', 'main'])
  const main = pod.containers.find(({ name }) => name === 'main')!
  assert.ok(main.cpu!.usageCoreNanoSeconds! >= 3e8, 'the child burnt 300 ms, and its parent has waited for it')
  assert.ok(main.memory!.workingSetBytes! > 10e6 && main.memory!.workingSetBytes! < 500e6)
  assert.ok(main.memory!.rssBytes! <= main.memory!.workingSetBytes!)
  const total = pod.containers.reduce((sum, { cpu }) => sum + cpu!.usageCoreNanoSeconds!, 0)
  assert.equal(pod.cpu!.usageCoreNanoSeconds, total)
  assert.ok(before.node.cpu!.usageCoreNanoSeconds! > total)
  assert.ok(before.node.memory!.workingSetBytes! > pod.memory!.workingSetBytes!)

  const text = await read(node, '/metrics/resource')
  const labels = '{container="main",namespace="default",pod="burner"}'
  assert.ok(value(text, `container_cpu_usage_seconds_total${labels}`) >= 0.3)
  assert.ok(value(text, `container_memory_working_set_bytes${labels}`) > 10e6)
  assert.ok(Math.abs(value(text, `container_start_time_seconds${labels}`) - Date.now() / 1000) < 120)
  assert.ok(value(text, 'pod_cpu_usage_seconds_total{namespace="default",pod="burner"}') >= 0.3)
  assert.ok(value(text, 'pod_memory_working_set_bytes{namespace="default",pod="burner"}') > 20e6)
  assert.ok(value(text, 'node_cpu_usage_seconds_total') > 0)
  assert.ok(value(text, 'node_memory_working_set_bytes') > 0)
  assert.equal(value(text, 'resource_scrape_error'), 0)

  const own = await read(node, '/metrics')
  assert.equal(value(own, 'kubelet_running_pods'), 1)
  assert.equal(value(own, 'kubelet_running_containers{container_state="running"}'), 2)
  assert.equal(value(own, 'kubelet_node_name{node="n1"}'), 1)
  assert.ok(value(own, 'process_resident_memory_bytes') > 0)
  const cadvisor = await read(node, '/metrics/cadvisor')
  assert.match(
    cadvisor,
    /^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="burner",id=.*cpu="total"\} /m,
  )
  const probes = await read(node, '/metrics/probes')
  assert.match(
    probes,
    /prober_probe_total\{container="main",namespace="default",pod="burner",pod_uid="[^"]+",probe_type="Readiness",result="successful"\} \d/,
  )
  assert.equal(node.documents.read('/metrics/../metrics'), undefined)
  assert.equal(node.documents.read('/constructor'), undefined)

  await node.client.delete(PODS, { namespace: 'default', name: 'burner' })
  await node.untilGone('burner')
  assert.doesNotMatch(await read(node, '/metrics/probes'), /burner/)
  assert.deepEqual((await summary(node)).pods, [])
})

test('a pod that is over is neither running nor measured', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('done', { restartPolicy: 'Never', containers: [nodeContainer('')] })
  await node.until('done', (pod) => pod.status?.phase === 'Succeeded', 'over')
  const own = await read(node, '/metrics')
  assert.equal(value(own, 'kubelet_running_pods'), 0)
  assert.equal(value(own, 'kubelet_running_containers{container_state="exited"}'), 1)
  assert.deepEqual((await summary(node)).pods, [])
  assert.doesNotMatch(await read(node, '/metrics/resource'), /container="main"/)
})

test('the counter of a container goes on over its restarts', async (t) => {
  const node = await startTestNode(t)
  // Burns, is looked at, and leaves when the test says so.
  const script = `
    const t = process.cpuUsage(); while (process.cpuUsage(t).user < 100000);
    require('fs').writeFileSync(process.env.MARKS + '/' + process.pid, '')
    setInterval(() => { if (require('fs').existsSync(process.env.MARKS + '/go')) process.exit(1) }, 20)`
  const marks = mkdtempSync(join(tmpdir(), 'wherry-usage-'))
  t.after(() => rmSync(marks, { recursive: true, force: true }))
  await node.createPod('phoenix', { containers: [nodeContainer(script, { env: [{ name: 'MARKS', value: marks }] })] })
  await node.until('phoenix', isRunning, 'running')
  const counter = async (): Promise<number | undefined> =>
    (await summary(node)).pods[0]?.containers[0]?.cpu?.usageCoreNanoSeconds
  await eventually(() => (readdirSync(marks).length === 1 ? true : undefined), 20_000, 'the first mark')
  const first = await eventually(async () => {
    const now = await counter()
    return now !== undefined && now >= 1e8 ? now : undefined
  }, 10_000)
  writeFileSync(`${marks}/go`, '')
  await node.until('phoenix', (pod) => (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1, 'restarted')
  rmSync(`${marks}/go`)
  await eventually(() => (readdirSync(marks).length >= 2 ? true : undefined), 30_000, 'the second mark')
  const second = await eventually(async () => {
    const now = await counter()
    return now !== undefined && now > first ? now : undefined
  }, 20_000)
  assert.ok(second >= first + 1e8 - 2e7, `${second} after ${first}`)
})

test('one pass serves all who ask within a second, and an idle sampler does nothing', async () => {
  const clock = new VirtualClock()
  let passes = 0
  const machine = {
    cpuNanoseconds: 0,
    bootedAtMs: 0,
    memory: { capacityBytes: 0, usageBytes: 0, workingSetBytes: 0, rssBytes: 0 },
  }
  const source = {
    async read(): Promise<ReadonlyMap<string, ContainerUsage>> {
      passes += 1
      return new Map()
    },
  }
  const sampler = new UsageSampler(source, clock, silentLogger, () => machine)
  await Promise.all([sampler.current(), sampler.current(), sampler.current()])
  await sampler.current()
  assert.equal(passes, 1)
  await clock.advance(60_000)
  const whileAsked = passes
  assert.ok(whileAsked >= 4 && whileAsked <= 6, `${whileAsked} passes in the minute after a question`)
  await clock.advance(3_600_000)
  assert.ok(passes - whileAsked <= 1, 'nobody asks')
  const { earlier } = await sampler.current()
  assert.equal(earlier, undefined, 'no rate over the hour in which nobody looked')
  sampler.close()
})
