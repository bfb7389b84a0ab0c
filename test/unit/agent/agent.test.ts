import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { processesOf } from '../../../src/agent/runtime/process/process-table.ts'
import { DRAINING_ANNOTATION } from '../../../src/api/drain-lease.ts'
import { CONFIG_MAPS, ENDPOINT_SLICES, LEASES, NODES, PODS, SECRETS, SERVICES } from '../../../src/api/resource-type.ts'
import { eventually } from '../../harness/eventually.ts'
import { isReady, isRunning, NODE, nodeContainer, startTestNode, waitingReason } from './agent-fixture.ts'

const IDLE = 'setInterval(() => {}, 1000)'
const SERVER = `require('http').createServer((q, s) => s.end('ok')).listen(8080, process.env.POD_IP)`
const idOf = (uid: string | undefined, attempt = 0, name = 'main'): Set<string> =>
  new Set([`${uid}.${name}.${attempt}`])

test('the node registers, is ready and keeps a lease', async (t) => {
  const { client } = await startTestNode(t)
  const node = await client.get(NODES, { name: NODE.name })
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  assert.deepEqual([ready?.status, ready?.reason], ['True', 'KubeletReady'])
  assert.equal(node.spec?.podCIDR, NODE.podCidr)
  assert.equal(node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address, NODE.address)
  assert.equal(node.status?.nodeInfo?.containerRuntimeVersion, 'process://0')
  assert.equal(node.status?.capacity?.pods, '110')
  assert.equal(node.metadata?.labels?.['kubernetes.io/hostname'], NODE.name)
  const lease = await client.get(LEASES, { namespace: 'kube-node-lease', name: NODE.name })
  assert.deepEqual([lease.spec?.holderIdentity, lease.spec?.leaseDurationSeconds], [NODE.name, 40])
})

test('a bound pod runs with its address and environment, and its logs can be read', async (t) => {
  const node = await startTestNode(t)
  const { client } = node
  await client.create(CONFIG_MAPS, {
    metadata: { name: 'settings', namespace: 'default' },
    data: { GREETING: 'hello' },
  })
  await client.create(SECRETS, {
    metadata: { name: 's', namespace: 'default' },
    data: { token: Buffer.from('x1').toString('base64') },
  })
  await client.create(SERVICES, {
    metadata: { name: 'cart', namespace: 'default' },
    spec: { clusterIP: '127.99.16.9', ports: [{ name: 'http', port: 8080 }] },
  })
  const script = `
    const e = process.env
    console.log([e.GREETING, e.TOKEN, e.POD_IP === e.HOST, e.POD_NAME, e.NODE, e.URL, e.CART_SERVICE_PORT_HTTP].join(' '))
    ${IDLE}`
  await node.createPod('web', {
    containers: [
      nodeContainer(script, {
        envFrom: [{ configMapRef: { name: 'settings' } }],
        env: [
          { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'token' } } },
          { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          { name: 'URL', value: 'http://$(CART_SERVICE_HOST):$(CART_SERVICE_PORT)' },
        ],
      }),
    ],
  })
  const pod = await node.until('web', isReady, 'ready')
  assert.match(pod.status?.podIP ?? '', /^127\.99\.129\.\d+$/)
  assert.equal(pod.status?.hostIP, NODE.address)
  assert.equal(pod.status?.qosClass, 'BestEffort')
  const text = await eventually(async () => {
    const parts: Uint8Array[] = []
    const log = await node.logs.open(
      'default',
      'web',
      'main',
      { follow: false, previous: false, timestamps: false },
      AbortSignal.timeout(5_000),
    )
    for await (const part of log) parts.push(part)
    return parts.length > 0 ? Buffer.concat(parts).toString() : undefined
  })
  assert.equal(text, 'hello x1 true web n1 http://127.99.16.9:8080 8080\n')
  const events = await node.eventTexts('web')
  for (const want of ['Created: Created container: main', 'Started: Started container main'])
    assert.ok(events.includes(want), events.join('\n'))
  await assert.rejects(
    node.logs.open(
      'default',
      'web',
      'main',
      { follow: false, previous: true, timestamps: false },
      AbortSignal.timeout(5_000),
    ),
    /previous terminated container "main" in pod "web" not found/,
  )
})

