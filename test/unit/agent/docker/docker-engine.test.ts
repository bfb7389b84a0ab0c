import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { containerStreams } from '../../../../src/agent/runtime/docker/container-streams.ts'
import { DockerEngine } from '../../../../src/agent/runtime/docker/docker-engine.ts'
import { EngineError, hasStatus, isUnavailable } from '../../../../src/agent/runtime/docker/engine-error.ts'
import { EngineWatch, type ListedContainer } from '../../../../src/agent/runtime/docker/engine-watch.ts'
import { DockerImages } from '../../../../src/agent/runtime/docker/image-service.ts'
import type { ImageRequest, RuntimeError } from '../../../../src/agent/runtime/runtime.ts'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { eventually } from '../../../harness/eventually.ts'
import { json, startFakeEngine } from './fake-engine.ts'

const LABELS = { 'io.wherry.node': 'n1', 'io.kubernetes.pod.uid': 'u', 'io.wherry.role': 'sandbox' }

test('an address that is none is refused, whatever the environment says', async () => {
  for (const host of ['', 'nonsense', 'unix:', 'unix://relative', 'ssh://somewhere', 'tcp://host', 'tcp://a:b'])
    await assert.rejects(DockerEngine.open(host), EngineError, host)
})

test('the engine that is meant is asked, not the environment’s', async (t) => {
  const fake = await startFakeEngine(t)
  const before = process.env.DOCKER_HOST
  process.env.DOCKER_HOST = 'tcp://127.0.0.1:1'
  try {
    const engine = await DockerEngine.open(fake.host)
    assert.deepEqual(await engine.call({ method: 'GET', path: '/version' }), {})
    assert.deepEqual(fake.asked, ['GET /version'])
  } finally {
    if (before === undefined) delete process.env.DOCKER_HOST
    else process.env.DOCKER_HOST = before
  }
})

test('a query holds what was given, filters as JSON; a body comes whole', async (t) => {
  const fake = await startFakeEngine(t)
  let body = ''
  fake.answer = async (request, response) => {
    body = await text(request)
    json(response, { ok: true }, 201)
  }
  const query = { all: 1, filters: { label: ['a=b&c'] }, left: undefined }
  await fake.engine.call({ method: 'POST', path: '/x', query, body: { a: 'ä' } })
  const url = new URL(fake.asked[0]!.split(' ')[1]!, 'http://x')
  assert.deepEqual(JSON.parse(url.searchParams.get('filters')!), { label: ['a=b&c'] })
  assert.equal(url.searchParams.has('left'), false)
  assert.deepEqual(JSON.parse(body), { a: 'ä' })
})

test('refusals keep the engine’s words and status; silence, ends and missing sockets are told apart from them', async (t) => {
  const fake = await startFakeEngine(t)
  fake.answer = (_request, response) => json(response, { message: 'No such container: x' }, 404)
  const refused = await fake.engine.call({ method: 'GET', path: '/x' }).catch((error: unknown) => error)
  assert.ok(hasStatus(refused, 404) && (refused as Error).message === 'No such container: x', String(refused))
  fake.answer = (request) => void request.socket.destroy()
  assert.ok(isUnavailable(await fake.engine.call({ method: 'GET', path: '/x' }).catch((error: unknown) => error)))
  fake.answer = (_request, response) => void response.writeHead(200).write('{')
  const silent = await fake.engine.call({ method: 'GET', path: '/x', timeoutMs: 100 }).catch((error: unknown) => error)
  assert.ok(isUnavailable(silent), String(silent))
  fake.answer = () => {}
  const hung = await fake.engine.call({ method: 'GET', path: '/x', timeoutMs: 100 }).catch((error: unknown) => error)
  assert.match(String(hung), /no answer from unix:.* in time/)
  const none = await DockerEngine.open('unix:///nowhere/docker.sock')
  assert.match(String(await none.call({ method: 'GET', path: '/x' }).catch((e: unknown) => e)), /nothing answers at/)
})

