import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { Agent, fetch } from 'undici'
import { createAuthority, openAuthority } from '../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import { eventually } from '../../harness/eventually.ts'
import { answerOf, ask, readUntil, startTestFront, type TestFront } from './front-fixture.ts'
import { CONFIG_MAPS_PATH, configMap } from './server-fixture.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const POST = { ':method': 'POST', ':path': CONFIG_MAPS_PATH, ...JSON_TYPE }
const MIB = 1024 * 1024

let server: TestFront
let http1: Agent
before(async () => {
  server = await startTestFront({ stalledMs: 300 })
  const payload = 'x'.repeat(100_000)
  for (let i = 0; i < 20; i++)
    await server.api.wire({
      method: 'POST',
      path: '/api/v1/namespaces/default/secrets',
      body: { metadata: { name: `big-${i}` }, stringData: { payload } },
    })
  http1 = new Agent({ allowH2: false, connect: { ca: server.pki.caPem, ...server.pki.admin } })
})
after(async () => {
  await http1.destroy()
  await server.close()
  assert.deepEqual(server.api.errors, [])
})

/** The same request in both versions of HTTP, with undici and with node:http2. */
async function both(
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly { readonly status: number; readonly text: string; readonly type: string | null }[]> {
  const first = await fetch(`${server.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    dispatcher: http1,
  })
  const session = server.session(server.pki.admin)
  const second = await ask(session, { ':method': method, ':path': path, ...headers }, body)
  session.destroy()
  return [
    { status: first.status, text: await first.text(), type: first.headers.get('content-type') },
    { status: second.status, text: second.text, type: second.headers['content-type'] ?? null },
  ]
}

describe('HTTP/1.1 and HTTP/2 on one port', () => {
  test('read, write and refuse alike', async () => {
    for (const [i, answer] of (
      await both('POST', CONFIG_MAPS_PATH, JSON.stringify(configMap('both')), JSON_TYPE)
    ).entries())
      assert.equal(answer.status, i === 0 ? 201 : 409, answer.text)
    const [a, b] = await both('GET', `${CONFIG_MAPS_PATH}/both`)
    assert.deepEqual(a, b)
    assert.deepEqual([a!.status, a!.type], [200, 'application/json'])
    for (const { status } of await both('GET', '/api/v1/nothing')) assert.equal(status, 404)
    for (const { status } of await both('POST', CONFIG_MAPS_PATH, '{', JSON_TYPE)) assert.equal(status, 400)
    for (const { status, text } of await both('HEAD', `${CONFIG_MAPS_PATH}/both`))
      assert.deepEqual([status, text], [200, ''])
    for (const { status } of await both('OPTIONS', CONFIG_MAPS_PATH)) assert.equal(status, 405)
  })

  test('a watch begins at once, comes event by event and ends when the client leaves', async () => {
    for (const version of ['1.1', '2'] as const) {
      const path = `${CONFIG_MAPS_PATH}?watch=1&fieldSelector=metadata.name%3Dwatched-${version.replace('.', '')}`
      const lines: string[] = []
      let leave = (): void => {}
      if (version === '2') {
        const session = server.session(server.pki.admin)
        const stream = session.request({ ':path': path })
        assert.equal((await once(stream, 'response'))[0][':status'], 200)
        stream.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')))
        leave = () => session.destroy()
      } else {
        const abort = new AbortController()
        const { status, body } = await fetch(`${server.url}${path}`, { dispatcher: http1, signal: abort.signal })
        assert.equal(status, 200)
        void (async () => {
          for await (const chunk of body!) lines.push(...Buffer.from(chunk).toString().trim().split('\n'))
        })().catch(() => {})
        leave = () => abort.abort()
      }
      const name = `watched-${version.replace('.', '')}`
      await server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap(name) })
      await eventually(() => lines.length === 1 || undefined)
      await server.api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/${name}` })
      await eventually(() => lines.length === 2 || undefined)
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).type),
        ['ADDED', 'DELETED'],
      )
      leave()
    }
  })

  test('a long list arrives whole', async () => {
    const [a, b] = await both('GET', '/api/v1/secrets')
    assert.ok(a!.text.length > 2 * MIB)
    assert.equal(a!.text, b!.text)
    assert.equal(JSON.parse(a!.text).items.length, 20)
  })

  test('a hundred requests at once on one connection all have their own answer', async () => {
    const session = server.session(server.pki.admin)
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => ask(session, POST, JSON.stringify(configMap(`many-${i}`)))),
    )
    assert.deepEqual(
      answers.map(({ status, body }) => `${status} ${body.metadata.name}`),
      Array.from({ length: 100 }, (_, i) => `201 many-${i}`),
    )
    session.destroy()
  })

  test('a client that asks before it sends its body is told to', async () => {
    const session = server.session(server.pki.admin)
    const stream = session.request({ ...POST, expect: '100-continue' })
    const answer = answerOf(stream)
    await once(stream, 'continue')
    stream.end(JSON.stringify(configMap('expected')))
    assert.equal((await answer).status, 201)
    session.destroy()
  })
})

