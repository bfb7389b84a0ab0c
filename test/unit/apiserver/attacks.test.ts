// One or more tests for each class of attack that this room can be hit by, beside those that stand with what they
// attack: 20's limits of bodies and heads in front.test.ts, 16 and 23's encryption at rest with their own.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { openAuditLog } from '../../../src/controlplane/apiserver/edge/audit-log.ts'
import { createAesGcmTransformer } from '../../../src/controlplane/apiserver/edge/encryption.ts'
import { createNodeRestriction } from '../../../src/controlplane/apiserver/edge/node-restriction.ts'
import { createPodLogSource } from '../../../src/controlplane/apiserver/edge/pod-log-source.ts'
import {
  createServiceAccountTokens,
  type TokenBindings,
} from '../../../src/controlplane/apiserver/edge/service-account-tokens.ts'
import { createStaticAuthorizer } from '../../../src/controlplane/apiserver/edge/static-authorizer.ts'
import type { User } from '../../../src/controlplane/apiserver/user.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { eventually } from '../../harness/eventually.ts'
import { ask, startTestFront, type TestFront } from './front-fixture.ts'
import { closed, END_HEADERS, END_STREAM, FRAME, frame, getHead, indexedHeader, PREFACE } from './http2-frames.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

const MIB = 1024 * 1024
const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts'
const PODS = '/api/v1/namespaces/default/pods'
const NODE: User = { name: 'system:node:node-1', groups: ['system:nodes', 'system:authenticated'] }
const OTHER_NODE: User = { name: 'system:node:node-2', groups: ['system:nodes', 'system:authenticated'] }

let server: TestFront
before(async () => {
  server = await startTestFront()
})
after(async () => {
  await server.close()
  assert.deepEqual(server.api.errors, [])
})

function endServer(server: HttpsServer): void {
  server.close()
  server.closeAllConnections()
}

/** The heap after `work`, in bytes above before; what it leaves for the collector counts, what it holds for long does too. */
async function grownBy(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().heapUsed
  await work()
  return process.memoryUsage().heapUsed - before
}