test('a deleted pod is asked to stop, its object goes, and nothing of it stays', async (t) => {
  const node = await startTestNode(t)
  const { metadata } = await node.createPod('web', { containers: [nodeContainer(IDLE)] })
  const first = await node.until('web', isReady, 'ready')
  await node.client.delete(PODS, { namespace: 'default', name: 'web' })
  await node.untilGone('web')
  assert.deepEqual(processesOf(idOf(metadata?.uid)), [])
  assert.deepEqual(readdirSync(join(node.dataDir, 'nodes', NODE.name, 'pods')), [])
  assert.ok((await node.eventTexts('web')).includes('Killing: Stopping container main'))
  await node.createPod('web', { containers: [nodeContainer(IDLE)] })
  const second = await node.until('web', isReady, 'ready')
  assert.notEqual(second.status?.podIP, first.status?.podIP, 'an address is not used again at once')
})

test('a pod deleted by force is killed', async (t) => {
  const node = await startTestNode(t)
  const { metadata } = await node.createPod('web', {
    containers: [nodeContainer(`process.on('SIGTERM', () => {}); ${IDLE}`)],
  })
  await node.until('web', isRunning, 'running')
  await node.client.delete(PODS, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 0 })
  await eventually(() => (processesOf(idOf(metadata?.uid)).length === 0 ? true : undefined), 10_000, 'the kill')
})

test('what is missing shows with the kubelet’s words and is picked up when it appears', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('web', {
    containers: [
      nodeContainer(IDLE, { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'later', key: 'a' } } }] }),
    ],
  })
  const pod = await node.until('web', (p) => waitingReason(p) === 'CreateContainerConfigError', 'waiting')
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.waiting?.message, 'configmap "later" not found')
  assert.equal(pod.status?.phase, 'Pending')
  await node.client.create(CONFIG_MAPS, { metadata: { name: 'later', namespace: 'default' }, data: { a: '1' } })
  await node.until('web', isReady, 'ready')
})

test('without a command the pod says what this runtime can do', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('web', { containers: [{ name: 'main', image: 'nginx' }] })
  const pod = await node.until('web', (p) => waitingReason(p) === 'CreateContainerError', 'waiting')
  assert.match(
    pod.status?.containerStatuses?.[0]?.state?.waiting?.message ?? '',
    /has no command: the process runtime runs commands on the host and cannot run the image "nginx".+docker/,
  )
})

test('init containers, then a sidecar, then the main one; a pod that is done keeps its log and gives up its address', async (t) => {
  const node = await startTestNode(t)
  const sleep = `setTimeout(() => console.log('done'), 100)`
  await node.createPod('job', {
    restartPolicy: 'Never',
    initContainers: [
      nodeContainer(`require('fs').writeFileSync('work/a', 'from init')`, {
        name: 'first',
        volumeMounts: [{ name: 'w', mountPath: '/work' }],
      }),
      nodeContainer(IDLE, { name: 'side', restartPolicy: 'Always' }),
    ],
    containers: [
      nodeContainer(`console.log(require('fs').readFileSync('work/a', 'utf8')); ${sleep}`, {
        volumeMounts: [{ name: 'w', mountPath: '/work' }],
      }),
    ],
    volumes: [{ name: 'w', emptyDir: {} }],
  })
  const pod = await node.until('job', ({ status }) => status?.phase === 'Succeeded', 'done')
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'Completed')
  assert.equal(pod.status?.initContainerStatuses?.[1]?.state?.terminated?.exitCode, 143)
  const log = await node.logs.open(
    'default',
    'job',
    'main',
    { follow: false, previous: false, timestamps: false },
    AbortSignal.timeout(5_000),
  )
  let text = ''
  for await (const part of log) text += Buffer.from(part).toString()
  assert.equal(text, 'from init\ndone\n')
})

