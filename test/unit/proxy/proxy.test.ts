import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { waitForDrain } from '../../../src/agent/pod/drain.ts'
import { DRAINING_ANNOTATION, parseDraining } from '../../../src/api/drain-lease.ts'
import { ENDPOINT_SLICES, EVENTS, LEASES, NAMESPACES, SERVICES } from '../../../src/api/resource-type.ts'
import type { Event, Service } from '../../../src/api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import { addressLayout } from '../../../src/base/address-layout.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { Client } from '../../../src/client/client.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createEventRecorder } from '../../../src/client/event-recorder.ts'
import { type ServiceProxy, startProxy } from '../../../src/proxy/proxy.ts'
import { eventually } from '../../harness/eventually.ts'
import { startTestServer, type TestServer } from '../apiserver/server-fixture.ts'
import { freePort, readAll } from './proxy-fixture.ts'

const LAYOUT = addressLayout(97, 'test', 2)
const [NODE_1, NODE_2] = ['127.97.0.1', '127.97.0.2']
const CLUSTER_IP = '127.97.16.9'

interface World {
  readonly api: TestServer
  readonly client: Client
  readonly proxy: ServiceProxy
  /** While true, every call of the proxy fails as with a dead control plane. */
  isDown: boolean
  /** A server that answers with its name, as a pod; its port. */
  pod(address: string, name: string): Promise<number>
  /** Ends that server. */
  end(name: string): void
}

/** An API server in memory and a proxy. */
async function start(t: TestContext): Promise<World> {
  const api = await startTestServer()
  const { client, transport } = api
  await client.create(NAMESPACES, { metadata: { name: 'kube-system' } })
  const check = (): void => {
    if (world.isDown) throw new Error('the control plane is dead')
  }
  const own = createClient({
    async request(request) {
      check()
      return transport.request(request)
    },
    async watch(request) {
      check()
      return transport.watch(request)
    },
    close: () => transport.close(),
  })
  const common = { client: own, clock: systemClock, logger: silentLogger }
  const events = createEventRecorder({ ...common, component: 'kube-proxy' })
  const servers = new Map<string, Server>()
  const world = {
    api,
    client,
    isDown: false,
    async pod(address: string, name: string) {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.end(name)
      })
      server.listen(0, address)
      await once(server, 'listening')
      servers.set(name, server)
      return (server.address() as AddressInfo).port
    },
    end: (name: string): void => void servers.get(name)?.close(),
    proxy: undefined as unknown as ServiceProxy,
  }
  world.proxy = await startProxy({
    ...common,
    events,
    layout: LAYOUT,
    leaseName: 'test',
    metricsPort: 0,
  })
  t.after(async () => {
    for (const server of servers.values()) server.close()
    await world.proxy.close()
    await events.flush()
    await api.close()
  })
  return world
}

function serviceOf(name: string, spec: Partial<NonNullable<Service['spec']>>): Service {
  return { metadata: { namespace: 'default', name }, spec: { clusterIP: CLUSTER_IP, ...spec } }
}

function sliceOf(
  name: string,
  port: number,
  addresses: readonly string[],
  conditions: object = { ready: true },
): EndpointSlice {
  return {
    metadata: { namespace: 'default', name, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'main', port, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions, nodeName: 'test-1' })),
  }
}

async function ask(address: string, port: number): Promise<string> {
  return readAll(connect(port, address))
}

function eventsOn(client: Client, name: string): Promise<readonly Event[]> {
  return client
    .list<Event>(EVENTS, { namespace: 'default' })
    .then(({ items }) => items.filter(({ involvedObject }) => involvedObject.name === name))
}

async function eventText(client: Client, name: string, reason: string): Promise<string> {
  return eventually(
    async () => (await eventsOn(client, name)).find((event) => event.reason === reason)?.message,
    10_000,
    `an event ${reason} on ${name}`,
  )
}

async function adminText(proxy: ServiceProxy, path: string): Promise<string> {
  return (await fetch(`http://${NODE_1}:${proxy.metricsPort}${path}`)).text()
}