describe('2, 3, 5: what a node says of itself does not lead the API server astray', () => {
  const key = (pki: TestFront['pki']): { cert: string; key: string; ca: string } => ({
    ...pki.kubeletClient,
    ca: pki.caPem,
  })
  const node = (address: string, port: number): object => ({
    metadata: { name: 'node-1' },
    status: { addresses: [{ type: 'InternalIP', address }], daemonEndpoints: { kubeletEndpoint: { Port: port } } },
  })
  const never = new AbortController().signal

  test('a forged address outside the cluster is not dialled', async (t) => {
    let dialled = 0
    const trap = createServer((socket) => {
      dialled += 1
      socket.destroy()
    })
    t.after(() => trap.close())
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
    const { port } = trap.address() as { port: number }
    const source = createPodLogSource({ clusterCidr: '127.99.0.0/16', ...key(server.pki) })
    for (const address of [
      '127.0.0.1',
      '169.254.169.254',
      '0.0.0.0',
      '::1',
      '::ffff:127.0.0.1',
      'localhost',
      '127.99.0.1.example.com',
      '127.990.0.1',
      '127.99.',
      '',
    ])
      assert.throws(
        () => source(node(address, port) as never, '/containerLogs/a/b/c?', never),
        /no address that this API server may call/,
        address,
      )
    assert.equal(dialled, 0)
  })

  test('a redirect is an error, and where it points is not fetched', async (t) => {
    let dialled = 0
    const target = createServer(() => {
      dialled += 1
    })
    t.after(() => target.close())
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
    const { cert, key: own } = server.pki.nodes.get('node-1')!
    const redirecting = createHttpsServer({ cert, key: own }, (_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${(target.address() as { port: number }).port}/` })
      response.end('secret')
    })
    t.after(() => endServer(redirecting))
    await new Promise<void>((resolve) => redirecting.listen(0, '127.99.0.1', resolve))
    const source = createPodLogSource({ clusterCidr: '127.99.0.0/16', ...key(server.pki) })
    const { port } = redirecting.address() as { port: number }
    await assert.rejects(
      source(node('127.99.0.1', port) as never, '/containerLogs/a/b/c?', never),
      (error: { code: number; message: string }) => {
        assert.equal(error.code, 502)
        assert.ok(!error.message.includes('secret'))
        return true
      },
    )
    assert.equal(dialled, 0)
  })

  test('a node whose certificate is not its own is not believed', async (t) => {
    const { cert, key: own } = server.pki.proxy
    const impostor = createHttpsServer({ cert, key: own }, (_, response) => response.end('lies'))
    t.after(() => endServer(impostor))
    await new Promise<void>((resolve) => impostor.listen(0, '127.99.0.1', resolve))
    const source = createPodLogSource({ clusterCidr: '127.99.0.0/16', ...key(server.pki) })
    const { port } = impostor.address() as { port: number }
    await assert.rejects(source(node('127.99.0.1', port) as never, '/containerLogs/a/b/c?', never))
  })

  test('names in a log’s path stay names', async () => {
    const asked: string[] = []
    const own = await startTestServer({
      logSource: async (_, path) => {
        asked.push(path)
        return { status: 200, body: (async function* () {})() }
      },
    })
    await own.wire({ method: 'POST', path: '/api/v1/nodes', body: { metadata: { name: 'n' } } })
    await own.wire({
      method: 'POST',
      path: PODS,
      body: { metadata: { name: 'p' }, spec: { nodeName: 'n', containers: [{ name: 'a', image: 'a' }] } },
    })
    for (const path of ['p%2f..%2f..', '..', '%2e%2e', 'p/../x', 'p%00', 'p%5c..'])
      assert.notEqual((await own.wire({ path: `${PODS}/${path}/log` })).status, 200, path)
    assert.equal((await own.wire({ path: `${PODS}/p/log?container=../../x` })).status, 400)
    assert.deepEqual(asked, [])
    await own.close()
  })
})

describe('9: a path has one meaning', () => {
  const rows: readonly { readonly path: string; readonly status: number }[] = [
    { path: '/api/v1/namespaces/default/nodes', status: 404 },
    { path: '/api/v1/namespaces/default/namespaces', status: 404 },
    { path: '/api/v1/namespaces/default/nodes/node-1', status: 404 },
    { path: '/api/v1/namespaces//pods', status: 404 },
    { path: '/api/v1//pods', status: 404 },
    { path: '//api/v1/pods', status: 404 },
    { path: '/api/v1/namespaces/default/../kube-system/secrets', status: 404 },
    { path: '/api/v1/namespaces/%2e%2e/secrets', status: 404 },
    { path: '/api/v1/namespaces/default%2fsecrets', status: 404 },
    { path: '/api/v1/namespaces/default/secrets%2fa', status: 404 },
    { path: '/api/v1/namespaces/default/secrets/a%00b', status: 404 },
    { path: '/api/v1/namespaces/default/secrets/a%ff', status: 404 },
    { path: '/api/v1/namespaces/default/Secrets', status: 404 },
    { path: '/API/v1/pods', status: 404 },
    { path: '/api/v1/pods/a/b/c/d', status: 404 },
    { path: '/api/v1/pods%20', status: 404 },
    { path: '/apis//v1/deployments', status: 404 },
    { path: '/apis/apps/v1/namespaces/default/pods', status: 404 },
  ]
  for (const { path, status } of rows)
    test(path, async () => {
      assert.equal((await server.api.wire({ path })).status, status)
    })

  test('who may read one namespace’s object does not read another’s by a trick', async () => {
    const own = await startTestServer({
      authorizer: {
        authorize: ({ resource }) => ({
          allowed: resource?.namespace === 'default' && resource.resource === 'configmaps',
          reason: '',
        }),
      },
    })
    const user: User = { name: 'jane', groups: ['system:authenticated'] }
    for (const path of [
      '/api/v1/configmaps',
      '/api/v1/namespaces/kube-system/configmaps',
      '/api/v1/namespaces/default/../kube-system/configmaps',
      '/api/v1/configmaps?fieldSelector=metadata.namespace%3Ddefault',
      '/api/v1/namespaces/default%2f..%2fkube-system/configmaps',
    ])
      assert.equal((await own.wire({ path, user })).status, 403, path)
    assert.equal((await own.wire({ path: '/api/v1/namespaces/default/configmaps', user })).status, 200)
    await own.close()
  })
})

describe('10: what is asked is what is authorized', () => {
  test('the verb follows from method and path, not from what the client says', async () => {
    const seen: string[] = []
    const own = await startTestServer({
      authorizer: {
        authorize: ({ verb, resource }) => {
          seen.push(`${verb} ${resource?.resource}/${resource?.subresource} ${resource?.name}`)
          return { allowed: false, reason: '' }
        },
      },
    }).catch(() => undefined)
    // The fixture makes its namespace with the same rules; it is refused, which does not matter here.
    assert.ok(own)
    seen.length = 0
    const rows: readonly [method: string, path: string, want: string][] = [
      ['GET', `${CONFIG_MAPS_PATH}?watch=true`, 'watch configmaps/ '],
      ['GET', `${CONFIG_MAPS_PATH}?watch`, 'watch configmaps/ '],
      ['GET', `${CONFIG_MAPS_PATH}/a?watch=true`, 'get configmaps/ a'],
      ['HEAD', CONFIG_MAPS_PATH, 'list configmaps/ '],
      ['DELETE', CONFIG_MAPS_PATH, 'deletecollection configmaps/ '],
      ['DELETE', `${CONFIG_MAPS_PATH}?fieldSelector=metadata.name%3Da`, 'deletecollection configmaps/ a'],
      ['GET', `${CONFIG_MAPS_PATH}?fieldSelector=metadata.name%3Da`, 'list configmaps/ a'],
      ['GET', `${CONFIG_MAPS_PATH}?fieldSelector=metadata.name%3Da,metadata.name%3Db`, 'list configmaps/ '],
      ['GET', `${CONFIG_MAPS_PATH}?fieldSelector=metadata.name!%3Da`, 'list configmaps/ '],
      ['POST', `${PODS}/p/eviction`, 'create pods/eviction p'],
      ['GET', `${PODS}/p/log`, 'get pods/log p'],
      ['GET', `${PODS}/p/exec`, 'create pods/exec p'],
      ['GET', `${PODS}/p/attach`, 'create pods/attach p'],
      ['GET', `${PODS}/p/portforward`, 'create pods/portforward p'],
    ]
    for (const [method, path, want] of rows) {
      assert.equal((await own.wire({ method, path, headers: { 'x-http-method-override': 'GET' } })).status, 403)
      assert.equal(seen.at(-1), want, path)
    }
    await own.close()
  })

  test('a right to read is none to run, whatever the method', async () => {
    const reader: User = { name: 'reader', groups: ['system:authenticated'] }
    const own = await startTestServer({
      authorizer: {
        authorize: ({ verb, user }) => ({ allowed: user !== reader || verb === 'get' || verb === 'list', reason: '' }),
      },
    })
    for (const name of ['exec', 'attach', 'portforward'])
      for (const method of ['GET', 'POST']) {
        const { status } = await own.wire({ method, path: `${PODS}/p/${name}?command=id`, user: reader })
        assert.equal(status, 403, `${method} ${name}`)
      }
    await own.close()
  })
})

const tokenFor = (pod: string, uid?: string): object => ({
  spec: { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod, ...(uid === undefined ? {} : { uid }) } },
})

describe('17, 18: a node is held to what is its own', () => {
  let api: TestServer
  const pods: Pod[] = []
  before(async () => {
    const podsOnNode = (name: string): Pod[] => pods.filter((pod) => pod.spec?.nodeName === name)
    api = await startTestServer({
      admission: [createNodeRestriction(podsOnNode)],
      authorizer: createStaticAuthorizer({ podsOnNode }),
      tokens: server.tokens,
    })
    const admin = (path: string, body: object): Promise<WireAnswer> => api.wire({ method: 'POST', path, body })
    for (const name of ['node-1', 'node-2'])
      await admin('/api/v1/nodes', { metadata: { name, labels: { 'node-restriction.kubernetes.io/tier': 'secure' } } })
    for (const [name, nodeName] of [
      ['mine', 'node-1'],
      ['theirs', 'node-2'],
    ] as const) {
      const spec = {
        nodeName,
        serviceAccountName: name,
        containers: [{ name: 'a', image: 'a', envFrom: [{ secretRef: { name: `${name}-secret` } }] }],
      }
      pods.push((await admin(PODS, { metadata: { name }, spec })).body)
      await admin('/api/v1/namespaces/default/serviceaccounts', { metadata: { name } })
      await admin('/api/v1/namespaces/default/secrets', { metadata: { name: `${name}-secret` } })
    }
    await admin('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', {})
    await admin('/api/v1/namespaces', { metadata: { name: 'kube-node-lease' } })
  })
  after(async () => {
    await api.close()
    assert.deepEqual(api.errors, [])
  })

  const owner = [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'u', controller: true }]
  const mirror = (change: { metadata?: object; spec?: object } = {}): object => ({
    metadata: {
      name: 'mirror',
      annotations: { 'kubernetes.io/config.mirror': 'x' },
      ownerReferences: owner,
      ...change.metadata,
    },
    spec: { nodeName: 'node-1', containers: [{ name: 'a', image: 'a' }], ...change.spec },
  })
  const merge = { 'content-type': 'application/merge-patch+json' }
  const rows: readonly {
    readonly name: string
    readonly request: [method: string, path: string, body?: object]
    readonly ok?: true
  }[] = [
    { name: 'a mirror pod of its own', request: ['POST', PODS, mirror()], ok: true },
    { name: 'a pod that is no mirror', request: ['POST', PODS, mirror({ metadata: { annotations: {} } })] },
    { name: 'a mirror pod on another node', request: ['POST', PODS, mirror({ spec: { nodeName: 'node-2' } })] },
    {
      name: 'a mirror pod that another node owns',
      request: ['POST', PODS, mirror({ metadata: { ownerReferences: [{ ...owner[0], name: 'node-2' }] } })],
    },
    {
      name: 'a mirror pod with two owners',
      request: [
        'POST',
        PODS,
        mirror({ metadata: { ownerReferences: [owner[0], { ...owner[0], uid: 'v', controller: false }] } }),
      ],
    },
    {
      name: 'a mirror pod with a service account',
      request: ['POST', PODS, mirror({ spec: { serviceAccountName: 'mine' } })],
    },
    {
      name: 'a mirror pod with a secret',
      request: ['POST', PODS, mirror({ spec: { volumes: [{ name: 'v', secret: { secretName: 'x' } }] } })],
    },
    {
      name: 'a mirror pod with a ConfigMap',
      request: ['POST', PODS, mirror({ spec: { volumes: [{ name: 'v', configMap: { name: 'x' } }] } })],
    },
    {
      name: 'a mirror pod with a claim',
      request: [
        'POST',
        PODS,
        mirror({ spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'x' } }] } }),
      ],
    },
    {
      name: 'a mirror pod with a trust bundle',
      request: [
        'POST',
        PODS,
        mirror({
          spec: {
            volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle: { name: 'x', path: 'x' } }] } }],
          },
        }),
      ],
    },
    {
      name: 'a mirror pod with a resource claim (CVE-2025-4563)',
      request: ['POST', PODS, mirror({ spec: { resourceClaims: [{ name: 'r', resourceClaimName: 'x' }] } })],
    },
    {
      name: 'a mirror pod with a secret in an init container’s environment',
      request: [
        'POST',
        PODS,
        mirror({
          spec: {
            initContainers: [
              { name: 'i', image: 'i', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'x', key: 'y' } } }] },
            ],
          },
        }),
      ],
    },
    {
      name: 'the status of its own pod',
      request: ['PATCH', `${PODS}/mine/status`, { status: { message: 'x' } }],
      ok: true,
    },
    {
      name: 'the status of another node’s pod',
      request: ['PATCH', `${PODS}/theirs/status`, { status: { message: 'x' } }],
    },
    {
      name: 'labels through a status',
      request: ['PATCH', `${PODS}/mine/status`, { metadata: { labels: { a: 'b' } } }],
    },
    {
      name: 'the specification of its own pod',
      request: ['PATCH', `${PODS}/mine`, { metadata: { labels: { a: 'b' } } }],
    },
    { name: 'the end of another node’s pod', request: ['DELETE', `${PODS}/theirs`] },
    {
      name: 'the eviction of another node’s pod',
      request: ['POST', `${PODS}/theirs/eviction`, { metadata: { name: 'theirs' } }],
    },
    { name: 'all pods at once', request: ['DELETE', PODS] },
    {
      name: 'the binding of a pod to itself',
      request: ['POST', `${PODS}/theirs/binding`, { metadata: { name: 'theirs' }, target: { name: 'node-1' } }],
    },
    {
      name: 'its own status',
      request: ['PATCH', '/api/v1/nodes/node-1/status', { status: { phase: 'Running' } }],
      ok: true,
    },
    {
      name: 'another node’s status',
      request: ['PATCH', '/api/v1/nodes/node-2/status', { status: { phase: 'Running' } }],
    },
    {
      name: 'its own restricted labels',
      request: [
        'PATCH',
        '/api/v1/nodes/node-1',
        { metadata: { labels: { 'node-restriction.kubernetes.io/tier': 'x' } } },
      ],
    },
    {
      name: 'labels in Kubernetes’ own domains',
      request: [
        'PATCH',
        '/api/v1/nodes/node-1',
        { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } },
      ],
    },
    {
      name: 'restricted labels through its status',
      request: [
        'PATCH',
        '/api/v1/nodes/node-1/status',
        { metadata: { labels: { 'node-restriction.kubernetes.io/tier': null } } },
      ],
    },
    {
      name: 'its own taints',
      request: ['PATCH', '/api/v1/nodes/node-1', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }],
    },
    {
      name: 'its own owner (CVE-2025-5187)',
      request: [
        'PATCH',
        '/api/v1/nodes/node-1',
        { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'x' }] } },
      ],
    },
    { name: 'another node', request: ['POST', '/api/v1/nodes', { metadata: { name: 'node-3' } }] },
    { name: 'its own end', request: ['DELETE', '/api/v1/nodes/node-1'] },
    {
      name: 'its own lease',
      request: [
        'POST',
        '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
        { metadata: { name: 'node-1' } },
      ],
      ok: true,
    },
    {
      name: 'another node’s lease',
      request: [
        'POST',
        '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
        { metadata: { name: 'node-2' } },
      ],
    },
    {
      name: 'a lease elsewhere',
      request: ['POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases', { metadata: { name: 'node-1' } }],
    },
    {
      name: 'a secret that its pod uses',
      request: ['GET', '/api/v1/namespaces/default/secrets/mine-secret'],
      ok: true,
    },
    {
      name: 'a watch of a secret that its pod uses',
      request: ['GET', '/api/v1/namespaces/default/secrets?watch=1&fieldSelector=metadata.name%3Dmine-secret'],
      ok: true,
    },
    {
      name: 'a secret that another node’s pod uses',
      request: ['GET', '/api/v1/namespaces/default/secrets/theirs-secret'],
    },
    { name: 'all secrets', request: ['GET', '/api/v1/namespaces/default/secrets'] },
    {
      name: 'secrets by a selector that leaves more than one',
      request: ['GET', '/api/v1/secrets?fieldSelector=metadata.name!%3Dmine-secret'],
    },
    {
      name: 'a secret of the same name elsewhere',
      request: ['GET', '/api/v1/namespaces/kube-system/secrets/mine-secret'],
    },
    { name: 'a token that outlives its pod', request: ['POST', `${ACCOUNTS}/mine/token`, {}] },
    { name: 'a token for a pod without saying which', request: ['POST', `${ACCOUNTS}/mine/token`, tokenFor('mine')] },
    { name: 'a token for another node’s pod', request: ['POST', `${ACCOUNTS}/theirs/token`, tokenFor('theirs', 'x')] },
    {
      name: 'a token for another node’s account',
      request: ['POST', '/api/v1/namespaces/default/serviceaccounts/theirs/token', {}],
    },
    {
      name: 'a role of its own making',
      request: ['POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'x' } }],
    },
  ]
  for (const {
    name,
    request: [method, path, body],
    ok,
  } of rows)
    test(`${ok ? 'it may' : 'it may not'}: ${name}`, async () => {
      const answer = await api.wire({
        method,
        path,
        body,
        user: NODE,
        headers: method === 'PATCH' ? merge : {},
        readMs: 50,
      })
      assert.equal(answer.status < 300, ok === true, answer.text)
      if (ok === undefined) assert.equal(answer.status, 403, answer.text)
    })

  test('it may: a token for the account of its pod, bound to that pod', async () => {
    const body = tokenFor('mine', pods[0]!.metadata!.uid)
    const { status, text } = await api.wire({ method: 'POST', path: `${ACCOUNTS}/mine/token`, body, user: NODE })
    assert.equal(status, 201, text)
  })

  test('the old object is the one in the store, whatever the request says it was (CVE-2021-25735)', async () => {
    const stored = (await api.wire({ path: '/api/v1/nodes/node-1' })).body
    // The labels are gone from what it sends, as if they had never been: that is a change all the same.
    const { status } = await api.wire({
      method: 'PUT',
      path: '/api/v1/nodes/node-1',
      user: NODE,
      body: { ...stored, metadata: { name: 'node-1' } },
    })
    assert.equal(status, 403)
    const other = await api.wire({ method: 'PUT', path: '/api/v1/nodes/node-1', user: OTHER_NODE, body: stored })
    assert.equal(other.status, 403)
  })
})

describe('19: bodies that would blow up do not', () => {
  const deep = (depth: number): string => `{"metadata":{"name":"x"},"data":${'['.repeat(depth)}${']'.repeat(depth)}}`
  const laughs =
    'a: &a [x,x,x,x,x,x,x,x,x]\n' +
    [...'bcdefghi']
      .map(
        (c, i) =>
          `${c}: &${c} [${Array(9)
            .fill(`*${String.fromCharCode(97 + i)}`)
            .join(',')}]\n`,
      )
      .join('')
  const rows: readonly {
    readonly name: string
    readonly type?: string
    readonly body: () => string
    readonly status: readonly number[]
  }[] = [
    { name: 'a billion laughs in YAML', type: 'application/yaml', body: () => laughs, status: [400] },
    { name: 'a YAML alias of itself', type: 'application/yaml', body: () => 'a: &a [*a]', status: [400] },
    { name: 'YAML nested 10⁵ deep', type: 'application/yaml', body: () => '['.repeat(100_000), status: [400] },
    { name: 'JSON nested 10⁵ deep', body: () => deep(100_000), status: [400] },
    { name: 'JSON nested 1,000 deep', body: () => deep(1_000), status: [400] },
    { name: '10⁶ keys', body: () => `{${'"a":1,'.repeat(400_000)}"metadata":{"name":"x"}}`, status: [201] },
    {
      name: '10⁵ different keys',
      body: () =>
        `{"metadata":{"name":"x"},"data":{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":"v"`).join()}}}`,
      status: [201, 422],
    },
    {
      name: 'a key of 2 MiB, doubled 10⁵ times behind it',
      body: () => `{"metadata":{"name":"x"},"${'k'.repeat(2 * MIB)}":{${Array(90_000).fill('"a":1').join()}}}`,
      status: [201],
    },
    {
      name: 'a number of a million digits',
      body: () => `{"metadata":{"name":"x"},"immutable":${'9'.repeat(1_000_000)}}`,
      status: [400],
    },
    { name: 'a huge exponent', body: () => '{"metadata":{"name":"x","generation":1e999999999}}', status: [400] },
    {
      name: 'broken UTF-8',
      body: () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) as unknown as string,
      status: [400, 422],
    },
  ]
  for (const { name, type = 'application/json', body, status } of rows)
    test(name, async () => {
      const sent = body()
      const grown = await grownBy(async () => {
        const answer = await server.api.wire({
          method: 'POST',
          path: `${CONFIG_MAPS_PATH}?dryRun=All`,
          headers: { 'content-type': type },
          body: sent,
        })
        assert.ok(status.includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`)
        assert.ok(answer.text.length < 4 * MIB)
      })
      assert.ok(grown < 200 * MIB, `${grown}`)
    })

  test('a compressed body is not even opened', async () => {
    const { status } = await server.api.wire({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      headers: { 'content-encoding': 'gzip' },
      body: Buffer.alloc(100),
    })
    assert.equal(status, 415)
  })

  test('a JSON patch does not copy a document into a giant (CVE-2019-1002100), nor run for ever', async () => {
    await server.api.wire({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      body: configMap('copied', { a: 'x'.repeat(100_000) }),
    })
    const patch = (operations: readonly object[]): Promise<WireAnswer> =>
      server.api.wire({
        method: 'PATCH',
        path: `${CONFIG_MAPS_PATH}/copied`,
        headers: { 'content-type': 'application/json-patch+json' },
        body: operations,
      })
    const doubling = Array.from({ length: 60 }, (_, i) => ({ op: 'copy', from: '', path: `/x${i}` }))
    assert.equal((await patch(doubling)).status, 413)
    assert.equal((await patch(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: 1 })))).status, 413)
    const list = { op: 'add', path: '/l', value: Array.from({ length: 100_000 }, () => 0) }
    const shifting = Array.from({ length: 9_000 }, () => ({ op: 'add', path: '/l/0', value: 0 }))
    assert.equal((await patch([list, ...shifting])).status, 413)
  })

  test('a strategic merge patch of a long list is no square', async () => {
    const containers = Array.from({ length: 2_000 }, (_, i) => ({ name: `c${i}`, image: 'a' }))
    await server.api.wire({ method: 'POST', path: PODS, body: { metadata: { name: 'long' }, spec: { containers } } })
    const { status } = await server.api.wire({
      method: 'PATCH',
      path: `${PODS}/long`,
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
      body: { spec: { containers: containers.map(({ name }) => ({ name, image: 'b' })) } },
    })
    assert.equal(status, 200)
  })
})

describe('20: floods on the wire end their own connection', () => {
  /** Sends until the server has had enough; tells whether it ended the connection. */
  const flood = async (send: (i: number) => Buffer, count: number): Promise<boolean> => {
    const socket = await server.socket({ ...server.pki.admin, ALPNProtocols: ['h2'] })
    assert.equal(socket.alpnProtocol, 'h2')
    let ended = false
    const end = closed(socket).then(() => {
      ended = true
    })
    socket.write(PREFACE)
    for (let i = 0; i < count && !ended; i++) {
      if (!socket.write(send(i)))
        await Promise.race([end, new Promise<void>((resolve) => void socket.once('drain', resolve))])
    }
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 500))])
    socket.destroy()
    return ended
  }
  const stillServes = async (): Promise<void> => {
    assert.equal((await ask(server.session(server.pki.admin), { ':path': '/readyz' })).text, 'ok')
  }

  test('rapid reset (CVE-2023-44487)', async () => {
    const head = getHead('/version')
    assert.ok(
      await flood(
        (i) =>
          Buffer.concat([
            frame(FRAME.headers, END_STREAM | END_HEADERS, 1 + 2 * i, head),
            frame(FRAME.reset, 0, 1 + 2 * i, Buffer.from([0, 0, 0, 8])),
          ]),
        5_000,
      ),
    )
    await stillServes()
  })

  test('resets that the server is made to send (CVE-2025-8671)', async () => {
    const head = getHead('/version')
    // A window update of nothing is an error of the stream, which the server has to reset.
    assert.ok(
      await flood(
        (i) =>
          Buffer.concat([
            frame(FRAME.headers, END_HEADERS, 1 + 2 * i, head),
            frame(FRAME.windowUpdate, 0, 1 + 2 * i, Buffer.alloc(4)),
          ]),
        20_000,
      ),
    )
    await stillServes()
  })

  test('a head that never ends (CVE-2024-27983)', async () => {
    const part = indexedHeader('x-a', 'y'.repeat(16_000))
    assert.ok(
      await flood(
        (i) => (i === 0 ? frame(FRAME.headers, 0, 1, getHead('/version')) : frame(FRAME.continuation, 0, 1, part)),
        5_000,
      ),
    )
    await stillServes()
  })

  test('a head that unpacks to a giant', async () => {
    // One long header, put into the table once and then named by a single byte, again and again.
    const block = Buffer.concat([
      getHead('/version'),
      indexedHeader('x-a', 'y'.repeat(3_900)),
      Buffer.alloc(12_000, 0x80 | 62),
    ])
    const grown = await grownBy(() =>
      flood((i) => frame(FRAME.headers, END_STREAM | END_HEADERS, 1 + 2 * i, block), 20),
    )
    assert.ok(grown < 200 * MIB, String(grown))
    await stillServes()
  })

  test('pings and settings without end', async () => {
    const grown = await grownBy(async () => {
      await flood(() => frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 20_000)
      await flood(() => frame(FRAME.settings, 0, 0), 20_000)
    })
    assert.ok(grown < 200 * MIB, String(grown))
    await stillServes()
  })

  test('nonsense for frames', async () => {
    assert.ok(await flood(() => Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'), 5))
    assert.ok(await flood((i) => frame(FRAME.data, 0, 1 + 2 * i, Buffer.alloc(10)), 5_000))
    assert.ok(await flood(() => frame(FRAME.headers, END_STREAM | END_HEADERS, 2, getHead('/version')), 5))
    await stillServes()
  })
})

describe('23, 24: secrets and identities stay where they belong', () => {
  const CANARY = 'c4n4ry-5b1f'

  test('a canary in objects, tokens and bad requests is in no log, audit line or error', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'wherry-canary-'))
    const lines: string[] = []
    const listen = (fields: object, message: string): void =>
      void lines.push(`${message} ${JSON.stringify(fields, (_, v) => (v instanceof Error ? v.stack : v))}`)
    const logger = {
      trace: listen,
      debug: listen,
      info: listen,
      warn: listen,
      error: listen,
      fatal: listen,
      child: () => logger,
    }
    const audit = openAuditLog({ path: join(directory, 'audit.log'), clock: systemClock, logger: logger as never })
    const store = createMemoryStore()
    const transform = createAesGcmTransformer([{ name: 'k', secret: Buffer.alloc(32, 7) }], ['/registry/secrets/'])
    const own = await startTestFront({
      logger: logger as never,
      onRequest: (record) => audit.record(record),
      transform,
      store,
    })
    const admin = own.session(own.pki.admin)
    const secrets = '/api/v1/namespaces/default/secrets'
    const json = { 'content-type': 'application/json' }
    const encoded = Buffer.from(CANARY).toString('base64')
    await ask(
      admin,
      { ':method': 'POST', ':path': secrets, ...json },
      JSON.stringify({ metadata: { name: 's' }, data: { password: encoded } }),
    )
    const refusals = [
      await ask(
        admin,
        { ':method': 'POST', ':path': secrets, ...json },
        JSON.stringify({ metadata: { name: 'S' }, data: { password: encoded } }),
      ),
      await ask(
        admin,
        { ':method': 'POST', ':path': secrets, ...json },
        JSON.stringify({ metadata: { name: 't' }, data: { 'bad key': encoded }, stringData: { '!': CANARY } }),
      ),
      await ask(
        admin,
        { ':method': 'PATCH', ':path': `${secrets}/s`, 'content-type': 'application/merge-patch+json' },
        '{"type":"other"}',
      ),
      await ask(own.session(), { ':path': secrets, authorization: `Bearer ${CANARY}` }),
      await ask(own.session(own.pki.proxy), { ':path': `${secrets}/s`, authorization: `Bearer ${CANARY}` }),
      await ask(admin, { ':path': `${secrets}?fieldSelector=type%3D${CANARY}`, cookie: CANARY }),
    ]
    for (const { status, text } of refusals)
      assert.ok(!text.includes(CANARY) && !text.includes(encoded), `${status} ${text}`)
    const read = await ask(admin, { ':path': `${secrets}/s` })
    assert.equal(read.body.data.password, encoded)
    await own.close()
    await audit.close()
    const audited = readFileSync(join(directory, 'audit.log'), 'utf8')
    assert.match(audited, /"verb":"create"/)
    assert.match(audited, /"code":401/)
    for (const text of [audited, ...lines]) assert.ok(!text.includes(CANARY) && !text.includes(encoded), text)
    rmSync(directory, { recursive: true })
  })

  test('what is stored of a secret is not readable without the key', async () => {
    const store = createMemoryStore()
    const own = await startTestServer({
      store,
      transform: createAesGcmTransformer([{ name: 'k', secret: Buffer.alloc(32, 7) }], ['/registry/secrets/']),
    })
    await own.wire({
      method: 'POST',
      path: '/api/v1/namespaces/default/secrets',
      body: { metadata: { name: 's' }, stringData: { a: CANARY } },
    })
    const { value } = (await store.get('/registry/secrets/default/s'))!
    const text = Buffer.from(value).toString('latin1')
    assert.ok(text.startsWith('k8s:enc:aesgcm:v1:k:'))
    assert.ok(!text.includes(CANARY) && !text.includes(Buffer.from(CANARY).toString('base64')))
    await own.close()
  })

  test('identity headers of a proxy count for nothing', async () => {
    const headers = {
      'x-remote-user': 'wherry-admin',
      'x-remote-group': 'wherry:admins',
      'x-remote-extra-a': 'b',
      'x-forwarded-user': 'wherry-admin',
      'x-forwarded-client-cert': 'x',
    }
    const { status, body } = await ask(server.session(), { ':path': CONFIG_MAPS_PATH, ...headers })
    assert.equal(status, 403)
    assert.match(body.message, /User "system:anonymous"/)
  })
})

describe('25: tokens', () => {
  const clock = new VirtualClock()
  const keys = { accounts: new Map([['default/robot', 'u1']]), pods: new Map([['default/p', 'p1']]) }
  const bindings: TokenBindings = {
    serviceAccountUid: (namespace, name) => keys.accounts.get(`${namespace}/${name}`),
    podUid: (namespace, name) => keys.pods.get(`${namespace}/${name}`),
  }
  const subject = { namespace: 'default', name: 'robot', uid: 'u1', pod: { name: 'p', uid: 'p1' } }
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  let tokens: ReturnType<typeof createServiceAccountTokens>
  let publicPem: string
  before(async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    tokens = createServiceAccountTokens(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), clock)
    publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  })
  const issue = async (): Promise<string> => (await tokens.issue(subject, [], 600)).token

  test('a good one is good', async () => {
    assert.equal((await tokens.verify(await issue(), bindings))?.name, 'system:serviceaccount:default:robot')
  })

  test('not without a signature, nor signed with the public key as if it were a secret', async () => {
    const [, payload] = (await issue()).split('.')
    for (const alg of ['none', 'None', 'NONE'])
      assert.equal(await tokens.verify(`${part({ alg, typ: 'JWT' })}.${payload}.`, bindings), undefined)
    const head = part({ alg: 'HS256', typ: 'JWT' })
    const signature = createHmac('sha256', publicPem).update(`${head}.${payload}`).digest('base64url')
    assert.equal(await tokens.verify(`${head}.${payload}.${signature}`, bindings), undefined)
  })

  test('not with a key of its own choice', async () => {
    const [, payload, signature] = (await issue()).split('.')
    for (const extra of [
      { kid: '../../../dev/null' },
      { jku: 'http://127.0.0.1/' },
      { x5u: 'http://127.0.0.1/' },
      { jwk: {} },
      { crit: ['x'], x: 1 },
    ])
      assert.equal(
        await tokens.verify(`${part({ alg: 'ES256', typ: 'JWT', ...extra })}.${payload}.${signature}`, bindings),
        undefined,
      )
  })

  test('not altered by a single character', async () => {
    const token = await issue()
    for (const at of [5, token.indexOf('.') + 10, token.lastIndexOf('.') + 10]) {
      const other = token[at] === 'A' ? 'B' : 'A'
      assert.equal(await tokens.verify(`${token.slice(0, at)}${other}${token.slice(at + 1)}`, bindings), undefined)
    }
  })

  test('not for another audience, nor after its time', async () => {
    const { token } = await tokens.issue(subject, ['vault'], 600)
    assert.equal(await tokens.verify(token, bindings), undefined)
    assert.ok(await tokens.verify(token, bindings, ['vault']))
    const own = await issue()
    await clock.advance(601_000)
    assert.equal(await tokens.verify(own, bindings), undefined)
  })

  test('not once its account or its pod is gone or made anew', async () => {
    const token = await issue()
    keys.pods.set('default/p', 'p2')
    assert.equal(await tokens.verify(token, bindings), undefined)
    keys.pods.delete('default/p')
    assert.equal(await tokens.verify(token, bindings), undefined)
    keys.pods.set('default/p', 'p1')
    assert.ok(await tokens.verify(token, bindings))
    keys.accounts.set('default/robot', 'u2')
    assert.equal(await tokens.verify(token, bindings), undefined)
    keys.accounts.set('default/robot', 'u1')
  })

  test('not of a service account’s name in a certificate’s clothes: rubbish is refused in no time', async () => {
    for (const token of ['', '.', '..', 'a.b.c', 'x'.repeat(100_000), `${'a.'.repeat(50_000)}`, '\u0000'])
      assert.equal(await tokens.verify(token, bindings), undefined)
  })
})

describe('27: names of every object’s own are names like others', () => {
  const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype']
  const untouched = (): void => {
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.deepEqual(Object.keys(Object.prototype), [])
  }

  test('as keys of data, labels’ values and annotations they come back as they went', async () => {
    const data = Object.fromEntries(NAMES.filter((name) => name !== '__proto__').map((name) => [name, 'x']))
    const body = `{"metadata":{"name":"proto","annotations":{"constructor":"a","toString":"b"},"labels":{"toString":"constructor"}},"data":{"__proto__":"own",${JSON.stringify(data).slice(1)}}`
    const { status, text } = await server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body })
    assert.equal(status, 201, text)
    const read = (await server.api.wire({ path: `${CONFIG_MAPS_PATH}/proto` })).text
    assert.match(read, /"__proto__":"own"/)
    for (const name of NAMES) assert.match(read, new RegExp(`"${name}":"`))
    const listed = await server.api.wire({ path: `${CONFIG_MAPS_PATH}?labelSelector=toString%3Dconstructor` })
    assert.equal(listed.body.items.length, 1)
    assert.equal((await server.api.wire({ path: `${CONFIG_MAPS_PATH}?labelSelector=valueOf` })).body.items.length, 0)
    untouched()
  })

  test('as fields, patches and paths they reach nothing', async () => {
    const patches: readonly [kind: string, body: string][] = [
      ['json-patch', '[{"op":"add","path":"/__proto__/polluted","value":1}]'],
      ['json-patch', '[{"op":"add","path":"/data/__proto__","value":"y"}]'],
      ['json-patch', '[{"op":"copy","from":"/constructor/prototype","path":"/data/a"}]'],
      ['merge-patch', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'],
      ['merge-patch', '{"metadata":{"__proto__":{"polluted":1}}}'],
      ['strategic-merge-patch', '{"__proto__":{"polluted":1},"metadata":{"constructor":{"prototype":{"polluted":1}}}}'],
      ['strategic-merge-patch', '{"data":{"__proto__":"z"}}'],
    ]
    for (const [kind, body] of patches) {
      const { status } = await server.api.wire({
        method: 'PATCH',
        path: `${CONFIG_MAPS_PATH}/proto`,
        headers: { 'content-type': `application/${kind}+json` },
        body,
      })
      assert.ok(status < 500, `${kind} ${body} ${status}`)
      untouched()
    }
    assert.match((await server.api.wire({ path: `${CONFIG_MAPS_PATH}/proto` })).text, /"__proto__":"z"/)
    await server.api.wire({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      headers: { 'content-type': 'application/yaml' },
      body: 'metadata: {name: yaml-proto}\n__proto__: {polluted: 1}\ndata: {__proto__: a}\n',
    })
    untouched()
  })

  test('as names in paths and parameters they are not found', async () => {
    for (const name of NAMES) {
      for (const path of [
        `/api/v1/${name}`,
        `/apis/${name}/v1/pods`,
        `/apis/apps/${name}/pods`,
        `/api/v1/namespaces/${name}/pods/a`,
        `${PODS}/${name}`,
        `${CONFIG_MAPS_PATH}/a/${name}`,
        `/openapi/v3/apis/${name}/v1`,
        `/readyz/${name}`,
      ])
        assert.ok([404].includes((await server.api.wire({ path })).status), path)
      assert.equal((await server.api.wire({ path: `${CONFIG_MAPS_PATH}?${name}=1` })).status, 200)
      assert.equal((await server.api.wire({ path: `${CONFIG_MAPS_PATH}?fieldSelector=${name}%3D1` })).status, 400)
    }
  })
})

describe('28: no text makes a pattern run for long', () => {
  const evil = [
    'a'.repeat(50_000),
    `${'a'.repeat(50_000)}!`,
    `${'a.'.repeat(25_000)}!`,
    `${'-'.repeat(50_000)}`,
    ' '.repeat(50_000),
    `${'a='.repeat(20_000)}`,
    `${'('.repeat(20_000)}`,
    `${'a in (b,'.repeat(5_000)}`,
    '\\,'.repeat(20_000),
  ]
  /** Longest time that the event loop was held up while `work` ran; the whole suite shares the machine, so only the order of it counts. */
  const heldUp = async (work: () => Promise<unknown>): Promise<number> => {
    const before = performance.now()
    await work()
    return performance.now() - before
  }

  test('in selectors, names, labels, values, types and tokens', async () => {
    for (const text of evil) {
      const encoded = encodeURIComponent(text)
      const held = await heldUp(async () => {
        for (const query of [
          `labelSelector=${encoded}`,
          `fieldSelector=${encoded}`,
          `continue=${encoded}`,
          `resourceVersion=${encoded}`,
          `limit=${encoded}`,
        ])
          assert.ok((await server.api.wire({ path: `${CONFIG_MAPS_PATH}?${query}` })).status < 500)
        for (const metadata of [
          { name: text },
          { generateName: text },
          { name: 'a', labels: { a: text } },
          { name: 'a', labels: { [text]: 'a' } },
          { name: 'a', annotations: { [text]: 'a' } },
          { name: 'a', finalizers: [text] },
          { name: 'a', creationTimestamp: text },
        ])
          assert.ok(
            (await server.api.wire({ method: 'POST', path: `${CONFIG_MAPS_PATH}?dryRun=All`, body: { metadata } }))
              .status < 500,
          )
        const spec = {
          containers: [
            {
              name: 'a',
              image: text,
              resources: { limits: { cpu: text } },
              ports: [{ containerPort: 1, hostIP: text, name: text }],
              env: [{ name: 'A', value: text }],
            },
          ],
          hostname: text,
        }
        assert.ok(
          (
            await server.api.wire({
              method: 'POST',
              path: `${PODS}?dryRun=All`,
              body: { metadata: { name: 'a' }, spec },
            })
          ).status < 500,
        )
        for (const name of ['accept', 'content-type', 'if-none-match'])
          assert.ok((await server.api.wire({ path: '/api', headers: { [name]: text } })).status < 500)
      })
      // About twenty requests: a pattern that backtracks would need minutes for one.
      assert.ok(held < 10_000, `${text.slice(0, 20)}… took ${held} ms`)
    }
  })
})

describe('29: integers keep every digit', () => {
  const LONG = ['9007199254740993', '9223372036854775807', '-9223372036854775808']

  test('through creating, reading, patching, listing and watching', async () => {
    for (const [i, number] of LONG.entries()) {
      const name = `long-${i}`
      const pod = `{"metadata":{"name":"${name}"},"spec":{"terminationGracePeriodSeconds":${number},"containers":[{"name":"a","image":"a"}]}}`
      const made = await server.api.wire({ method: 'POST', path: PODS, body: pod })
      assert.equal(made.status, 201, made.text)
      const shown = new RegExp(`"terminationGracePeriodSeconds":${number}[,}]`)
      assert.match(made.text, shown)
      const read = await server.api.wire({ path: `${PODS}/${name}` })
      assert.match(read.text, shown)
      assert.equal((await server.api.wire({ method: 'PUT', path: `${PODS}/${name}`, body: read.text })).text, read.text)
      for (const [kind, body] of [
        ['merge-patch', '{"metadata":{"labels":{"a":"b"}}}'],
        ['strategic-merge-patch', '{"metadata":{"labels":{"a":"c"}}}'],
        ['json-patch', '[{"op":"add","path":"/metadata/labels/d","value":"e"}]'],
      ] as const)
        assert.match(
          (
            await server.api.wire({
              method: 'PATCH',
              path: `${PODS}/${name}`,
              headers: { 'content-type': `application/${kind}+json` },
              body,
            })
          ).text,
          shown,
          kind,
        )
      assert.match((await server.api.wire({ path: PODS })).text, shown)
      assert.match((await server.api.wire({ path: `${PODS}?watch=1&resourceVersion=0`, readMs: 100 })).text, shown)
      const yaml = `metadata: {name: yaml-${i}}\nspec: {terminationGracePeriodSeconds: ${number}, containers: [{name: a, image: a}]}\n`
      assert.match(
        (
          await server.api.wire({
            method: 'POST',
            path: PODS,
            headers: { 'content-type': 'application/yaml' },
            body: yaml,
          })
        ).text,
        shown,
      )
      const deleted = await server.api.wire({ method: 'DELETE', path: `${PODS}/${name}` })
      assert.equal(deleted.status, 200, deleted.text)
    }
  })

  test('and beyond what the field holds they are refused, not rounded', async () => {
    for (const number of ['9223372036854775808', '1e30', '99999999999999999999']) {
      const pod = `{"metadata":{"name":"over"},"spec":{"terminationGracePeriodSeconds":${number},"containers":[{"name":"a","image":"a"}]}}`
      const { status, body } = await server.api.wire({ method: 'POST', path: PODS, body: pod })
      assert.equal(status, 400)
      assert.match(body.message, /cannot unmarshal number/)
    }
  })

  test('versions of 2⁶³ and more are versions like others', async () => {
    const { status, body } = await server.api.wire({
      method: 'PUT',
      path: `${CONFIG_MAPS_PATH}/proto`,
      body: configMap('proto', {}, { resourceVersion: '9223372036854775807' }),
    })
    assert.deepEqual([status, body.reason], [409, 'Conflict'])
  })
})

test('7: the server goes on after all of this', async () => {
  assert.equal((await ask(server.session(server.pki.admin), { ':path': '/readyz?verbose' })).status, 200)
  await eventually(async () => ((await server.api.server.verifyCaches()) ? true : undefined))
})
