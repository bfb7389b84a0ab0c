import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { identifyProcess, isAlive } from '../../src/base/process-identity.ts'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { runWherry } from '../harness/wherry.ts'

let cluster: TestCluster
before(async () => {
  cluster = await startTestCluster(['--nodes', '2'])
})
after(async () => {
  await cluster.destroy()
})

test('up prints what it chose, one line a phase, the kubeconfig and the addresses', async () => {
  const output = cluster.output()
  for (const word of ['sqlite', 'process', 'userspace', 'Ready in', cluster.kubeconfig, 'https://127.0.0.1:']) {
    assert.ok(output.includes(word), `${word} is missing in:\n${output}`)
  }
  assert.match(output, /✓ .+\d+ ms/)
  assert.equal(statSync(cluster.kubeconfig).mode & 0o077, 0, 'the kubeconfig is for its owner only')
})

test('status -o json gives every address', async () => {
  const status = await cluster.status()
  assert.equal(status.running, true)
  assert.equal(status.ready, true)
  assert.equal(status.nodes.length, 2)
  assert.deepEqual(
    status.processes.map((p) => p.alive),
    [true, true, true, true],
  )
  assert.ok(status.api !== undefined && status.api.port > 0)
})

test('a second start on the same data directory is refused in one sentence', async () => {
  const { code, stderr } = await runWherry(['up', '--data-dir', cluster.dataDir])
  assert.equal(code, 1)
  assert.match(stderr, /^wherry: a cluster already runs on .+ \(process \d+\)\n {2}stop it first/)
})

test('a taken API port is refused in one sentence', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => blocker.once('listening', resolve))
  const { port } = blocker.address() as { port: number }
  const dataDir = mkdtempSync(join(tmpdir(), 'wherry-e2e-'))
  try {
    const { code, stderr } = await runWherry(['up', '--data-dir', dataDir, '--api-port', String(port)])
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^wherry: port ${port} on 127.0.0.1 is taken`))
  } finally {
    blocker.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
})

test('a data directory that cannot be used is named', async () => {
  for (const directory of ['/proc/nowhere', import.meta.filename, join(import.meta.filename, 'below')]) {
    const { code, stderr } = await runWherry(['up', '--data-dir', directory])
    assert.equal(code, 1)
    assert.ok(stderr.startsWith(`wherry: the data directory ${directory} cannot be used: `), stderr)
  }
})

test('unknown flags and bad values get a sentence and the way to help', async () => {
  const bad = await runWherry(['up', '--nodes', '0'])
  assert.notEqual(bad.code, 0)
  assert.match(bad.stderr, /expected a whole number from 1 to/)
  const help = await runWherry(['up', '--help'])
  assert.equal(help.code, 0)
  assert.match(help.stdout, /Examples:/)
})

test('a killed child comes back by itself', async () => {
  const proxy = (await cluster.status()).processes.find((p) => p.role === 'proxy')!
  process.kill(proxy.pid, 'SIGKILL')
  await eventually(
    async () => {
      const now = await cluster.status()
      const next = now.processes.find((p) => p.role === 'proxy')!
      return now.ready && next.pid !== proxy.pid && next.alive ? true : undefined
    },
    20_000,
    'the proxy',
  )
})

test('after kill -9 of the supervisor its children end, and the next start goes on', async () => {
  const before = await cluster.status()
  const children = before.processes.map((p) => identifyProcess(p.pid)!)
  await cluster.kill()
  await eventually(() => (children.some(isAlive) ? undefined : true), 10_000, 'the end of the children')
  await cluster.restart()
  const again = await cluster.status()
  assert.deepEqual(again.nodes, before.nodes)
  assert.equal(again.api?.port, before.api?.port, 'the kubeconfig stays good')
})

test('Ctrl-C stops everything within seconds', async () => {
  const { processes } = await cluster.status()
  const children = processes.map((p) => identifyProcess(p.pid)!)
  assert.equal(await cluster.interrupt(), 0)
  assert.deepEqual(children.filter(isAlive), [])
  assert.equal((await cluster.status()).running, false)
})
