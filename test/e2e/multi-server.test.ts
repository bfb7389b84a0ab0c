import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { DEPLOYMENTS, ENDPOINT_SLICES, ENDPOINTS, LEASES, NODES, PODS, SERVICES } from '../../src/api/resource-type.ts'
import { isAlive, type ProcessIdentity } from '../../src/base/process-identity.ts'
import type { RunState } from '../../src/cli/up/run-state.ts'
import { ApiServers } from '../../src/client/api-servers.ts'
import type { Client } from '../../src/client/client.ts'
import { createClient } from '../../src/client/create-client.ts'
import { createHttpTransport } from '../../src/client/http-transport.ts'
import { loadKubeconfig } from '../../src/client/load-kubeconfig.ts'
import type { Transport } from '../../src/client/transport.ts'
import { ETCD_MISSING, type EtcdCluster, startEtcd } from '../harness/etcd-server.ts'
import { eventually } from '../harness/eventually.ts'
import { startHttpLoad } from '../harness/http-load.ts'
import { KUBECTL_MISSING, kubectlOk, kubectls } from '../harness/kubectl.ts'
import { type Part, startPart } from '../harness/part.ts'
import { runWherry } from '../harness/wherry.ts'

const kubectl = kubectls().at(-1)
/** A web server that says which pod it is. */
const SERVE = `require('http').createServer((q, s) => s.end(process.env.NAME)).listen(8080, process.env.IP)`

function deployment(name: string, replicas: number) {
  const field = (path: string) => ({ valueFrom: { fieldRef: { fieldPath: path } } })
  const container = {
    name: 'main',
    image: 'node',
    command: [process.execPath, '-e', SERVE],
    env: [
      { name: 'NAME', ...field('metadata.name') },
      { name: 'IP', ...field('status.podIP') },
    ],
    readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
  }
  const labels = { app: name }
  return {
    metadata: { namespace: 'default', name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } },
    },
  }
}

