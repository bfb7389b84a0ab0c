import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { NODES } from '../../../src/api/resource-type.ts'
import {
  createAuthority,
  type KeyAndCertificate,
  openAuthority,
} from '../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import { createPodLogSource } from '../../../src/controlplane/apiserver/edge/pod-log-source.ts'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import { startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

// Rows 2, 3, 9 and 13 of the attack classes, at the proxy to nodes.

const ADDRESS = '127.99.0.1'
const DOCUMENTS = ['stats/summary', 'metrics', 'metrics/resource', 'metrics/cadvisor', 'metrics/probes']

let api: TestServer
let node: Server
let asked: string[] = []
let answer: (request: IncomingMessage, response: ServerResponse) => void
const ok = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'a=b' }).end('"document"')
}

async function addNode(name: string, address: string, port: number): Promise<void> {
  await api.client.create(NODES, { metadata: { name } })
  await api.client.updateStatus(NODES, {
    ...(await api.client.get(NODES, { name })),
    status: { addresses: [{ type: 'InternalIP', address }], daemonEndpoints: { kubeletEndpoint: { Port: port } } },
  })
}

before(async () => {
  const authority = await openAuthority(await createAuthority('test-ca', Date.now()))
  const issue = (commonName: string): Promise<KeyAndCertificate> =>
    authority.issue(
      { commonName, organizations: [], dnsNames: ['n1'], ipAddresses: [ADDRESS], usages: ['client', 'server'] },
      Date.now(),
    )
  const ca = authority.ca.cert
  node = createServer({ ...(await issue('system:node:n1')), ca, requestCert: true }, (request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  })
  await new Promise<void>((resolve) => node.listen(0, ADDRESS, resolve))
  const { port } = node.address() as AddressInfo
  const logSource = createPodLogSource({ clusterCidr: '127.99.0.0/16', ca, ...(await issue('kube-apiserver')) })
  api = await startTestServer({ logSource })
  await addNode('n1', ADDRESS, port)
})
after(async () => {
  await api.close()
  node.close()
  node.closeAllConnections()
})
beforeEach(() => {
  asked = []
  answer = ok
})

function get(rest: string, method = 'GET', name = 'n1'): Promise<WireAnswer> {
  return api.wire({
    path: `/api/v1/nodes/${name}/proxy${rest}`,
    method,
    headers: { accept: 'text/plain;q=0.5, */*;q=0.1' },
  })
}

test('the documents of a node are passed on as they are, with types of our own', async () => {
  for (const document of DOCUMENTS) {
    const { status, text, headers } = await get(`/${document}`)
    assert.deepEqual([status, text], [200, '"document"'], document)
    assert.deepEqual(headers, {
      'content-type': document === 'stats/summary' ? 'application/json' : 'text/plain; version=0.0.4; charset=utf-8',
    })
  }
  assert.deepEqual(
    asked,
    DOCUMENTS.map((document) => `/${document}`),
  )
})

test('nothing else of a node can be reached, however the path is spelled', async () => {
  for (const rest of [
    '',
    '/',
    '/exec/default/web/app',
    '/containerLogs/default/web/app',
    '/logs/../../etc/passwd',
    '/metrics/..',
    '/metrics/../exec/default/web/app',
    '/metrics/%2e%2e/containerLogs/default/web/app',
    '/metrics%2fresource',
    '/metrics%2Fresource',
    '/metrics%3Fx',
    '/metrics%00',
    '/metrics\\resource',
    '//metrics',
    '/metrics//resource',
    '/Metrics',
    '/METRICS/RESOURCE',
    '/stats',
    '/stats/summary/x',
    '/metrics/resource/..',
    '/__proto__',
    '/constructor',
  ])
    assert.equal((await get(rest)).status, 404, rest)
  assert.deepEqual(asked, [])
})

test('a query does not reach the node', async () => {
  assert.equal((await get('/metrics?x=/../exec')).status, 200)
  assert.deepEqual(asked, ['/metrics'])
})