test('what the API holds is served on every address, follows changes, and outlives the control plane', async (t) => {
  const world = await start(t)
  const { client } = world
  const podPort = await world.pod('127.97.129.1', 'one')
  const [port, nodePort] = [await freePort(CLUSTER_IP), await freePort(NODE_1)]
  await client.create(
    SERVICES,
    serviceOf('web', { type: 'NodePort', ports: [{ name: 'main', port, targetPort: podPort, nodePort }] }),
  )
  await client.create(ENDPOINT_SLICES, sliceOf('web', podPort, ['127.97.129.1']))
  for (const [address, at] of [
    [CLUSTER_IP, port],
    [NODE_1, nodePort],
    [NODE_2, nodePort],
    ['127.0.0.1', nodePort],
  ] as const)
    assert.equal(await eventually(() => ask(address, at), 10_000), 'one', address)
  world.isDown = true
  for (let i = 0; i < 3; i++) assert.equal(await ask(CLUSTER_IP, port), 'one')
  world.isDown = false
  await client.delete(SERVICES, { namespace: 'default', name: 'web' })
  await eventually(() => assert.rejects(ask(CLUSTER_IP, port), { code: 'ECONNREFUSED' }).then(() => true), 10_000)
  assert.equal(world.proxy.status().listeners.bound, 0)
})

test('an agent that waits for a pod to drain hears from the proxy at once', async (t) => {
  const world = await start(t)
  const { client } = world
  const podPort = await world.pod('127.97.129.1', 'one')
  await world.pod('127.97.129.2', 'two')
  const port = await freePort(CLUSTER_IP)
  await client.create(SERVICES, serviceOf('web', { ports: [{ name: 'main', port }] }))
  await client.create(ENDPOINT_SLICES, sliceOf('web', podPort, ['127.97.129.1', '127.97.129.2']))
  await eventually(() => ask(CLUSTER_IP, port), 10_000)
  const drained = waitForDrain({
    client,
    clock: systemClock,
    namespace: 'default',
    address: '127.97.129.1',
    limitMs: 20_000,
    signal: new AbortController().signal,
  })
  const ending = { ready: false, serving: true, terminating: true }
  const { endpoints: [endpoint] = [] } = sliceOf('web', podPort, ['127.97.129.1'], ending)
  const [kept] = sliceOf('web', podPort, ['127.97.129.2']).endpoints ?? []
  await client.patch(ENDPOINT_SLICES, { namespace: 'default', name: 'web' }, { endpoints: [endpoint, kept] })
  assert.equal(await drained, 'drained')
  const lease = await client.get(LEASES, { namespace: 'kube-system', name: 'wherry-proxy-test' })
  assert.deepEqual(
    [...parseDraining(lease.metadata?.annotations?.[DRAINING_ANNOTATION])],
    [['127.97.129.1', 0]],
    'said, and not merely given up on',
  )
  assert.deepEqual(world.proxy.status().draining, ['127.97.129.1'])
})

// Attack row 7.
test('endpoints outside the cluster are not dialled, and an event says so', async (t) => {
  const world = await start(t)
  const { client } = world
  const port = await freePort(CLUSTER_IP)
  await client.create(SERVICES, serviceOf('web', { ports: [{ name: 'main', port }] }))
  // Of another cluster: the API takes it, the proxy does not.
  const otherPort = await world.pod('127.98.129.1', 'other cluster')
  await client.create(ENDPOINT_SLICES, sliceOf('web', otherPort, ['127.98.129.1']))
  assert.match(await eventText(client, 'web', 'EndpointRefused'), /127\.98\.129\.1:\d+ is not used/)
  await assert.rejects(ask(CLUSTER_IP, port), { code: 'ECONNREFUSED' })
})

test('endpoints that would lead back into the proxy are not dialled, and an event says so', async (t) => {
  const world = await start(t)
  const { client } = world
  const [port, nodePort] = [await freePort(CLUSTER_IP), await freePort(NODE_1)]
  await client.create(SERVICES, serviceOf('web', { type: 'NodePort', ports: [{ name: 'main', port, nodePort }] }))
  await client.create(ENDPOINT_SLICES, sliceOf('web', nodePort, [NODE_1]))
  assert.match(await eventText(client, 'web', 'EndpointRefused'), /traffic would go in circles/)
  await assert.rejects(ask(CLUSTER_IP, port), { code: 'ECONNRESET' })
})

