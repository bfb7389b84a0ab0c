import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster } from '../harness/cluster.ts'
import { eventually } from '../harness/eventually.ts'
import { type LoadReport, startHttpLoad } from '../harness/http-load.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls } from '../harness/kubectl.ts'

// The walk through examples/shop.yaml that the README invites to, on three nodes.
const [kubectl] = kubectls().slice(-1)
const skip = kubectl === undefined ? KUBECTL_MISSING : false
const SHOP = new URL('../../examples/shop.yaml', import.meta.url).pathname

let cluster: TestCluster
let nodes: readonly { readonly name: string; readonly address: string }[]

function k(...args: string[]): Promise<string> {
  return kubectlOk(kubectl!, cluster.kubeconfig, args, { timeoutMs: 120_000 })
}

function noFailures(report: LoadReport, least: number): void {
  assert.deepEqual(
    report.failures.slice(0, 5),
    [],
    `${report.failures.length} of ${report.ok + report.failures.length} requests failed`,
  )
  assert.ok(report.ok >= least, `only ${report.ok} requests were made`)
}

async function whoami(address: string): Promise<{ pod: string; version: string }> {
  const response = await fetch(`http://${address}/whoami`, {
    signal: AbortSignal.timeout(5_000),
    headers: { connection: 'close' },
  })
  return (await response.json()) as { pod: string; version: string }
}

before(async () => {
  if (skip !== false) return
  cluster = await startTestCluster(['--nodes', '3'])
  nodes = (await cluster.status()).nodes
})
after(async () => {
  await cluster?.destroy()
})

test('apply, then every Service type answers', { skip }, async () => {
  await k('apply', '-f', SHOP)
  for (const name of ['cart', 'catalog', 'front'])
    await k('-n', 'shop', 'rollout', 'status', `deployment/${name}`, '--timeout=60s')

  for (const address of [...nodes.map((node) => node.address), '127.0.0.1']) {
    const body = (await (await fetch(`http://${address}:30080/`, { signal: AbortSignal.timeout(5_000) })).json()) as {
      shop: string
      cart: { currency: string }
      catalog: { products: string[] }
      token: string
    }
    assert.equal(body.shop, 'Welcome to the shop')
    assert.equal(body.cart.currency, 'EUR')
    assert.deepEqual(body.catalog.products, ['anchor', 'rope', 'lantern'])
    assert.equal(body.token, 'set')
  }
  const clusterIp = await k('-n', 'shop', 'get', 'service', 'cart', '-o', 'jsonpath={.spec.clusterIP}')
  assert.equal((await fetch(`http://${clusterIp}:8080/`, { signal: AbortSignal.timeout(5_000) })).status, 200)
  const ingress = await k(
    '-n',
    'shop',
    'get',
    'service',
    'catalog',
    '-o',
    'jsonpath={.status.loadBalancer.ingress[0].ip}',
  )
  assert.equal((await fetch(`http://${ingress}:8090/`, { signal: AbortSignal.timeout(5_000) })).status, 200)
})

test('requests spread over all pods', { skip }, async () => {
  const seen = new Map<string, number>()
  for (let i = 0; i < 60; i++) {
    const { pod } = await whoami(`${nodes[i % 3]!.address}:30080`)
    seen.set(pod, (seen.get(pod) ?? 0) + 1)
  }
  assert.equal(seen.size, 3)
  // At random: fewer than these get one of three pods once in ten thousand runs.
  for (const [pod, count] of seen) assert.ok(count >= 6, `${pod} got only ${count} of 60`)
})

test('a mounted ConfigMap follows its object', { skip }, async () => {
  await k(
    '-n',
    'shop',
    'patch',
    'configmap',
    'products',
    '--type=merge',
    '-p',
    '{"data":{"products.txt":"anchor\\nbuoy\\n"}}',
  )
  const ingress = await k(
    '-n',
    'shop',
    'get',
    'service',
    'catalog',
    '-o',
    'jsonpath={.status.loadBalancer.ingress[0].ip}',
  )
  await eventually(
    async () => {
      const body = (await (await fetch(`http://${ingress}:8090/`)).json()) as { products: string[] }
      return body.products.includes('buoy') ? true : undefined
    },
    30_000,
    'the new product',
  )
})

test('deleting pods one after another loses no request', { skip }, async () => {
  const load = startHttpLoad(
    nodes.map((node) => `http://${node.address}:30080/whoami`),
    { clients: 8, keepAlive: true },
  )
  const names = (
    await k('-n', 'shop', 'get', 'pods', '-l', 'app=front', '-o', 'jsonpath={.items[*].metadata.name}')
  ).split(' ')
  for (const name of names) {
    await k('-n', 'shop', 'delete', 'pod', name)
    await k('-n', 'shop', 'rollout', 'status', 'deployment/front', '--timeout=60s')
  }
  noFailures(await load.stop(), 200)
})