describe('who may ask', () => {
  const whoAmI = { ':method': 'POST', ':path': '/apis/authentication.k8s.io/v1/selfsubjectreviews', ...JSON_TYPE }

  test('a client certificate is the user and groups of its subject', async () => {
    const admin = await ask(server.session(server.pki.admin), whoAmI, '{}')
    assert.deepEqual(admin.body.status.userInfo, {
      username: 'wherry-admin',
      groups: ['wherry:admins', 'system:authenticated'],
    })
    const node = await ask(server.session(server.pki.nodes.get('node-1')!), whoAmI, '{}')
    assert.deepEqual(node.body.status.userInfo, {
      username: 'system:node:node-1',
      groups: ['system:nodes', 'system:authenticated'],
    })
  })

  test('a bearer token is the service account it was issued for', async () => {
    server.bindings.accounts.set('default/robot', 'u1')
    const { token } = await server.tokens.issue({ namespace: 'default', name: 'robot', uid: 'u1' }, [], 600)
    const { body } = await ask(server.session(), { ...whoAmI, authorization: `Bearer ${token}` }, '{}')
    assert.equal(body.status.userInfo.username, 'system:serviceaccount:default:robot')
    assert.deepEqual(body.status.userInfo.groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:default',
      'system:authenticated',
    ])
  })

  test('nobody in particular sees health and version, and nothing else', async () => {
    const session = server.session()
    for (const path of ['/healthz', '/livez', '/readyz?verbose', '/version'])
      assert.equal((await ask(session, { ':path': path })).status, 200, path)
    for (const path of [
      '/',
      '/api',
      '/apis',
      '/openapi/v2',
      CONFIG_MAPS_PATH,
      '/api/v1/nodes',
      '/metrics',
      '/debug/x',
    ]) {
      const { status, body } = await ask(session, { ':path': path })
      assert.deepEqual([status, body.reason], [403, 'Forbidden'], path)
      assert.match(body.message, /User "system:anonymous" cannot (get|list)/)
    }
    assert.equal((await ask(session, { ...POST }, JSON.stringify(configMap('anonymous')))).status, 403)
  })

  test('credentials that do not hold are 401, never anonymous', async () => {
    for (const authorization of ['Bearer x', 'Bearer', 'Basic YTpi', 'bearer a b', ''])
      assert.equal((await ask(server.session(), { ':path': '/version', authorization })).status, 401, authorization)
  })

  test('a certificate of another authority is 401, whatever it says', async () => {
    const foreign = await openAuthority(await createAuthority('wherry-test-ca', Date.now()))
    const forged = await foreign.issue(
      {
        commonName: 'wherry-admin',
        organizations: ['wherry:admins'],
        dnsNames: [],
        ipAddresses: [],
        usages: ['client'],
      },
      Date.now(),
    )
    const { status, body } = await ask(server.session(forged), { ':path': '/version' })
    assert.deepEqual([status, body.reason], [401, 'Unauthorized'])
  })

  test('a serving certificate does not make a client', async () => {
    const { status } = await ask(server.session(server.pki.apiServer), { ':path': '/version' })
    assert.equal(status, 401)
  })

  test('a refusal says who may not do what, and where', async () => {
    const { body } = await ask(server.session(server.pki.proxy), {
      ':path': '/api/v1/namespaces/kube-system/secrets/x',
    })
    assert.equal(
      body.message,
      'secrets "x" is forbidden: User "system:kube-proxy" cannot get resource "secrets" in API group "" in the namespace "kube-system"',
    )
  })
})

