import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { registerHttpMetrics } from '../../../../../src/proxy/l7/metrics/http-metrics.ts'
import type { HttpProxy } from '../../../../../src/proxy/l7/standalone.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { deadPort, startProxy } from '../engine-fixture.ts'

const text = {
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
}
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  ...text,
})
const SERVICE = {
  unary: method('Unary', false, false),
  download: method('Download', false, true),
  upload: method('Upload', true, false),
  chat: method('Chat', true, true),
}

interface EchoClient extends grpc.Client {
  unary(
    request: string,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: grpc.requestCallback<string>,
  ): grpc.ClientUnaryCall
  download(request: string, metadata?: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<string>
  upload(callback: grpc.requestCallback<string>): grpc.ClientWritableStream<string>
  chat(): grpc.ClientDuplexStream<string, string>
}

interface EchoServer {
  readonly port: number
  readonly name: string
  calls: number
  cancelled: number
}

async function startServer(t: TestContext, name: string): Promise<EchoServer> {
  const server = new grpc.Server()
  const echo: EchoServer = { port: 0, name, calls: 0, cancelled: 0 }
  server.addService(SERVICE, {
    unary(call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) {
      echo.calls++
      if (call.request === 'fail') {
        callback({ code: grpc.status.FAILED_PRECONDITION, details: 'not now: 5 % left' })
        return
      }
      if (call.request === 'broken') {
        callback({ code: grpc.status.INTERNAL, details: 'broken' })
        return
      }
      if (call.request === 'never') {
        call.on('cancelled', () => {
          echo.cancelled++
        })
        return
      }
      const trailer = new grpc.Metadata()
      trailer.set('x-trailer', 'after')
      trailer.set('x-bytes-bin', Buffer.from([0, 1, 255]))
      const metadata = new grpc.Metadata()
      metadata.set('x-server', name)
      call.sendMetadata(metadata)
      callback(null, `${call.request} for ${String(call.metadata.get('x-user')[0])}`, trailer)
    },
    download(call: grpc.ServerWritableStream<string, string>) {
      echo.calls++
      call.on('cancelled', () => {
        echo.cancelled++
      })
      if (call.request === 'never') {
        call.write('first')
        return
      }
      for (let i = 0; i < 100; i++) call.write(`${i}:${'x'.repeat(2_000)}`)
      call.end()
    },
    upload(call: grpc.ServerReadableStream<string, string>, callback: grpc.sendUnaryData<string>) {
      echo.calls++
      let sum = 0
      call.on('data', (part: string) => {
        sum += part.length
      })
      call.on('end', () => callback(null, String(sum)))
    },
    chat(call: grpc.ServerDuplexStream<string, string>) {
      echo.calls++
      call.on('data', (part: string) => call.write(`${part}!`))
      call.on('end', () => call.end())
    },
  } as grpc.UntypedServiceImplementation)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  t.after(() => server.forceShutdown())
  return Object.assign(echo, { port })
}

const Echo = grpc.makeGenericClientConstructor(SERVICE as unknown as grpc.ServiceDefinition, 'Echo')

function startClient(t: TestContext, port: number): EchoClient {
  const client = new Echo(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    // Failures are to be seen as they come.
    'grpc.enable_retries': 0,
  }) as unknown as EchoClient
  t.after(() => client.close())
  return client
}

interface Reply {
  readonly value?: string | undefined
  readonly error: grpc.ServiceError | null
  readonly metadata: grpc.Metadata | undefined
  readonly status: grpc.StatusObject | undefined
}

function unary(client: EchoClient, request: string, options: grpc.CallOptions = {}): Promise<Reply> {
  return new Promise((resolve) => {
    let metadata: grpc.Metadata | undefined
    let status: grpc.StatusObject | undefined
    let outcome: Pick<Reply, 'value' | 'error'> | undefined
    const user = new grpc.Metadata()
    user.set('x-user', 'Zoë'.normalize('NFD').replace(/[^ -~]/g, ''))
    const finish = (): void => {
      if (outcome !== undefined && status !== undefined) resolve({ ...outcome, metadata, status })
    }
    const call = client.unary(request, user, options, (error, value) => {
      outcome = { error, value }
      finish()
    })
    call.on('metadata', (head) => {
      metadata = head
    })
    call.on('status', (end) => {
      status = end
      finish()
    })
  })
}

async function figures(proxy: HttpProxy): Promise<string> {
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  registerHttpMetrics(registry, proxy.engine)
  return registry.metrics()
}

test('calls of each kind, with metadata before and after', async (t) => {
  const server = await startServer(t, 'a')
  const { proxy } = await startProxy(t, [server.port], {}, { protocol: 'h2c' })
  const client = startClient(t, proxy.port)
  const { value, metadata, status } = await unary(client, 'hello')
  assert.equal(value, 'hello for Zoe')
  assert.deepEqual(metadata?.get('x-server'), ['a'])
  assert.deepEqual(metadata?.get('via'), ['1.1 wherry'])
  assert.deepEqual(status?.metadata.get('x-trailer'), ['after'])
  assert.deepEqual(status?.metadata.get('x-bytes-bin'), [Buffer.from([0, 1, 255])])

  const parts: string[] = []
  const download = client.download('many')
  download.on('data', (part) => parts.push(part))
  await once(download, 'end')
  assert.equal(parts.length, 100)
  assert.ok(parts.every((part, i) => part === `${i}:${'x'.repeat(2_000)}`))

  const sum = await new Promise<string | undefined>((resolve, reject) => {
    const upload = client.upload((error, reply) => (error === null ? resolve(reply) : reject(error)))
    for (let i = 0; i < 50; i++) upload.write('y'.repeat(10_000))
    upload.end()
  })
  assert.equal(sum, '500000')

  const chat = client.chat()
  for (const word of ['one', 'two', 'three']) {
    chat.write(word)
    const [answer] = await once(chat, 'data')
    assert.equal(answer, `${word}!`, 'each is answered before the next is sent')
  }
  chat.end()
  chat.resume()
  const [end] = await once(chat, 'status')
  assert.equal(end.code, grpc.status.OK)
})