test('rolling to a new template and back under load loses no request', { skip }, async () => {
  const urls = nodes.map((node) => `http://${node.address}:30080/whoami`)
  const kept = startHttpLoad(urls, { clients: 6, keepAlive: true })
  const short = startHttpLoad(urls, { clients: 6, keepAlive: false })
  await k('-n', 'shop', 'set', 'env', 'deployment/front', 'VERSION=2')
  await k('-n', 'shop', 'rollout', 'status', 'deployment/front', '--timeout=120s')
  assert.equal((await whoami(`${nodes[0]!.address}:30080`)).version, '2')
  await k('-n', 'shop', 'rollout', 'undo', 'deployment/front')
  await k('-n', 'shop', 'rollout', 'status', 'deployment/front', '--timeout=120s')
  assert.equal((await whoami(`${nodes[0]!.address}:30080`)).version, '1')
  noFailures(await kept.stop(), 200)
  noFailures(await short.stop(), 200)
})

test('a killed container process is started again and counted', { skip }, async () => {
  const name = (
    await k('-n', 'shop', 'get', 'pods', '-l', 'app=cart', '-o', 'jsonpath={.items[0].metadata.name}')
  ).trim()
  const ip = await k('-n', 'shop', 'get', 'pod', name, '-o', 'jsonpath={.status.podIP}')
  const pid = await pidListeningOn(ip, 8080)
  process.kill(pid, 'SIGKILL')
  await eventually(
    async () => {
      const text = await k(
        '-n',
        'shop',
        'get',
        'pod',
        name,
        '-o',
        'jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}',
      )
      return text === '1 true' ? true : undefined
    },
    60_000,
    'the restart',
  )
})

test('with its agent killed, traffic goes on and the containers stay', { skip }, async () => {
  const containers = (): Promise<string> =>
    k('-n', 'shop', 'get', 'pods', '-o', 'jsonpath={.items[*].status.containerStatuses[0].containerID}')
  // Until the pods of the rollout before are gone.
  const ids = await eventually(async () => {
    const found = await containers()
    return found.split(' ').length === 7 ? found : undefined
  }, 60_000)
  const load = startHttpLoad([`http://${nodes[0]!.address}:30080/whoami`], { clients: 4, keepAlive: true })
  const { processes } = await cluster.status()
  process.kill(processes.find((p) => p.role === 'agent')!.pid, 'SIGKILL')
  await eventually(async () => ((await cluster.status()).ready ? true : undefined), 30_000, 'the agent')
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  noFailures(await load.stop(), 100)
  assert.equal(await containers(), ids)
})

test('with the control plane killed, traffic goes on', { skip }, async () => {
  const load = startHttpLoad([`http://${nodes[0]!.address}:30080/whoami`], { clients: 4, keepAlive: false })
  const { processes } = await cluster.status()
  process.kill(processes.find((p) => p.role === 'control-plane')!.pid, 'SIGKILL')
  await eventually(async () => ((await cluster.status()).ready ? true : undefined), 30_000, 'the control plane')
  await k('-n', 'shop', 'get', 'pods')
  noFailures(await load.stop(), 50)
})

test('with the proxy killed, traffic comes back by itself', { skip }, async () => {
  const { processes } = await cluster.status()
  process.kill(processes.find((p) => p.role === 'proxy')!.pid, 'SIGKILL')
  await eventually(async () => (await whoami(`${nodes[0]!.address}:30080`)).pod, 20_000, 'an answer')
  const load = startHttpLoad([`http://${nodes[1]!.address}:30080/whoami`], { clients: 4, keepAlive: true })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  noFailures(await load.stop(), 50)
})

test('stopping and starting the cluster brings the shop back', { skip }, async () => {
  assert.equal(await cluster.interrupt(), 0)
  await cluster.restart([])
  await k('-n', 'shop', 'wait', '--for=condition=Available', 'deployment', '--all', '--timeout=60s')
  await eventually(
    async () => ((await fetch(`http://${nodes[2]!.address}:30080/`)).status === 200 ? true : undefined),
    30_000,
    'an answer',
  )
})

test('deleting the namespace leaves nothing', { skip }, async () => {
  await k('delete', 'namespace', 'shop', '--timeout=60s')
  assert.equal(await k('get', 'pods', '-A', '--field-selector', 'metadata.namespace=shop', '-o', 'name'), '')
  await assert.rejects(fetch(`http://${nodes[0]!.address}:30080/`, { signal: AbortSignal.timeout(2_000) }))
})

/** The process whose listening socket stands at this address, found in /proc as `ss -ltnp` does. */
async function pidListeningOn(ip: string, port: number): Promise<number> {
  const { readFileSync, readdirSync, readlinkSync } = await import('node:fs')
  const hex = `${Buffer.from(ip.split('.').map(Number).reverse()).toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const row = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((fields) => fields[1] === hex && fields[3] === '0A')
  assert.ok(row !== undefined, `nothing listens on ${ip}:${port}`)
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`))
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${row[9]}]`) return Number(pid)
    } catch {
      // Ended in the meantime.
    }
  }
  throw new Error(`no process holds the socket of ${ip}:${port}`)
}
