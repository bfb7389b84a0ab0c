import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Attributes } from '../../../src/controlplane/apiserver/authorizer.ts'
import {
  createPodStreamSource,
  type PodStreamSource,
} from '../../../src/controlplane/apiserver/edge/pod-stream-source.ts'
import {
  answeredUpgrade,
  askedUpgrade,
  bearerProtocol,
} from '../../../src/controlplane/apiserver/edge/upgrade-headers.ts'
import { eventually } from '../../harness/eventually.ts'
import { ask, startTestFront, type TestFront } from './front-fixture.ts'

// The way of exec, attach and port-forward through the API server, with a node that answers what a test wants.

const CIDR = '127.99.0.0/16'
const NODE_ADDRESS = '127.99.0.1'
const POD = '/api/v1/namespaces/default/pods/web'
const EXEC = `${POD}/exec?command=cat&stdin=true&stdout=true&container=c`
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n'

let front: TestFront
let node: Server
/** Of each connection to the node: what it received, and whether it is over. */
let calls: { readonly socket: TLSSocket; received: string; over: boolean }[] = []
let nodeAnswer: string
let attributes: Attributes[] = []

before(async () => {
  let source: PodStreamSource | undefined
  front = await startTestFront({
    streamSource: (...args) => source!(...args),
    authorizer: {
      // The proxy may only read.
      authorize(asked) {
        attributes.push(asked)
        return { allowed: asked.user.name !== 'system:kube-proxy' || asked.verb === 'get', reason: '' }
      },
    },
  })
  const { pki } = front
  source = createPodStreamSource({ clusterCidr: CIDR, ca: pki.caPem, ...pki.kubeletClient })
  node = createServer({ ...pki.nodes.get('node-1')!, ca: pki.caPem, requestCert: true }, (socket) => {
    const call = { socket, received: '', over: false }
    calls.push(call)
    let answered = false
    socket.on('error', () => {})
    socket.on('close', () => {
      call.over = true
    })
    socket.on('data', (chunk: Buffer) => {
      call.received += chunk.toString('latin1')
      if (answered || !call.received.includes('\r\n\r\n')) return
      answered = true
      socket.write(nodeAnswer)
    })
  })
  await new Promise<void>((resolve) => node.listen(0, NODE_ADDRESS, resolve))
  await make('/api/v1/nodes', nodeAt('node-1', NODE_ADDRESS))
  await make('/api/v1/namespaces/default/pods', pod('web', 'node-1'))
})
after(async () => {
  node?.close()
  for (const { socket } of calls) socket.destroy()
  await front?.close()
})
beforeEach(() => {
  for (const { socket } of calls) socket.destroy()
  calls = []
  attributes = []
  nodeAnswer = SWITCHED
})