test('a taken port shows as an event and a condition, and is served once it is free', async (t) => {
  const world = await start(t)
  const { client } = world
  const podPort = await world.pod('127.97.129.1', 'mine')
  const port = await world.pod(CLUSTER_IP, 'of another program')
  await client.create(SERVICES, serviceOf('web', { ports: [{ name: 'main', port }] }))
  await client.create(ENDPOINT_SLICES, sliceOf('web', podPort, ['127.97.129.1']))
  assert.match(
    await eventText(client, 'web', 'PortNotBindable'),
    /^Cannot listen on TCP 127\.97\.16\.9:\d+: another program listens there\. End it, or give the Service another port$/,
  )
  const condition = async (status: string): Promise<true | undefined> => {
    const { status: found } = await client.get<Service>(SERVICES, { namespace: 'default', name: 'web' })
    return found?.conditions?.some((one) => one.type === 'wherry.dev/PortsBound' && one.status === status) || undefined
  }
  await eventually(() => condition('False'), 10_000, 'the condition')
  const [failure] = world.proxy.status().failures
  assert.deepEqual([failure?.service, failure?.code], ['default/web', 'EADDRINUSE'])
  assert.deepEqual(JSON.parse(await adminText(world.proxy, '/status')), world.proxy.status())
  world.end('of another program')
  await eventually(() => condition('True'), 20_000, 'the condition is taken back')
  assert.equal(await ask(CLUSTER_IP, port), 'mine')
})

test('health check ports tell load balancers which nodes have endpoints', async (t) => {
  const world = await start(t)
  const { client } = world
  const podPort = await world.pod('127.97.129.1', 'one')
  const healthCheckNodePort = await freePort(NODE_1)
  await client.create(
    SERVICES,
    serviceOf('web', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      ports: [{ name: 'main', port: await freePort(CLUSTER_IP) }],
      healthCheckNodePort,
    }),
  )
  await client.create(ENDPOINT_SLICES, sliceOf('web', podPort, ['127.97.129.1']))
  const check = async (node: string): Promise<readonly [number, unknown]> => {
    const response = await fetch(`http://${node}:${healthCheckNodePort}/`, { headers: { connection: 'close' } })
    return [response.status, await response.json()]
  }
  const body = (localEndpoints: number): unknown => ({
    service: { namespace: 'default', name: 'web' },
    localEndpoints,
    serviceProxyHealthy: true,
  })
  await eventually(async () => {
    assert.deepEqual(await check(NODE_1), [200, body(1)])
    return true
  }, 10_000)
  assert.deepEqual(await check(NODE_2), [503, body(0)])
})

test('metrics bear the names of kube-proxy, and count what goes through', async (t) => {
  const world = await start(t)
  const { client } = world
  const podPort = await world.pod('127.97.129.1', 'one')
  const port = await freePort(CLUSTER_IP)
  await client.create(SERVICES, serviceOf('web', { ports: [{ name: 'main', port }] }))
  const slice = sliceOf('web', podPort, ['127.97.129.1'])
  const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() }
  await client.create(ENDPOINT_SLICES, { ...slice, metadata: { ...slice.metadata, annotations } })
  await eventually(() => ask(CLUSTER_IP, port), 10_000)
  const text = await adminText(world.proxy, '/metrics')
  for (const name of [
    'kubeproxy_sync_proxy_rules_duration_seconds_count',
    'kubeproxy_network_programming_duration_seconds_count 1',
    'kubeproxy_network_programming_duration_seconds_bucket{le="0.25"}',
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
    'kubeproxy_sync_proxy_rules_endpoint_changes_total 1',
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 0',
    'kubeproxy_sync_proxy_rules_service_changes_total 1',
    'wherry_proxy_connections_opened_total{namespace="default",service="web",port="main"} 1',
    'wherry_proxy_sent_bytes_total{namespace="default",service="web",port="main"} 3',
    'wherry_proxy_listeners{state="bound"} 1',
    'process_resident_memory_bytes',
  ])
    assert.ok(text.includes(name), `${name} in\n${text}`)
  assert.equal(await adminText(world.proxy, '/healthz'), 'ok')
  assert.equal(await adminText(world.proxy, '/proxyMode'), 'userspace')
})

test('a proxy that stops ends its lease, so that no agent waits for it', async (t) => {
  const world = await start(t)
  const lease = { namespace: 'kube-system', name: 'wherry-proxy-test' }
  await eventually(() => world.client.get(LEASES, lease), 10_000)
  await world.proxy.close()
  const { spec } = await world.client.get(LEASES, lease)
  assert.equal(spec?.leaseDurationSeconds, 1)
})