test('what the server says went wrong arrives as it was said, and is counted', async (t) => {
  const server = await startServer(t, 'a')
  const { proxy } = await startProxy(t, [server.port], {}, { protocol: 'h2c' })
  const client = startClient(t, proxy.port)
  const refused = await unary(client, 'fail')
  assert.equal(refused.error?.code, grpc.status.FAILED_PRECONDITION)
  assert.equal(refused.error?.details, 'not now: 5 % left')
  const broken = await unary(client, 'broken')
  assert.equal(broken.error?.code, grpc.status.INTERNAL)
  await unary(client, 'hello')
  const text = await figures(proxy)
  assert.match(text, /wherry_grpc_responses_total\{service="default",grpc_code="0"\} 1/)
  assert.match(text, /wherry_grpc_responses_total\{service="default",grpc_code="9"\} 1/)
  assert.match(text, /wherry_grpc_responses_total\{service="default",grpc_code="13"\} 1/)
  // A server's fault counts against its success, a caller's does not.
  assert.match(text, /wherry_http_requests_total\{[^}]*code="5xx"\} 1/)
  assert.match(text, /wherry_http_requests_total\{[^}]*code="4xx"\} 1/)
  assert.match(text, /wherry_http_requests_total\{[^}]*code="2xx"\} 1/)
})

test('deadlines and cancellation reach the server', async (t) => {
  const server = await startServer(t, 'a')
  const { proxy } = await startProxy(t, [server.port], {}, { protocol: 'h2c' })
  const client = startClient(t, proxy.port)
  const late = await unary(client, 'never', { deadline: Date.now() + 300 })
  assert.equal(late.error?.code, grpc.status.DEADLINE_EXCEEDED)
  await eventually(() => (server.cancelled === 1 ? true : undefined))
  const download = client.download('never')
  download.on('error', () => {})
  await once(download, 'data')
  download.cancel()
  await eventually(() => (server.cancelled === 2 ? true : undefined))
  await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
  assert.equal((await unary(client, 'still there')).error, null)
})

test('one connection of a client is spread over all servers', async (t) => {
  const servers = await Promise.all(['a', 'b', 'c'].map((name) => startServer(t, name)))
  const { proxy } = await startProxy(
    t,
    servers.map(({ port }) => port),
    {},
    { protocol: 'h2c', algorithm: 'round-robin' },
  )
  const client = startClient(t, proxy.port)
  for (let i = 0; i < 30; i++) assert.equal((await unary(client, String(i))).error, null)
  for (const { calls } of servers) assert.equal(calls, 10)
})

test('answers of the proxy itself are what gRPC understands', async (t) => {
  const none = await startProxy(t, [], {}, { protocol: 'h2c' })
  const unavailable = await unary(startClient(t, none.proxy.port), 'x')
  assert.equal(unavailable.error?.code, grpc.status.UNAVAILABLE)
  assert.equal(unavailable.error?.details, 'no-endpoint')
  assert.deepEqual(unavailable.error?.metadata.get('x-wherry-error'), ['no-endpoint'])
  const dead = await startProxy(t, [await deadPort()], {}, { protocol: 'h2c' })
  const unreachable = await unary(startClient(t, dead.proxy.port), 'x')
  assert.equal(unreachable.error?.code, grpc.status.UNAVAILABLE)
  assert.equal(unreachable.error?.details, 'connect-failed')
  const server = await startServer(t, 'a')
  const slow = await startProxy(t, [server.port], {}, { protocol: 'h2c', timeouts: { responseMs: 300 } })
  const late = await unary(startClient(t, slow.proxy.port), 'never')
  assert.equal(late.error?.code, grpc.status.DEADLINE_EXCEEDED)
  const small = await startProxy(t, [server.port], { bodyBytesMax: 1_000 }, { protocol: 'h2c' })
  const large = await unary(startClient(t, small.proxy.port), 'z'.repeat(2_000))
  assert.equal(large.error?.code, grpc.status.RESOURCE_EXHAUSTED)
})

test('a server that goes away loses no call when it says so', async (t) => {
  const servers = await Promise.all(['a', 'b'].map((name) => startServer(t, name)))
  const { proxy } = await startProxy(
    t,
    servers.map(({ port }) => port),
    {},
    { protocol: 'h2c', algorithm: 'round-robin' },
  )
  const client = startClient(t, proxy.port)
  let failed = 0
  let done = 0
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 40; i++) {
        const { error } = await unary(client, String(i))
        if (error !== null) failed++
        done++
      }
    }),
  )
  await eventually(() => (done > 40 ? true : undefined))
  proxy.setEndpoints([{ address: '127.0.0.1', port: servers[1]!.port }])
  await load
  assert.equal(failed, 0)
  const before = servers[0]!.calls
  await unary(client, 'x')
  assert.equal(servers[0]!.calls, before)
})