function nodeAt(name: string, address: string): { readonly metadata: object; readonly status: object } {
  const { port } = node.address() as AddressInfo
  const status = {
    addresses: [{ type: 'InternalIP', address }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  }
  return { metadata: { name }, status }
}

function pod(name: string, nodeName: string): object {
  return { metadata: { name }, spec: { nodeName, containers: [{ name: 'c', image: 'x' }] } }
}

async function make(path: string, object: object): Promise<void> {
  const created = await front.api.wire({
    method: 'POST',
    path,
    body: object,
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(created.status, 201, created.text)
  const { status } = object as { readonly status?: object }
  if (status === undefined) return
  const { name } = created.body.metadata
  const updated = await front.api.wire({
    method: 'PUT',
    path: `${path}/${name}/status`,
    body: { ...created.body, status },
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(updated.status, 200, updated.text)
}

interface Client {
  readonly socket: TLSSocket
  received: string
  over: boolean
}

/** Sends a request for SPDY/3.1 as this user and whatever comes right after its head. */
async function upgrade(
  path: string,
  options: {
    readonly method?: string
    readonly as?: 'admin' | 'proxy'
    readonly headers?: readonly string[]
    readonly early?: string
  } = {},
): Promise<Client> {
  const socket = await front.socket(front.pki[options.as ?? 'admin'])
  const client: Client = { socket, received: '', over: false }
  socket.on('data', (chunk: Buffer) => {
    client.received += chunk.toString('latin1')
  })
  socket.on('close', () => {
    client.over = true
  })
  const headers = ['Host: api', 'Connection: Upgrade', 'Upgrade: SPDY/3.1', ...(options.headers ?? [])]
  socket.write(`${options.method ?? 'POST'} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${options.early ?? ''}`)
  return client
}

const until = (check: () => boolean, what: string): Promise<true> =>
  eventually(() => (check() ? true : undefined), 10_000, what)

function statusOf(client: Client): number {
  return Number(/^HTTP\/1\.1 (\d+) /.exec(client.received)?.[1])
}

describe('a node that switches protocols', () => {
  test('is joined with the client: bytes go both ways, those that came early, too, and after the 101 only', async () => {
    const client = await upgrade(EXEC, { headers: ['X-Stream-Protocol-Version: v4.channel.k8s.io'], early: 'early ' })
    await until(() => client.received.endsWith('\r\n\r\n'), 'the 101')
    assert.match(
      client.received,
      /^HTTP\/1\.1 101 [^\r]*\r\n(?=[\s\S]*upgrade: SPDY\/3\.1)(?=[\s\S]*x-stream-protocol-version: v4)/i,
    )
    client.socket.write('and late')
    await until(() => calls[0]!.received.endsWith('\r\n\r\nearly and late'), 'the bytes')
    calls[0]!.socket.write('answer')
    await until(() => client.received.endsWith('\r\n\r\nanswer'), 'the answer')
    client.socket.end()
    await until(() => calls[0]!.over, 'the end')
  })

  test('is told what to do, by the API server itself, and nothing of who asked for it', async () => {
    const secret = ['Authorization: Bearer canary', 'Cookie: canary', 'X-Remote-User: canary', 'X-Canary: canary']
    const impersonation = ['Impersonate-User: canary', 'Impersonate-Group: system:masters']
    const client = await upgrade(`${POD}/exec?command=sh&command=-c&command=a%26b&stdin=true&tty=1&stderr=0`, {
      headers: [
        ...secret,
        ...impersonation,
        'Impersonate-Group: wherry:admins',
        'Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.Y2FuYXJ5, v5.channel.k8s.io',
      ],
    })
    await until(() => statusOf(client) === 101, 'the 101')
    const [head] = calls[0]!.received.split('\r\n\r\n')
    assert.equal(
      head!.split('\r\n')[0],
      'GET /exec/default/web/c?input=1&tty=1&command=sh&command=-c&command=a%26b HTTP/1.1',
    )
    assert.doesNotMatch(head!, /canary|Y2FuYXJ5|authorization|cookie|remote|impersonate/i)
    assert.match(head!, /sec-websocket-protocol: v5\.channel\.k8s\.io/i)
    assert.equal(calls[0]!.socket.getPeerCertificate().subject.CN, 'kube-apiserver-kubelet-client')
    assert.equal(calls[0]!.socket.authorized, true)
  })

  test('ports are named to it as the node API wants them', async () => {
    const client = await upgrade(`${POD}/portforward?ports=80,81&ports=82`)
    await until(() => statusOf(client) === 101, 'the 101')
    assert.match(calls[0]!.received, /^GET \/portForward\/default\/web\?port=80&port=81&port=82 /)
  })

  test('ends the client’s connection with its own, after all that it sent', async () => {
    const client = await upgrade(EXEC)
    await until(() => statusOf(client) === 101, 'the 101')
    const bytes = Buffer.alloc(2 << 20, 'x')
    calls[0]!.socket.end(bytes)
    await until(() => client.over, 'the end')
    assert.equal(client.received.split('\r\n\r\n')[1]!.length, bytes.length)
  })

  test('is held up by a client that reads nothing', async () => {
    const client = await upgrade(EXEC)
    await until(() => statusOf(client) === 101, 'the 101')
    client.socket.pause()
    const piece = Buffer.alloc(256 * 1024)
    let taken = 0
    const { socket } = calls[0]!
    let isFull = false
    while (!isFull && taken < 256 << 20) {
      const drained = new Promise<void>((resolve) => socket.write(piece, () => resolve()))
      isFull = await Promise.race([
        drained.then(() => false),
        new Promise<true>((resolve) => setTimeout(resolve, 1_000, true)),
      ])
      if (!isFull) taken += piece.length
    }
    assert.ok(isFull, `${taken} bytes went somewhere`)
  })
})

// Attack class 1 (CVE-2018-1002105): a connection that was not upgraded is not a tunnel. Class 2: redirects.
describe('a node that answers anything else gets nothing more', () => {
  const rows: readonly { readonly name: string; readonly answer: string; readonly want: number }[] = [
    { name: 'a refusal', answer: 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone', want: 404 },
    {
      name: 'a refusal that keeps the connection',
      answer: 'HTTP/1.1 400 Bad Request\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nbad',
      want: 400,
    },
    {
      name: 'a success',
      answer: 'HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n',
      want: 502,
    },
    { name: 'a success without an end', answer: 'HTTP/1.1 200 OK\r\n\r\n', want: 502 },
    {
      name: 'a redirect',
      answer: `HTTP/1.1 302 Found\r\nLocation: https://${NODE_ADDRESS}:1/\r\nContent-Length: 0\r\n\r\n`,
      want: 502,
    },
    {
      name: 'a 101 for another protocol',
      answer: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      want: 502,
    },
    { name: 'a 101 for none', answer: 'HTTP/1.1 101 Switching Protocols\r\n\r\n', want: 502 },
    { name: 'no HTTP', answer: 'nonsense\r\n\r\n', want: 502 },
  ]
  for (const { name, answer, want } of rows)
    test(name, async () => {
      nodeAnswer = answer
      const client = await upgrade(EXEC, { early: 'GET /pods HTTP/1.1\r\n\r\n' })
      await until(() => client.received !== '', 'an answer')
      client.socket.write('GET /exec/kube-system/other/c HTTP/1.1\r\n\r\n')
      await until(() => client.over && calls[0]!.over, 'the end of both connections')
      assert.equal(statusOf(client), want)
      assert.match(client.received, /"kind":"Status"/)
      assert.match(calls[0]!.received, /^GET \/exec\/default\/web\/c\?[\s\S]*\r\n\r\n$/)
      assert.equal(calls[0]!.received.indexOf('\r\n\r\n'), calls[0]!.received.length - 4)
      assert.equal(calls.length, 1)
    })
})

// Attack class 10: a right to read is no right to run, whatever the method.
describe('who may only read', () => {
  for (const subresource of ['exec', 'attach', 'portforward'])
    for (const method of ['GET', 'POST'])
      test(`cannot ${subresource} by ${method}`, async () => {
        const client = await upgrade(`${POD}/${subresource}?command=id&stdout=true`, { method, as: 'proxy' })
        await until(() => client.over, 'the end')
        assert.equal(statusOf(client), 403)
        const { verb, resource } = attributes.at(-1)!
        assert.deepEqual(
          [verb, resource?.resource, resource?.subresource, resource?.name],
          ['create', 'pods', subresource, 'web'],
        )
        assert.deepEqual(calls, [])
      })

  test('nor by a WebSocket handshake', async () => {
    const key = createHash('md5').update('x').digest('base64')
    const headers = [
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${key}`,
      'Sec-WebSocket-Protocol: v5.channel.k8s.io',
    ]
    const client = await upgrade(EXEC, { method: 'GET', as: 'proxy', headers })
    await until(() => client.over, 'the end')
    assert.equal(statusOf(client), 403)
    assert.deepEqual(calls, [])
  })
})

// Attack classes 3 and 5: the address comes from the node's status.
test('only addresses of the cluster are called', async () => {
  const addresses = [
    '127.0.0.1',
    '127.98.0.1',
    '169.254.169.254',
    '::1',
    '::ffff:127.99.0.1',
    '0.0.0.0',
    '127.99',
    '127.990.0.1',
    'localhost',
    '',
  ]
  const { pki } = front
  const source = createPodStreamSource({ clusterCidr: CIDR, ca: pki.caPem, ...pki.kubeletClient })
  for (const address of addresses)
    await assert.rejects(
      async () => source(nodeAt('node-1', address), '/exec/a/b/c', { upgrade: 'SPDY/3.1' }, AbortSignal.timeout(5_000)),
      /has no address that this API server may call/,
      address,
    )
  assert.deepEqual(calls, [])
})

test('a node must prove its name', async () => {
  await make('/api/v1/nodes', nodeAt('node-2', NODE_ADDRESS))
  await make('/api/v1/namespaces/default/pods', pod('elsewhere', 'node-2'))
  const client = await upgrade('/api/v1/namespaces/default/pods/elsewhere/exec?command=id&stdout=true')
  await until(() => client.over, 'the end')
  assert.equal(statusOf(client), 502)
  assert.ok(calls.every(({ received }) => received === ''))
})

describe('requests that cannot be', () => {
  test('without an upgrade, in either version of HTTP', async () => {
    const session = front.session(front.pki.admin)
    const answer = await ask(session, { ':method': 'POST', ':path': EXEC })
    assert.deepEqual([answer.status, answer.body.message], [400, 'Upgrade request required'])
    const socket = await front.socket(front.pki.admin)
    socket.write(`POST ${EXEC} HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n\r\n`)
    const chunk = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    assert.match(chunk.toString(), /^HTTP\/1\.1 400 /)
  })

  test('with a body, whose end would be where the other protocol begins', async () => {
    for (const header of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
      const client = await upgrade(EXEC, { headers: [header], early: '5\r\nhello\r\n0\r\n\r\n' })
      await until(() => client.over, 'the end')
      assert.equal(statusOf(client), 400)
    }
    assert.deepEqual(calls, [])
  })

  test('for a pod or container that is not there, or a pod that is done', async () => {
    await make('/api/v1/namespaces/default/pods', { ...pod('done', 'node-1'), status: { phase: 'Succeeded' } })
    await make('/api/v1/namespaces/default/pods', {
      metadata: { name: 'pending' },
      spec: { containers: [{ name: 'c', image: 'x' }] },
    })
    for (const [path, status] of [
      ['/api/v1/namespaces/default/pods/none/exec?command=id&stdout=true', 404],
      [`${POD}/exec?command=id&stdout=true&container=other`, 400],
      ['/api/v1/namespaces/default/pods/done/exec?command=id&stdout=true', 400],
      ['/api/v1/namespaces/default/pods/pending/portforward', 400],
      ['/api/v1/namespaces/default/pods/web/exec/more?command=id', 405],
      ['/api/v1/namespaces/default/pods//exec?command=id', 405],
      ['/api/v1/namespaces/default/services/web/exec?command=id', 404],
    ] as const) {
      const client = await upgrade(path)
      await until(() => client.over, 'the end')
      assert.equal(statusOf(client), status, path)
    }
    assert.deepEqual(calls, [])
  })

  test('an upgrade where there is nothing to upgrade to is answered like any request, once', async () => {
    const client = await upgrade('/version', { method: 'GET', early: 'GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n' })
    await until(() => client.over, 'the end')
    assert.equal(statusOf(client), 200)
    assert.match(client.received, /connection: close/i)
    assert.equal(client.received.match(/HTTP\/1\.1/g)?.length, 1)
  })
})

test('the headers that pass, and a token that comes as a subprotocol', () => {
  const token = Buffer.from('a.b-c').toString('base64url')
  const headers = {
    upgrade: 'websocket',
    'sec-websocket-key': 'k',
    'sec-websocket-extensions': 'permessage-deflate',
    'sec-websocket-protocol': `base64url.bearer.authorization.k8s.io.${token}, v4.channel.k8s.io`,
    origin: 'o',
  }
  assert.deepEqual(askedUpgrade(headers), {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'k',
    'sec-websocket-protocol': 'v4.channel.k8s.io',
  })
  assert.equal(bearerProtocol(headers), 'Bearer a.b-c')
  assert.equal(bearerProtocol({ 'sec-websocket-protocol': 'v4.channel.k8s.io' }), undefined)
  assert.deepEqual(answeredUpgrade({ upgrade: 'x', 'set-cookie': 'c', server: 's' }), {
    connection: 'Upgrade',
    upgrade: 'x',
  })
})