describe('acting as somebody else', () => {
  const asAdmin = (headers: Readonly<Record<string, string>>): ReturnType<typeof ask> =>
    ask(
      server.session(server.pki.admin),
      { ':method': 'POST', ':path': '/apis/authentication.k8s.io/v1/selfsubjectreviews', ...JSON_TYPE, ...headers },
      '{}',
    )

  test('an administrator may, and has then the other’s rights alone', async () => {
    const { body } = await asAdmin({
      'impersonate-user': 'jane',
      'impersonate-group': 'devs',
      'impersonate-uid': '7',
      'impersonate-extra-scope': 'a',
    })
    assert.deepEqual(body.status.userInfo, {
      username: 'jane',
      uid: '7',
      groups: ['devs', 'system:authenticated'],
      extra: { scope: ['a'] },
    })
    const { status, body: refused } = await ask(server.session(server.pki.admin), {
      ':path': CONFIG_MAPS_PATH,
      'impersonate-user': 'jane',
    })
    assert.deepEqual([status, refused.reason], [403, 'Forbidden'])
    assert.match(refused.message, /User "jane" cannot list/)
  })

  test('a service account comes with its groups', async () => {
    const { body } = await asAdmin({ 'impersonate-user': 'system:serviceaccount:default:robot' })
    assert.deepEqual(body.status.userInfo.groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:default',
      'system:authenticated',
    ])
  })

  test('others may not; headers without a user are not ignored', async () => {
    const node = server.session(server.pki.nodes.get('node-1')!)
    const { status, body } = await ask(node, {
      ':path': '/version',
      'impersonate-user': 'wherry-admin',
      'impersonate-group': 'wherry:admins',
    })
    assert.deepEqual([status, body.reason], [403, 'Forbidden'])
    assert.match(body.message, /cannot impersonate resource "users"/)
    assert.equal((await ask(node, { ':path': '/version', 'impersonate-group': 'wherry:admins' })).status, 400)
    assert.equal((await ask(server.session(), { ':path': '/version', 'impersonate-user': 'a' })).status, 403)
  })
})

describe('what is too much', () => {
  test('a body over 3 MiB is 413, said or only sent', async () => {
    const big = 'x'.repeat(3 * MIB + 1)
    for (const { status, text } of await both('POST', CONFIG_MAPS_PATH, big, JSON_TYPE)) {
      assert.equal(status, 413)
      assert.equal(JSON.parse(text).reason, 'RequestEntityTooLarge')
    }
    const session = server.session(server.pki.admin)
    const stream = session.request(POST)
    const answer = answerOf(stream)
    for (let i = 0; i < 4 && !stream.destroyed; i++) stream.write('x'.repeat(MIB))
    assert.equal((await answer).status, 413)
    assert.equal((await ask(session, { ':path': '/version' })).status, 200)
    session.destroy()
  })

  test('the body of who may not send it is not read', async () => {
    const session = server.session()
    const stream = session.request(POST)
    const { status } = await answerOf(stream)
    assert.equal(status, 403)
    const socket = await server.socket()
    socket.write(
      `POST ${CONFIG_MAPS_PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 3000000\r\n\r\n`,
    )
    const text = await readUntil(socket)
    assert.match(text, /^HTTP\/1.1 403 /)
    assert.match(text, /connection: close/i)
    session.destroy()
  })

  test('a head over the limit ends the stream or the request, not the server', async () => {
    const session = server.session(server.pki.admin)
    await assert.rejects(ask(session, { ':path': '/version', 'x-long': 'x'.repeat(200_000) }))
    session.destroy()
    const socket = await server.socket(server.pki.admin)
    const read = readUntil(socket)
    socket.write(`GET /version HTTP/1.1\r\nhost: a\r\nx-long: ${'x'.repeat(200_000)}\r\n\r\n`)
    assert.match(await read, /^HTTP\/1.1 431 |^$/)
    assert.equal((await ask(server.session(server.pki.admin), { ':path': '/version' })).status, 200)
  })

  test('a client that takes nothing of its answer is cut off, and the others go on', async () => {
    const session = server.session({ ...server.pki.admin })
    session.on('connect', () => session.setLocalWindowSize(65_535))
    const stream = session.request({ ':path': '/api/v1/secrets' })
    stream.pause()
    const closed = once(stream, 'close').catch(() => {})
    assert.equal((await ask(server.session(server.pki.admin), { ':path': '/version' })).status, 200)
    stream.on('error', () => {})
    // Nothing is read until the server gives up; what then comes is its reset.
    await eventually(() => stream.destroyed || stream.rstCode !== 0 || undefined, 10_000, 'the reset')
    await closed
    session.destroy()
  })

  test('so is a watcher that reads nothing, long before all it missed stands in memory', async () => {
    const session = server.session(server.pki.admin)
    const stream = session.request({ ':path': `${CONFIG_MAPS_PATH}?watch=1&labelSelector=slow` })
    stream.on('error', () => {})
    await once(stream, 'response')
    stream.pause()
    const closed = once(stream, 'close').catch(() => {})
    const payload = 'x'.repeat(500_000)
    const body = configMap('slow', { payload }, { labels: { slow: '' } })
    await server.api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body })
    for (let i = 0; i < 40; i++) {
      const next = configMap('slow', { payload, i: String(i) }, { labels: { slow: '' } })
      assert.equal((await server.api.wire({ method: 'PUT', path: `${CONFIG_MAPS_PATH}/slow`, body: next })).status, 200)
    }
    await eventually(() => stream.destroyed || stream.rstCode !== 0 || undefined, 10_000, 'the reset')
    await closed
    session.destroy()
  })

  test('more streams than one connection may have wait or are refused; the connection lives', async () => {
    const session = server.session(server.pki.admin)
    await once(session, 'remoteSettings')
    assert.equal(session.remoteSettings.maxConcurrentStreams, 1_000)
    session.destroy()
  })
})

