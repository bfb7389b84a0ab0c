import assert from 'node:assert/strict'
import { request } from 'node:https'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { ENDPOINT_SLICES, NAMESPACES, NODES, SERVICE_ACCOUNTS } from '../../../src/api/resource-type.ts'
import type { EndpointSlice } from '../../../src/api/types/discovery-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createClient } from '../../../src/client/create-client.ts'
import { createHttpTransport } from '../../../src/client/http-transport.ts'
import { createInformerFactory } from '../../../src/client/informer-factory.ts'
import { createEndpointRestriction } from '../../../src/controlplane/apiserver/edge/endpoint-restriction.ts'
import type { AdminServer } from '../../../src/proxy/metrics/admin-server.ts'
import { startClusterAdmin } from '../../../src/proxy/metrics/start-cluster-admin.ts'
import { eventually } from '../../harness/eventually.ts'
import { type Credentials, startTestFront, type TestFront } from '../apiserver/front-fixture.ts'

const NODE = { name: 'node-1', address: '127.99.0.1' }
const SLICE = { namespace: 'kube-system', name: 'wherry-proxy-test' }

interface World {
  readonly cluster: TestFront
  readonly admin: AdminServer
  ask(path: string, credentials?: Credentials & { readonly token?: string; readonly method?: string }): Promise<string>
  slice(): Promise<EndpointSlice | undefined>
}

/** An API server with the rules of a real one, and a proxy's admin server that asks it with the proxy's certificate. */
async function start(t: TestContext, node = true): Promise<World> {
  const cluster = await startTestFront({
    admission: [
      createEndpointRestriction(
        '127.64.0.0/10',
        () => new Set(),
        () => new Set([NODE.address]),
      ),
    ],
  })
  const { api, pki } = cluster
  await api.client.create(NAMESPACES, { metadata: { name: 'kube-system' } })
  if (node) await api.client.create(NODES, { metadata: { name: NODE.name } })
  const transport = createHttpTransport({ server: cluster.url, ca: pki.caPem, ...pki.proxy })
  const client = createClient(transport)
  const common = { client, clock: systemClock, logger: silentLogger }
  const informers = createInformerFactory(common)
  const slices = informers.for(ENDPOINT_SLICES)
  await slices.synced
  const admin = await startClusterAdmin({
    ...common,
    slices,
    host: NODE.address,
    port: 0,
    name: 'test',
    nodeName: NODE.name,
    tls: { ca: pki.caPem, ...pki.proxy },
    metrics: async () => ({ text: 'up 1\n', contentType: 'text/plain' }),
    status: () => ({ services: 3 }),
  })
  t.after(async () => {
    await admin.close()
    informers.close()
    await transport.close()
    await cluster.close()
  })
  return {
    cluster,
    admin,
    ask: (path, { token, method = 'GET', ...credentials } = {}) =>
      new Promise((resolve, reject) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
        const options = { host: NODE.address, port: admin.port, path, method, ca: pki.caPem, agent: false, headers }
        const call = request({ ...options, ...credentials }, (response) => {
          let text = ''
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString()
          })
          response.on('end', () => resolve(`${response.statusCode} ${text.trim()}`))
        })
        call.on('error', reject)
        call.end()
      }),
    slice: async () => (await api.client.list(ENDPOINT_SLICES, { namespace: SLICE.namespace })).items[0],
  }
}

test('monitoring reads the series, administrators and the API server everything, and everybody whether it lives', async (t) => {
  const { ask, cluster } = await start(t)
  const { prometheus, admin, kubeletClient, nodes } = cluster.pki
  assert.equal(await ask('/healthz'), '200 ok')
  assert.equal(await ask('/metrics', prometheus), '200 up 1')
  assert.equal(await ask('/status', prometheus), '403 Forbidden')
  for (const all of [admin, kubeletClient]) {
    assert.equal(await ask('/metrics', all), '200 up 1')
    assert.equal(await ask('/status', all), '200 {"services":3}')
    assert.equal(await ask('/other', all), '404 not found')
  }
  assert.equal(await ask('/metrics', nodes.get(NODE.name)), '403 Forbidden')
  assert.equal(await ask('/metrics'), '401 Unauthorized')
  assert.equal(await ask('/healthz', { method: 'POST' }), '405 method not allowed')
})

test('the account of a Prometheus within the cluster reads with its token, other accounts do not', async (t) => {
  const { ask, cluster } = await start(t)
  const { api, tokens, bindings } = cluster
  const tokenOf = async (name: string): Promise<string> => {
    const { metadata } = await api.client.create(SERVICE_ACCOUNTS, { metadata: { namespace: 'kube-system', name } })
    bindings.accounts.set(`kube-system/${name}`, metadata?.uid ?? '')
    const { token } = await tokens.issue({ namespace: 'kube-system', name, uid: metadata?.uid ?? '' }, [], 600)
    return token
  }
  assert.equal(await ask('/metrics', { token: await tokenOf('prometheus') }), '200 up 1')
  assert.equal(await ask('/metrics', { token: await tokenOf('default') }), '403 Forbidden')
  assert.equal(await ask('/metrics', { token: 'made.up.token' }), '401 Unauthorized')
})

test('who is refused does not keep a connection', async (t) => {
  const { admin, cluster } = await start(t)
  const socket = connect({ host: NODE.address, port: admin.port, ca: cluster.pki.caPem })
  socket.write('GET /metrics HTTP/1.1\r\nhost: proxy\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  assert.match(text, /^HTTP\/1\.1 401 .*connection: close/is)
})

test('where it is stands in an EndpointSlice, which comes back when it is changed or removed, and goes with the proxy', async (t) => {
  const { admin, slice, cluster } = await start(t)
  const { client } = cluster.api
  const seen = async (): Promise<EndpointSlice | undefined> => {
    const found = await slice()
    return found?.ports?.[0]?.port === admin.port ? found : undefined
  }
  const found = await eventually(seen)
  assert.equal(found.metadata?.name, SLICE.name)
  assert.equal(found.metadata?.labels?.['kubernetes.io/service-name'], 'wherry-proxy')
  assert.equal(found.metadata?.ownerReferences?.[0]?.name, NODE.name)
  assert.deepEqual(found.endpoints?.[0]?.addresses, [NODE.address])
  assert.equal(found.endpoints[0].nodeName, NODE.name)
  assert.deepEqual(found.ports, [{ name: 'metrics', port: admin.port, protocol: 'TCP', appProtocol: 'https' }])

  await client.patch(ENDPOINT_SLICES, SLICE, { ports: [{ name: 'metrics', port: 1, protocol: 'TCP' }] })
  await eventually(seen)
  await client.delete(ENDPOINT_SLICES, SLICE)
  await eventually(seen)
  await admin.close()
  assert.equal(await slice(), undefined)
})

test('a node that comes late is waited for', async (t) => {
  const { slice, cluster } = await start(t, false)
  assert.equal(await slice(), undefined)
  await cluster.api.client.create(NODES, { metadata: { name: NODE.name } })
  await eventually(slice)
})