test('a crash is counted, the last state is told, and the second one backs off', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('web', { containers: [nodeContainer('process.exit(3)')] })
  const pod = await node.until('web', (p) => waitingReason(p) === 'CrashLoopBackOff', 'backing off')
  const status = pod.status?.containerStatuses?.[0]
  assert.equal(status?.restartCount, 1)
  assert.equal(status?.lastState?.terminated?.exitCode, 3)
  assert.match(
    status?.state?.waiting?.message ?? '',
    /^back-off 10s restarting failed container=main pod=web_default\(/,
  )
  await eventually(async () =>
    (await node.eventTexts('web')).some((text) => text.startsWith('BackOff: Back-off restarting failed container main'))
      ? true
      : undefined,
  )
})

test('a taken port is named in an event', async (t) => {
  const node = await startTestNode(t)
  const blocker = createServer().listen(0, '0.0.0.0')
  await new Promise((resolve) => blocker.once('listening', resolve))
  t.after(() => blocker.close())
  const { port } = blocker.address() as { port: number }
  await node.createPod('web', {
    restartPolicy: 'Never',
    containers: [nodeContainer(`require('net').createServer().listen(${port}, '0.0.0.0')`)],
  })
  const pod = await node.until('web', ({ status }) => status?.phase === 'Failed', 'failed')
  await eventually(async () =>
    (await node.eventTexts('web')).some(
      (text) => text.startsWith('PortInUse:') && text.includes(pod.status?.podIP ?? '?'),
    )
      ? true
      : undefined,
  )
})

test('readiness follows its probe, and a failed liveness probe restarts', async (t) => {
  const node = await startTestNode(t)
  const script = `
    let ready = false
    require('http').createServer((q, s) => {
      if (q.url === '/ready' && !ready) s.statusCode = 503
      if (q.url === '/die') { dead = true }
      if (q.url === '/live' && dead) s.statusCode = 500
      s.end()
    }).listen(8080, process.env.HOST)
    let dead = false
    setTimeout(() => { ready = true }, 300)`
  await node.createPod('web', {
    containers: [
      nodeContainer(script, {
        ports: [{ name: 'http', containerPort: 8080 }],
        readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 },
        // A start on a busy machine takes longer than the first probe waits.
        startupProbe: { httpGet: { path: '/live', port: 8080 }, periodSeconds: 1, failureThreshold: 30 },
        livenessProbe: { httpGet: { path: '/live', port: 8080 }, periodSeconds: 1, failureThreshold: 1 },
      }),
    ],
  })
  const pod = await node.until('web', isReady, 'ready')
  const response = await fetch(`http://${pod.status?.podIP}:8080/die`)
  await response.text()
  await node.until('web', ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1, 'restarted')
  const events = await eventually(async () => {
    const texts = await node.eventTexts('web')
    return texts.some((text) => text.startsWith('Killing:')) ? texts : undefined
  })
  assert.ok(
    events.includes('Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500'),
    events.join('\n'),
  )
  assert.ok(events.includes('Killing: Container main failed liveness probe, will be restarted'), events.join('\n'))
})

test('postStart and preStop run beside the container', async (t) => {
  const node = await startTestNode(t)
  const touch = (name: string): string[] => ['node', '-e', `require('fs').writeFileSync('work/${name}', '')`]
  const spec = {
    containers: [
      nodeContainer(
        `process.on('SIGTERM', () => { require('fs').writeFileSync('work/term', String(require('fs').existsSync('work/pre'))); process.exit(0) }); ${IDLE}`,
        {
          volumeMounts: [{ name: 'w', mountPath: '/work' }],
          lifecycle: { postStart: { exec: { command: touch('post') } }, preStop: { exec: { command: touch('pre') } } },
        },
      ),
    ],
    volumes: [{ name: 'w', emptyDir: {} }],
  }
  const { metadata } = await node.createPod('web', spec, { metadata: { finalizers: ['example.com/hold'] } })
  const work = join(node.dataDir, 'nodes', NODE.name, 'pods', metadata?.uid ?? '', 'volumes/w')
  await node.until('web', isReady, 'ready')
  assert.deepEqual(readdirSync(work), ['post'])
  await node.client.delete(PODS, { namespace: 'default', name: 'web' })
  const pod = await node.until('web', ({ status }) => status?.phase === 'Succeeded', 'ended')
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 0)
})

