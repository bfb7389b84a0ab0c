import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { addressLayout } from '../../../src/base/address-layout.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import { type ControlPlane, startControlPlane } from '../../../src/controlplane/control-plane.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { eventually } from '../../harness/eventually.ts'
import { KUBECTL_MISSING, type Kubectl, kubectlOk, kubectls, runKubectl } from '../../harness/kubectl.ts'

/**
 * The commands of kubectl that build their objects from types of Go: the newest sends and asks for protobuf in all of
 * them, the oldest for some. Against a control plane alone: its node is an object without a kubelet.
 */
let folder = ''
let plane: ControlPlane | undefined
const failures: string[] = []

before(async () => {
  if (kubectls().length === 0) return
  folder = mkdtempSync(join(tmpdir(), 'wherry-protobuf-'))
  const logger = {
    ...silentLogger,
    error: (fields: object, message: string) =>
      void failures.push(`${message}: ${String((fields as { readonly err?: Error }).err?.stack)}`),
    child: () => logger,
  }
  plane = await startControlPlane({
    clusterName: 'protobuf',
    dataDir: folder,
    layout: addressLayout(92, 'protobuf', 1),
    apiPort: 0,
    kubeconfig: join(folder, 'kubeconfig'),
    openStore: () => createMemoryStore(),
    clock: systemClock,
    logger,
    random: Math.random,
    phase: (_, step) => step(),
    onFailure: (error) => void failures.push(String(error)),
    privilegedPorts: false,
  })
})

after(async () => {
  await plane?.close()
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

async function addNode(name: string): Promise<void> {
  const size = { cpu: '4', memory: '8Gi', pods: '110' }
  const answer = await plane!.apiServer.transport(CONTROL_PLANE_USER).request({
    method: 'POST',
    path: '/api/v1/nodes',
    body: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name } },
      status: { capacity: size, allocatable: size, conditions: [{ type: 'Ready', status: 'True' }] },
    },
  })
  assert.equal(answer.status, 201)
}

function suite(kubectl: Kubectl): void {
  const place = `v${kubectl.minor.replaceAll(/\W/g, '-')}`
  const node = `node-${place}`
  // Where kubectl keeps what it has discovered.
  const env = { KUBECACHEDIR: join(tmpdir(), `wherry-protobuf-${process.pid}-${place}`) }
  const kubeconfig = (): string => join(folder, 'kubeconfig')
  const run = (...args: readonly string[]): Promise<string> =>
    kubectlOk(kubectl, kubeconfig(), args, { env, timeoutMs: 30_000 })
  const here = (...args: readonly string[]): Promise<string> => run('-n', place, ...args)

  after(() => rmSync(env.KUBECACHEDIR, { recursive: true, force: true }))
  before(async () => {
    await addNode(node)
    assert.match(await run('create', 'namespace', place), /created/)
    await eventually(async () => {
      const names = await here('get', 'serviceaccounts', '-o', 'name')
      return names.includes('serviceaccount/default') ? names : undefined
    })
  })

  const CREATED: readonly (readonly string[])[] = [
    ['create', 'deployment', 'web', '--image=nginx', '--replicas=2', '--port=80'],
    ['create', 'service', 'clusterip', 'cluster', '--tcp=80:8080'],
    ['create', 'service', 'nodeport', 'node', '--tcp=80:8080'],
    ['create', 'service', 'loadbalancer', 'balancer', '--tcp=80:8080'],
    ['create', 'service', 'externalname', 'external', '--external-name=example.com'],
    ['create', 'configmap', 'settings', '--from-literal=a=ü'],
    ['create', 'secret', 'generic', 'hidden', '--from-literal=p=q'],
    ['create', 'serviceaccount', 'robot'],
    ['create', 'poddisruptionbudget', 'budget', '--selector=app=web', '--min-available=50%'],
    ['run', 'one', '--image=nginx', '--env=A=B', '--labels=x=y'],
  ]
  for (const args of CREATED) test(args.join(' '), async () => assert.match(await here(...args), / created/))

  test('what was created is what was meant', async () => {
    const json = async (...args: readonly string[]) => JSON.parse(await here('get', ...args, '-o', 'json'))
    assert.deepEqual((await json('configmap', 'settings')).data, { a: 'ü' })
    assert.deepEqual((await json('secret', 'hidden')).data, { p: 'cQ==' })
    assert.equal((await json('pdb', 'budget')).spec.minAvailable, '50%')
    const [port] = (await json('service', 'cluster')).spec.ports
    assert.deepEqual([port.port, port.targetPort], [80, 8080])
    const { spec } = await json('pod', 'one')
    assert.deepEqual(spec.containers[0].env, [{ name: 'A', value: 'B' }])
    assert.equal((await json('deployment', 'web')).spec.template.spec.containers[0].ports[0].containerPort, 80)
  })

  test('create token', async () => {
    assert.equal((await here('create', 'token', 'robot', '--duration=20m')).trim().split('.').length, 3)
  })

  test('expose, scale and autoscale --help', async () => {
    assert.match(await here('expose', 'deployment', 'web', '--port=80', '--target-port=http'), /exposed/)
    assert.match(await here('expose', 'pod', 'one', '--port=80'), /exposed/)
    assert.match(await here('scale', 'deployment', 'web', '--replicas=3'), /scaled/)
    assert.equal(await here('get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}'), '3')
    assert.match(await run('autoscale', '--help'), /autoscaler/)
  })

  test('describe and events read in protobuf', async () => {
    assert.match(await here('describe', 'deployment', 'web'), /StrategyType:\s+RollingUpdate/)
    assert.match(await here('describe', 'service', 'cluster'), /TargetPort:\s+8080\/TCP/)
    await eventually(async () => {
      const events = await here('events')
      return /ScalingReplicaSet\s+Deployment\/web/.test(events) ? events : undefined
    })
  })

  test('apply, which the oldest can only with OpenAPI v2 in protobuf', async () => {
    const manifest = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'applied' },
      data: { a: 'b' },
    })
    const apply = (input: string): Promise<string> =>
      kubectlOk(kubectl, kubeconfig(), ['-n', place, 'apply', '-f', '-'], { env, input })
    assert.match(await apply(manifest), /created/)
    assert.match(await apply(manifest.replace('"b"', '"c"')), /configured/)
  })

  test('cordon, drain, uncordon', async () => {
    assert.match(await run('cordon', node), /cordoned/)
    assert.match(await run('uncordon', node), /uncordoned/)
    await eventually(async () => {
      const nodes = await here('get', 'pods', '-o', 'jsonpath={.items[*].spec.nodeName}')
      return nodes === '' ? undefined : nodes
    })
    const drained = await run('drain', node, '--force', '--grace-period=0', '--timeout=20s')
    assert.match(drained, /drained/)
    assert.match(await run('uncordon', node), /uncordoned/)
  })

  if (kubectl.minor !== '1.36') return
  test('this one sends protobuf indeed', async () => {
    const args = ['-n', place, '-v=9', 'create', 'configmap', 'seen']
    const { stderr } = await runKubectl(kubectl, kubeconfig(), args, { env })
    assert.match(stderr, /Content-Type: application\/vnd\.kubernetes\.protobuf/)
  })
}

for (const kubectl of kubectls()) describe(`kubectl ${kubectl.minor}`, () => suite(kubectl))
test('kubectl in protobuf', { skip: kubectls().length === 0 ? KUBECTL_MISSING : false }, () => {
  assert.deepEqual(failures, [])
})