test('a stream that has begun is not ended by its deadline, but by its signal', async (t) => {
  const fake = await startFakeEngine(t)
  fake.answer = (_request, response) => void response.writeHead(200).write('first')
  const abort = new AbortController()
  const stream = await fake.engine.stream({ method: 'GET', path: '/x', timeoutMs: 100, signal: abort.signal })
  stream.on('error', () => {})
  const [first] = await once(stream, 'data')
  assert.equal(String(first), 'first')
  // By the time that a later call has run into a longer one.
  fake.answer = () => {}
  await assert.rejects(fake.engine.call({ method: 'GET', path: '/y', timeoutMs: 250 }))
  assert.equal(stream.destroyed, false)
  abort.abort()
  await eventually(() => (stream.destroyed ? true : undefined), 5_000)
})

test('input and its end reach the other side of a hijacked connection while output still comes', async (t) => {
  const fake = await startFakeEngine(t)
  let got = ''
  fake.upgrade = (_request, socket) => {
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.on('end', () => socket.end(Buffer.from([1, 0, 0, 0, 0, 0, 0, 4, ...Buffer.from('late')])))
  }
  const connection = await fake.engine.hijack({ method: 'POST', path: '/attach' })
  const streams = containerStreams(connection, { stdin: true, tty: false, endsInput: true })
  streams.stdin!.end('hello')
  assert.equal(await text(streams.stdout), 'late')
  // The empty body of the request stands before it, as an engine leaves it out.
  assert.equal(got.replace(/^\{\}/, ''), 'hello')
})

test('a list follows every new stream of events, and what hangs is called a problem at once when it never was well', async (t) => {
  const fake = await startFakeEngine(t)
  let listed = 0
  const changed: string[] = []
  const watch = new EngineWatch({ engine: fake.engine, cluster: 'c', clock: systemClock, logger: silentLogger })
  t.after(() => watch.close())
  fake.answer = (request) => void request.socket.destroy()
  watch.follow('n1', {
    listed: async (containers: readonly ListedContainer[]) => {
      listed += 1
      assert.deepEqual(
        containers.map(({ Id }) => Id),
        ['mine'],
      )
    },
    changed: (id) => void changed.push(id),
  })
  await eventually(() => watch.problem, 10_000)
  const event = `${JSON.stringify({ Actor: { ID: 'mine', Attributes: LABELS } })}\n`
  const foreign = `${JSON.stringify({ Actor: { ID: 'other', Attributes: {} } })}\n{}\n`
  fake.answer = (request, response) => {
    if (request.url!.startsWith('/events')) {
      response.writeHead(200)
      response.write(foreign + event)
      setTimeout(() => response.end(), 50)
    } else if (request.url!.startsWith('/containers/json'))
      json(response, [
        { Id: 'mine', State: 'running', Names: [], Labels: LABELS },
        { Id: 'other', State: 'running', Names: [], Labels: {} },
      ])
    else json(response, {})
  }
  await eventually(() => (listed >= 2 && watch.problem === undefined ? true : undefined), 10_000)
  assert.deepEqual([...new Set(changed)], ['mine'])
  const order = fake.asked.filter((line) => /events|containers/.test(line)).map((line) => line.split('?')[0])
  assert.equal(
    order.lastIndexOf('GET /events') < order.lastIndexOf('GET /containers/json') || order.at(-1) === 'GET /events',
    true,
  )
})

test('nonsense in the stream of events is an end like any other', async (t) => {
  const fake = await startFakeEngine(t)
  let listed = 0
  fake.answer = (request, response) => {
    if (request.url!.startsWith('/events')) {
      response.writeHead(200)
      response.end('<html>nonsense\n')
    } else json(response, [])
  }
  const watch = new EngineWatch({ engine: fake.engine, cluster: 'c', clock: systemClock, logger: silentLogger })
  t.after(() => watch.close())
  const follower = {
    async listed(): Promise<void> {
      listed += 1
    },
    changed: () => assert.fail('nothing happened'),
  }
  watch.follow('n1', follower)
  await eventually(() => (listed >= 2 ? true : undefined), 10_000)
})