test('a restarted agent adopts what runs: same process, same address, ready all the while', async (t) => {
  const node = await startTestNode(t)
  await node.createPod('web', {
    containers: [nodeContainer(SERVER, { readinessProbe: { tcpSocket: { port: 8080 } } })],
  })
  const before = await node.until('web', isReady, 'ready')
  const pids = processesOf(idOf(before.metadata?.uid))
  const wasUnready: string[] = []
  const stop = new AbortController()
  const events = await node.client.watch(PODS, {
    namespace: 'default',
    resourceVersion: before.metadata?.resourceVersion ?? '',
    signal: stop.signal,
  })
  const watching = (async () => {
    for await (const { type, object } of events)
      if (type === 'MODIFIED' && !isReady(object)) wasUnready.push(JSON.stringify(object.status))
  })().catch(() => {})
  await node.restart()
  await node.createPod('other', { containers: [nodeContainer(IDLE)] })
  const other = await node.until('other', isReady, 'ready')
  const after = await node.until('web', isReady, 'ready')
  stop.abort()
  await watching
  assert.deepEqual(
    wasUnready.filter((text) => !text.includes('other')).filter((text) => text.includes(before.status?.podIP ?? '')),
    [],
  )
  assert.deepEqual(processesOf(idOf(before.metadata?.uid)), pids)
  assert.deepEqual(after.status?.containerStatuses, before.status?.containerStatuses)
  assert.notEqual(other.status?.podIP, before.status?.podIP)
})

test('a pod that went while no agent looked is ended by the next', async (t) => {
  const node = await startTestNode(t)
  const { metadata } = await node.createPod('web', { containers: [nodeContainer(IDLE)] })
  await node.until('web', isRunning, 'running')
  await node.agent.close()
  await node.client.delete(PODS, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 0 })
  assert.equal(processesOf(idOf(metadata?.uid)).length, 2)
  await node.restart()
  await eventually(() => (processesOf(idOf(metadata?.uid)).length === 0 ? true : undefined), 10_000, 'the end')
})

test('without a control plane containers are still restarted, and the status follows once it is back', async (t) => {
  const node = await startTestNode(t)
  const { metadata } = await node.createPod('web', { containers: [nodeContainer(IDLE)] })
  await node.until('web', isReady, 'ready')
  node.outage = true
  for (const pid of processesOf(idOf(metadata?.uid))) process.kill(pid, 'SIGKILL')
  await eventually(() => (processesOf(idOf(metadata?.uid, 1)).length === 2 ? true : undefined), 10_000, 'the restart')
  assert.equal(
    (await node.client.get(PODS, { namespace: 'default', name: 'web' })).status?.containerStatuses?.[0]?.restartCount,
    0,
  )
  node.outage = false
  const pod = await node.until('web', ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1, 'told of')
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137)
})

test('a deleted endpoint is signalled only once every live proxy has let go of it', async (t) => {
  const node = await startTestNode(t)
  const { client } = node
  await node.createPod('web', { terminationGracePeriodSeconds: 60, containers: [nodeContainer(SERVER)] })
  const { status, metadata } = await node.until('web', isReady, 'ready')
  const address = status?.podIP ?? ''
  await client.create(ENDPOINT_SLICES, {
    metadata: { name: 'web-1', namespace: 'default' },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address] }],
    ports: [],
  })
  const lease = { namespace: 'kube-system', name: 'wherry-proxy-n1' }
  const say = (text: string): Promise<unknown> =>
    client.patch(LEASES, lease, { metadata: { annotations: { [DRAINING_ANNOTATION]: text } } })
  const renewTime = `${new Date().toISOString().slice(0, -1)}000Z`
  await client.create(LEASES, { metadata: lease, spec: { renewTime, leaseDurationSeconds: 40 } })
  // A proxy that died long ago is not waited for.
  await client.create(LEASES, {
    metadata: { ...lease, name: 'wherry-proxy-n2' },
    spec: { renewTime: '2020-01-01T00:00:00.000000Z', leaseDurationSeconds: 40 },
  })
  await say(`${address}=2`)
  await client.delete(PODS, { namespace: 'default', name: 'web' })
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.equal(processesOf(idOf(metadata?.uid)).length, 2, 'it still serves')
  assert.ok(isReady(await client.get(PODS, { namespace: 'default', name: 'web' })))
  await say(`${address}=0`)
  await node.untilGone('web')
})