describe('broken and hostile connections', () => {
  const raw: readonly { readonly name: string; readonly send: string; readonly want: RegExp }[] = [
    { name: 'no HTTP at all', send: 'hello\r\n\r\n', want: /^HTTP\/1.1 400 |^$/ },
    {
      name: 'two lengths',
      send: `POST ${CONFIG_MAPS_PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab`,
      want: /^HTTP\/1.1 400 |^$/,
    },
    {
      name: 'a length and chunks',
      send: `POST ${CONFIG_MAPS_PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      want: /^HTTP\/1.1 400 |^$/,
    },
    {
      name: 'a length with a sign',
      send: `POST ${CONFIG_MAPS_PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc`,
      want: /^HTTP\/1.1 400 |^$/,
    },
    { name: 'a name with a space', send: 'GET /version HTTP/1.1\r\nhost : a\r\n\r\n', want: /^HTTP\/1.1 400 |^$/ },
    {
      name: 'a bare line feed in a header',
      send: 'GET /version HTTP/1.1\r\nhost: a\r\nx: a\nb: c\r\n\r\n',
      want: /^HTTP\/1.1 400 |^$/,
    },
    {
      name: 'an absolute address',
      send: 'GET http://other/version HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
      want: /^HTTP\/1.1 40[34] /,
    },
    { name: 'CONNECT', send: 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: a\r\n\r\n', want: /^HTTP\/1.1 40\d |^$/ },
    {
      name: 'an upgrade',
      send: 'GET /version HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      want: /^HTTP\/1.1 200 /,
    },
  ]
  for (const { name, send, want } of raw)
    test(name, async () => {
      const socket = await server.socket(server.pki.admin)
      const read = readUntil(socket, '\r\n\r\n')
      socket.write(send)
      assert.match(await read, want)
      socket.destroy()
    })

  test('a body that breaks off leaves nothing behind', async () => {
    const socket = await server.socket(server.pki.admin)
    socket.write(
      `POST ${CONFIG_MAPS_PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"metadata":`,
    )
    socket.destroy()
    const session = server.session(server.pki.admin)
    const stream = session.request(POST)
    stream.on('error', () => {})
    stream.write('{"metadata":')
    session.destroy()
    assert.equal((await ask(server.session(server.pki.admin), { ':path': '/readyz' })).text, 'ok')
  })

  test('a method that is a name of every object is one that is not known', async () => {
    for (const method of ['constructor', '__proto__', 'toString', 'hasOwnProperty'])
      assert.equal(
        (await ask(server.session(server.pki.admin), { ':method': method, ':path': CONFIG_MAPS_PATH })).status,
        405,
        method,
      )
  })
})

test('closing tells clients to go, ends watches and leaves no connection', async () => {
  const own = await startTestFront()
  const session = own.session(own.pki.admin)
  const stream = session.request({ ':path': `${CONFIG_MAPS_PATH}?watch=1` })
  stream.on('error', () => {})
  await once(stream, 'response')
  const gone = once(session, 'close')
  await own.front.close(20)
  await gone
  await assert.rejects(own.socket())
  await own.close()
})