describe('two servers and a machine on one etcd', { skip: ETCD_MISSING }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-servers-'))
  const at = (name: string): string => join(directory, name)
  const [a, b, m] = ['a', 'b', 'm'].map(at) as [string, string, string]
  let etcd: EtcdCluster
  let parts: Map<string, Part>
  const transports: Transport[] = []

  const store = (): string => `etcd=${etcd.endpoints.join()}`
  const clientOf = (dataDir: string): Client => {
    const transport = createHttpTransport(loadKubeconfig(join(dataDir, 'kubeconfig')))
    transports.push(transport)
    return createClient(transport)
  }
  const urlOf = (dataDir: string): string => String(loadKubeconfig(join(dataDir, 'kubeconfig')).server)
  const startServer = async (dataDir: string, ...more: string[]): Promise<void> => {
    const part = startPart(['server', '--data-dir', dataDir, '--store', store(), ...more])
    parts.set(dataDir, part)
    await part.printed(/Ready in/)
  }
  const controlPlaneOf = (dataDir: string): ProcessIdentity => {
    const state: RunState = JSON.parse(readFileSync(join(dataDir, 'run', 'state.json'), 'utf8'))
    return state.children['control-plane']!
  }
  /** The control plane itself and its supervisor, as when the machine under them goes. */
  const killServer = async (dataDir: string): Promise<void> => {
    const child = controlPlaneOf(dataDir)
    await parts.get(dataDir)!.end('SIGKILL')
    if (isAlive(child)) process.kill(child.pid, 'SIGKILL')
  }
  const endpointPorts = async (client: Client): Promise<readonly string[]> => {
    const { subsets } = await client.get(ENDPOINTS, { namespace: 'default', name: 'kubernetes' })
    return (subsets ?? []).flatMap(({ ports }) => (ports ?? []).map(({ port }) => String(port))).sort()
  }
  /** As a pod asks: the Service `kubernetes`, whose certificate names its address. */
  const askService = async (client: Client): Promise<void> => {
    const { spec } = await client.get(SERVICES, { namespace: 'default', name: 'kubernetes' })
    const ca = readFileSync(join(a, 'pki', 'ca.crt'), 'utf8')
    await new Promise<void>((resolve, reject) => {
      const where = { host: spec?.clusterIP, port: spec?.ports?.[0]?.port, path: '/version', ca, agent: false }
      get({ ...where, timeout: 10_000 }, (response) => {
        response.resume()
        if (response.statusCode === 200) resolve()
        else reject(new Error(`status ${response.statusCode}`))
      })
        .on('timeout', () => reject(new Error('no answer')))
        .on('error', reject)
    })
  }
  const ports = (...dataDirs: string[]): readonly string[] => dataDirs.map((dir) => new URL(urlOf(dir)).port).sort()

  before(async () => {
    parts = new Map()
    etcd = await startEtcd()
    await startServer(a, '--api-port', '0')
    await startServer(b, '--api-port', '0', '--join', '--token-file', join(a, 'server-token'))
    const machine = startPart([
      ...['agent', '--data-dir', m, '--machine', 'm', '--server', urlOf(a)],
      ...['--token-file', join(a, 'agent-token')],
    ])
    parts.set(m, machine)
    await machine.printed(/Ready in/)
  })
  after(async () => {
    await parts.get(m)?.end()
    await Promise.all([...parts.values()].map((part) => part.end()))
    await Promise.all(transports.map((transport) => transport.close()))
    await etcd?.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  })

  it('are one cluster: the same CA and keys, one node, both servers behind the Service kubernetes', async () => {
    for (const file of ['ca.crt', 'ca.key', 'service-accounts.key', 'encryption.key'])
      assert.equal(readFileSync(join(a, 'pki', file), 'utf8'), readFileSync(join(b, 'pki', file), 'utf8'), file)
    const [through, other] = [clientOf(a), clientOf(b)]
    assert.deepEqual(
      (await other.list(NODES)).items.map(({ metadata }) => metadata?.name),
      ['wherry-1'],
    )
    for (const client of [through, other]) assert.deepEqual(await endpointPorts(client), ports(a, b))
    const { items } = await other.list(ENDPOINT_SLICES, {
      namespace: 'default',
      labelSelector: 'kubernetes.io/service-name=kubernetes',
    })
    assert.deepEqual(items.map((slice) => String(slice.ports?.[0]?.port)).sort(), ports(a, b))
    // The machine was told of one server and knows both.
    await eventually(() => {
      const known = JSON.parse(readFileSync(join(m, 'run', 'api-servers.json'), 'utf8'))
      return known.length === 2 || undefined
    })
  })

  it('nothing of what they share stands in etcd in clear', async () => {
    const secret = readFileSync(join(a, 'pki', 'ca.key'), 'utf8').split('\n')[1]!
    const { Etcd3 } = await import('etcd3')
    const raw = new Etcd3({ hosts: [...etcd.endpoints] })
    try {
      const found = await raw.getAll().prefix('/registry/wherry.dev/').strings()
      const texts = Object.values(found).join('\n')
      assert(Object.keys(found).includes('/registry/wherry.dev/secrets'), Object.keys(found).join())
      for (const hidden of [secret, readFileSync(join(a, 'server-token'), 'utf8').trim(), 'PRIVATE KEY'])
        assert(!texts.includes(hidden))
    } finally {
      raw.close()
    }
  })

  it('refuse who cannot show a token, with what to do next', async () => {
    const refused = async (words: readonly string[], pattern: RegExp): Promise<void> => {
      const dataDir = mkdtempSync(join(directory, 'refused-'))
      const { code, stdout, stderr } = await runWherry([...words, '--data-dir', dataDir])
      assert.equal(code, 1, stdout + stderr)
      assert.match(stdout + stderr, pattern)
    }
    const join_ = ['server', '--store', store(), '--api-port', '0']
    await refused(join_, /server token is not given\n.*--token-file.*server-token/)
    await refused([...join_, '--token', 'x'.repeat(40)], /not that of the cluster in this etcd\n.*server-token/)
    await refused([...join_, '--token', 'short'], /at least 16 characters/)
    await refused(['agent', '--server', urlOf(a)], /joining takes the agent token\n.*--token-file/)
    const good = readFileSync(join(a, 'agent-token'), 'utf8').trim()
    const machine = ['agent', '--server', urlOf(a), '--machine', 'x', '--token']
    await refused([...machine, good.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))], /does not take this machine/)
    await refused([...machine, good.replace(/\.[0-9a-f]{64}/, `.${'0'.repeat(64)}`)], /no server of the cluster/)
    await refused([...machine, readFileSync(join(a, 'server-token'), 'utf8')], /this is no agent token/)
    // Another machine's name goes with its secret alone.
    await refused(['agent', '--server', urlOf(a), '--machine', 'm', '--token', good], /another machine joined as "m"/)
  })

  it('nobody but they say where the Service kubernetes leads', async () => {
    const client = clientOf(a)
    const found = await client.get(ENDPOINTS, { namespace: 'default', name: 'kubernetes' })
    const subsets = [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'https', port: 22 }] }]
    await assert.rejects(client.update(ENDPOINTS, { ...found, subsets }), /API servers themselves keep the endpoints/)
  })

  it('one after the other ends in order and is killed: no request fails, pods are made, kubectl goes on', async (t) => {
    if (kubectl === undefined) return t.skip(KUBECTL_MISSING)
    const client = clientOf(b)
    await client.create(DEPLOYMENTS, deployment('web', 3))
    const service = await client.create(SERVICES, {
      metadata: { namespace: 'default', name: 'web' },
      spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    })
    const [node] = (await client.list(NODES)).items
    const address = node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
    const url = `http://${address}:${service.spec?.ports?.[0]?.nodePort}/`
    const readyPods = async (of: Client, app: string): Promise<number> =>
      (await of.list(PODS, { namespace: 'default', labelSelector: `app=${app}` })).items.filter(({ status }) =>
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      ).length
    await eventually(async () => ((await readyPods(client, 'web')) === 3 ? true : undefined), 30_000)
    await eventually(async () => ((await fetch(url)).ok ? true : undefined))
    const load = startHttpLoad([url], { clients: 4, keepAlive: false })

    // A client that knows both: its reads and its watches go on whichever server goes.
    const config = loadKubeconfig(join(a, 'kubeconfig'))
    const transport = createHttpTransport({ ...config, server: new ApiServers([urlOf(a), urlOf(b)]) })
    transports.push(transport)
    const both = createClient(transport)

    for (const [gone, stays, how] of [
      [a, b, 'SIGINT'],
      [b, a, 'SIGKILL'],
    ] as const) {
      if (how === 'SIGINT') assert.equal(await parts.get(gone)!.end('SIGINT'), 0)
      else await killServer(gone)
      // Through the transport that knows both, at once.
      await both.list(PODS, { namespace: 'default' })
      const name = `after-${how.toLowerCase()}`
      const left = join(stays, 'kubeconfig')
      await kubectlOk(kubectl, left, [
        'create',
        'deployment',
        name,
        '--image=node',
        '--replicas=2',
        '--',
        'sleep',
        '600',
      ])
      // Controllers and scheduler lead elsewhere by now, and the machine hears of its pods from the other server.
      await kubectlOk(kubectl, left, ['wait', `deployment/${name}`, '--for=condition=Available', '--timeout=60s'])
      const stayed = clientOf(stays)
      for (let i = 0; i < 20; i++) await askService(stayed)
      await eventually(
        async () => ((await endpointPorts(stayed)).join() === ports(stays).join() ? true : undefined),
        30_000,
      )
      const lease = await stayed.get(LEASES, { namespace: 'kube-system', name: 'kube-scheduler' })
      assert.notEqual(lease.spec?.holderIdentity, '')
      await startServer(gone)
      await eventually(async () => ((await endpointPorts(stayed)).join() === ports(a, b).join() ? true : undefined))
    }
    const report = await load.stop()
    assert.deepEqual(report.failures, [])
    assert(report.ok > 500, `${report.ok} requests`)
    assert.equal(report.bodies.size, 3)
  })

  it('one that freezes is left by clients and machines, and taken out of the endpoints; it may come back', async () => {
    const stayed = clientOf(b)
    for (let i = 0; i < 5; i++) await askService(stayed)
    const config = loadKubeconfig(join(a, 'kubeconfig'))
    const transport = createHttpTransport({ ...config, server: new ApiServers([urlOf(a), urlOf(b)]) })
    transports.push(transport)
    const both = createClient(transport)
    await both.list(NODES)
    const { pid } = controlPlaneOf(a)
    process.kill(pid, 'SIGSTOP')
    try {
      // This one was at the frozen server.
      await both.list(NODES)
      await eventually(
        async () => ((await endpointPorts(stayed)).join() === ports(b).join() ? true : undefined),
        30_000,
      )
      await stayed.create(DEPLOYMENTS, deployment('after-freeze', 1))
      await eventually(async () => {
        const { status } = await stayed.get(DEPLOYMENTS, { namespace: 'default', name: 'after-freeze' })
        return status?.availableReplicas === 1 || undefined
      }, 60_000)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await eventually(
      async () => ((await endpointPorts(stayed)).join() === ports(a, b).join() ? true : undefined),
      30_000,
    )
    await stayed.delete(DEPLOYMENTS, { namespace: 'default', name: 'after-freeze' })
  })

  it('a machine starts again without a token and with no server that it was told of', async () => {
    await parts.get(m)!.end()
    await killServer(a)
    const machine = startPart(['agent', '--data-dir', m])
    parts.set(m, machine)
    await machine.printed(/Ready in/)
    assert.match(machine.output(), /nodes +wherry-1 127\.\d+\.0\.1/)
    await startServer(a)
  })
})