test('pulls: once for all who ask at a time, then with the back-off of Kubernetes, anew when it is over', async (t) => {
  const fake = await startFakeEngine(t)
  let now = 1_000_000
  const clock: Clock = { ...systemClock, now: () => now }
  const pulled: string[] = []
  const images = new DockerImages({ engine: fake.engine, clock, onPulled: (id) => void pulled.push(id) })
  const said: string[] = []
  const request: ImageRequest = {
    image: 'localhost:1/a:1',
    policy: 'IfNotPresent',
    pullSecrets: [],
    say: (_type, reason, message) => void said.push(`${reason}: ${message}`),
  }
  let isThere = false
  let error: string | undefined = 'no basic auth credentials'
  fake.answer = (asked, response) => {
    if (asked.url!.startsWith('/images/create')) {
      isThere = error === undefined
      response.end(
        `{"status":"Pulling"}\n${error === undefined ? '' : JSON.stringify({ errorDetail: { message: error } })}\n`,
      )
    } else if (isThere) json(response, { Id: 'sha256:1', Size: 5 })
    else json(response, { message: 'No such image' }, 404)
  }
  const reason = async (): Promise<string> =>
    images.ensure(request).then(
      () => 'here',
      (failure: RuntimeError) => `${failure.reason}: ${failure.message}`,
    )
  assert.deepEqual(await Promise.all([reason(), reason()]), Array(2).fill('ErrImagePull: no basic auth credentials'))
  assert.equal(fake.asked.filter((line) => line.startsWith('POST /images/create')).length, 1)
  const waiting = 'ImagePullBackOff: Back-off pulling image "localhost:1/a:1": ErrImagePull: no basic auth credentials'
  assert.equal(await reason(), waiting)
  now += 60_000
  error = undefined
  assert.equal(await reason(), 'here')
  assert.deepEqual(pulled, ['sha256:1'])
  assert.ok(said.includes('BackOff: Back-off pulling image "localhost:1/a:1"'))
  assert.match(
    said.at(-1)!,
    /^Pulled: Successfully pulled image "localhost:1\/a:1" in \d+\.\d{3}s \(.*\)\. Image size: 5 bytes\.$/,
  )
  assert.equal(await reason(), 'here')
  assert.equal(said.at(-1), 'Pulled: Container image "localhost:1/a:1" already present on machine')
})

test('a pull tries each of the credentials that fit, and a broken engine is no failure of the image', async (t) => {
  const fake = await startFakeEngine(t)
  const users: string[] = []
  const images = new DockerImages({ engine: fake.engine, clock: systemClock, onPulled: () => {} })
  fake.answer = (asked, response) => {
    if (!asked.url!.startsWith('/images/create')) return json(response, { message: 'No such image' }, 404)
    const auth = JSON.parse(Buffer.from(String(asked.headers['x-registry-auth']), 'base64url').toString())
    users.push(auth.username)
    response.end(auth.username === 'right' ? '{}\n' : '{"error":"denied"}\n')
  }
  const auths = {
    'localhost:1/team': { username: 'wrong', password: 'x' },
    'localhost:1': { username: 'right', password: 'x' },
  }
  const pullSecrets = [{ type: 'kubernetes.io/dockerconfigjson', content: JSON.stringify({ auths }) }]
  const request: ImageRequest = { image: 'localhost:1/team/a:1', policy: 'Always', pullSecrets, say: () => {} }
  await images.ensure(request)
  assert.deepEqual(users, ['wrong', 'right'])
  fake.answer = (asked) => void asked.socket.destroy()
  for (let i = 0; i < 2; i++)
    await assert.rejects(
      images.ensure({ ...request, image: 'localhost:1/b:1' }),
      (failure: RuntimeError) => failure.reason === 'ImageInspectError',
    )
})