test('a node that does not exist is 404, and other methods are refused', async () => {
  assert.equal((await get('/metrics', 'GET', 'n9')).status, 404)
  for (const method of ['POST', 'PUT', 'DELETE']) assert.equal((await get('/metrics', method)).status, 405, method)
  assert.deepEqual(asked, [])
})

test('a redirect is an error, and where it points is not fetched', async () => {
  for (const status of [301, 302, 303, 307, 308])
    for (const location of [
      '/exec/default/web/app',
      `https://${ADDRESS}/`,
      'http://169.254.169.254/latest/meta-data/',
    ]) {
      asked = []
      answer = (_, response) => void response.writeHead(status, { location }).end('canary')
      const refused = await get('/metrics')
      assert.equal(refused.status, 502)
      assert.doesNotMatch(refused.text, /canary|169\.254|exec/)
      assert.deepEqual(asked, ['/metrics'])
    }
})

test('a node is not dialled anywhere but in the range of the cluster', async () => {
  for (const [i, address] of [
    '127.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '10.0.0.1',
    '127.99.0.1.evil.example',
    '127.099.0.1',
    '2130903041',
  ].entries()) {
    const { port } = node.address() as AddressInfo
    const made = await addNode(`forged-${i}`, address, port).then(
      () => true,
      () => false,
    )
    // Some are refused already where nodes are written.
    if (made) assert.equal((await get('/metrics', 'GET', `forged-${i}`)).status, 500, address)
  }
  assert.deepEqual(asked, [])
})

test('an error of the node stays an error, and its type is ours', async () => {
  answer = (_, response) => void response.writeHead(500, { 'content-type': 'text/html' }).end('<b>no</b>')
  const { status, headers } = await get('/metrics')
  assert.equal(status, 500)
  assert.equal(headers['content-type'], 'text/plain')
})

test('who has no right to nodes/proxy reads only what a narrower right allows', async (t) => {
  const rights = new Set<string>()
  const narrow = await startTestServer({
    logSource: async () => ({
      status: 200,
      body: (async function* () {
        yield Buffer.from('"document"')
      })(),
    }),
    authorizer: {
      authorize: ({ user, verb, resource }) => ({
        allowed:
          user.groups.includes('system:masters') ||
          rights.has(`${verb} ${resource?.resource}/${resource?.subresource}`),
        reason: '',
      }),
    },
  })
  t.after(() => narrow.close())
  await narrow.client.create(NODES, { metadata: { name: 'n1' } })
  const user = { name: 'prometheus', groups: ['system:authenticated'] }
  const read = async (rest: string, method = 'GET'): Promise<number> =>
    (await narrow.wire({ path: `/api/v1/nodes/n1/proxy/${rest}`, user, method })).status
  assert.equal(await read('metrics'), 403)
  rights.add('get nodes/metrics')
  assert.equal(await read('metrics'), 200)
  assert.equal(await read('metrics/resource'), 200)
  assert.equal(await read('stats/summary'), 403)
  assert.equal(await read('exec/default/web/app'), 403)
  assert.equal(await read('metrics', 'POST'), 403)
  rights.add('get nodes/stats')
  assert.equal(await read('stats/summary'), 200)
  rights.clear()
  rights.add('get nodes/proxy')
  assert.equal(await read('stats/summary'), 200)
  assert.equal(await read('exec/default/web/app'), 404)
})

test('nodes, proxies and strangers may not read through it, administrators may', () => {
  const { authorize } = createStaticAuthorizer({ podsOnNode: () => [] })
  const resource = { group: '', version: 'v1', resource: 'nodes', subresource: 'proxy', namespace: '', name: 'n1' }
  const may = (name: string, ...groups: string[]): boolean =>
    authorize({ user: { name, groups }, verb: 'get', resource }).allowed
  assert.equal(may('system:node:n1', 'system:nodes', 'system:authenticated'), false)
  assert.equal(may('system:kube-proxy', 'system:authenticated'), false)
  assert.equal(may('somebody', 'system:authenticated'), false)
  assert.equal(may('system:anonymous', 'system:unauthenticated'), false)
  assert.equal(may('admin', 'wherry:admins', 'system:authenticated'), true)
})
