import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { PassThrough } from 'node:stream'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { WebSocket } from 'ws'
import { serveNodeApi } from '../../../../src/agent/kubelet/node-api.ts'
import type { PodLogs } from '../../../../src/agent/kubelet/pod-logs.ts'
import { type PodStreams, PodStreamsError } from '../../../../src/agent/kubelet/pod-streams.ts'
import type { ContainerSession, ExecOptions, TerminalSize } from '../../../../src/agent/runtime/runtime.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import {
  type CertificateAuthority,
  createAuthority,
  type KeyAndCertificate,
  openAuthority,
} from '../../../../src/controlplane/apiserver/edge/certificate-authority.ts'
import { eventually } from '../../../harness/eventually.ts'
import { SpdyClient } from './spdy-client.ts'

const ADDRESS = '127.0.0.1'
let authority: CertificateAuthority
let apiServer: KeyAndCertificate
let api: { readonly port: number; close(): Promise<void> }
let echo: Server
/** What the pods were asked for. */
let asked: { readonly command: readonly string[]; readonly options: ExecOptions }[] = []
let sizes: TerminalSize[] = []
let closed = 0

/** A program that answers what it reads, in two outputs, and ends with 3 at the end of its input. */
function echoSession(options: ExecOptions): ContainerSession {
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const { promise: exited, resolve } = Promise.withResolvers<number>()
  stdin.pipe(stdout)
  if (!options.stdin) stdin.end('no input')
  stdin.once('end', () => resolve(3))
  return {
    stdin: options.stdin ? stdin : undefined,
    stdout,
    stderr: undefined,
    exited,
    resize: (size) => void sizes.push(size),
    close() {
      closed += 1
      stdin.destroy()
      stdout.destroy()
      resolve(129)
    },
  }
}

const streams: PodStreams = {
  async container(_namespace, pod, container) {
    if (pod === 'none') throw new PodStreamsError('notFound', 'pod "none" not found')
    if (container === 'stopped') throw new PodStreamsError('notAvailable', 'container "stopped" is not running')
    return {
      async exec(command, options) {
        if (command[0] === 'broken') throw new Error('it is broken')
        asked.push({ command, options })
        return echoSession(options)
      },
      async attach(options) {
        asked.push({ command: [], options })
        return echoSession(options)
      },
    }
  },
  async address(_namespace, pod) {
    if (pod === 'none') throw new PodStreamsError('notFound', 'pod "none" not found')
    return ADDRESS
  },
}

async function certificate(commonName: string): Promise<KeyAndCertificate> {
  const asked = { commonName, organizations: [], dnsNames: ['node'], ipAddresses: [ADDRESS] }
  return authority.issue({ ...asked, usages: ['client', 'server'] }, Date.now())
}

before(async () => {
  authority = await openAuthority(await createAuthority('test-ca', Date.now()))
  apiServer = await certificate('kube-apiserver-kubelet-client')
  const tls = { ca: authority.ca.cert, ...(await certificate('system:node:node')) }
  const options = { address: ADDRESS, tls, clock: systemClock, logger: silentLogger }
  api = await serveNodeApi({} as PodLogs, streams, options)
  echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
  echo.listen(0, ADDRESS)
  await once(echo, 'listening')
})
after(async () => {
  echo?.close()
  await api?.close()
})
beforeEach(() => {
  asked = []
  sizes = []
})

const until = (check: () => boolean, what: string): Promise<true> =>
  eventually(() => (check() ? true : undefined), 10_000, what)

interface Answer {
  readonly status: number
  readonly text: string
}

/** The answer to a request for an upgrade that is refused. */
function refusal(path: string, headers: Readonly<Record<string, string>>, client: object = apiServer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: ADDRESS,
        port: api.port,
        path,
        ca: authority.ca.cert,
        agent: false,
        headers: { connection: 'Upgrade', ...headers },
        ...client,
      },
      async (response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode!, text })
      },
    )
    call.once('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode!, text: '' })
    })
    call.on('error', reject)
    call.end()
  })
}

/** A connection that has been switched to SPDY/3.1. */
function spdy(path: string, version: string): Promise<{ readonly client: SpdyClient; readonly socket: TLSSocket }> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': version }
    const call = request({
      host: ADDRESS,
      port: api.port,
      path,
      ca: authority.ca.cert,
      agent: false,
      headers,
      ...apiServer,
    })
    call.once('upgrade', (response, socket) => {
      assert.equal(response.headers['x-stream-protocol-version'], version)
      resolve({ client: new SpdyClient(socket), socket: socket as TLSSocket })
    })
    call.once('response', (response) => reject(new Error(`answered with ${response.statusCode}`)))
    call.on('error', reject)
    call.end()
  })
}

interface Channels {
  readonly socket: WebSocket
  /** Everything that came on a channel. */
  text(channel: number): string
  readonly over: Promise<number>
}

async function channels(path: string, protocol: string | undefined): Promise<Channels> {
  const url = `wss://${ADDRESS}:${api.port}${path}`
  const socket = new WebSocket(url, protocol === undefined ? [] : [protocol], { ca: authority.ca.cert, ...apiServer })
  const messages: Buffer[] = []
  socket.on('message', (data) => messages.push(data as Buffer))
  const over = new Promise<number>((resolve) => socket.once('close', resolve))
  await once(socket, 'open')
  assert.equal(socket.protocol, protocol ?? '')
  return {
    socket,
    over,
    text: (channel) => messages.flatMap((m) => (m[0] === channel ? [m.subarray(1).toString('latin1')] : [])).join(''),
  }
}

describe('nobody but the API server', () => {
  for (const [name, client, status] of [
    ['without a certificate', () => ({}), 401],
    ['with somebody else’s', () => certificate('system:node:other'), 403],
  ] as const)
    test(`${name} is let in, and nothing that follows is read`, async () => {
      const socket = tlsConnect({ host: ADDRESS, port: api.port, ca: authority.ca.cert, ...(await client()) })
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      socket.on('error', () => {})
      const head =
        'GET /exec/ns/web/app?command=id&output=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n'
      socket.write(`${head}${head}`)
      await until(() => socket.closed, 'the end')
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1)
      assert.deepEqual(asked, [])
    })
})

describe('refused before the upgrade, in words', () => {
  const SPDY = { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' }
  const SOCKET = {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  }
  for (const [path, headers, status, text] of [
    ['/exec/ns/none/app?command=id&output=1', SPDY, 404, /pod "none" not found/],
    ['/exec/ns/web/stopped?command=id&output=1', SPDY, 400, /is not running/],
    ['/portForward/ns/none', SPDY, 400, /the server accepts \[portforward\.k8s\.io\]/],
    ['/portForward/ns/none', { ...SPDY, 'x-stream-protocol-version': 'portforward.k8s.io' }, 404, /not found/],
    ['/portForward/ns/web', SOCKET, 400, /at least 1 port/],
    ['/exec/ns/web/app?command=id&output=1', { ...SOCKET, 'sec-websocket-protocol': 'chat' }, 400, /offers \[chat\]/],
    ['/exec/ns/web/app?command=id&output=1', { upgrade: 'h2c' }, 400, /h2c/],
    ['/exec/ns/web/app?command=id&output=1', { ...SOCKET, 'sec-websocket-key': 'short' }, 400, /Sec-WebSocket-Key/],
    ['/logs/..%2f..%2fetc?command=id', SPDY, 404, /page not found/],
  ] as const)
    test(`${path} with ${headers.upgrade}: ${status}`, async () => {
      const answer = await refusal(path, headers)
      assert.equal(answer.status, status)
      assert.match(answer.text, text)
    })
})

describe('a command over channels', () => {
  test('v5: input, its end, output, and a Status', async () => {
    const { socket, text, over } = await channels('/exec/ns/web/app?command=cat&input=1&output=1', 'v5.channel.k8s.io')
    socket.send(Buffer.from('\0hello'))
    await until(() => text(1) === 'hello', 'the echo')
    socket.send(Buffer.from([255, 0]))
    assert.equal(await over, 1000)
    assert.equal(JSON.parse(text(3)).details.causes[0].message, '3')
    assert.deepEqual(
      asked.map(({ command }) => command),
      [['cat']],
    )
  })

  test('old clients: an empty message first, sentences at the end, text in base64', async () => {
    const path = '/exec/ns/web/app?command=cat&output=1'
    const old = await channels(path, undefined)
    await old.over
    assert.deepEqual([old.text(1), old.text(3)], ['no input', 'command terminated with exit code 3'])
    const base64 = await channels(path, 'base64.channel.k8s.io')
    await base64.over
    assert.equal(Buffer.from(base64.text(0x31), 'base64').toString(), 'no input')
  })

  test('what cannot be started is told in a Status', async () => {
    const { text, over } = await channels('/exec/ns/web/app?command=broken&output=1', 'v4.channel.k8s.io')
    await over
    const status = JSON.parse(text(3))
    assert.deepEqual(
      [status.reason, status.message],
      ['InternalError', 'error executing command in container: it is broken'],
    )
  })

  test('terminal sizes: the first is there from the beginning', async () => {
    const { socket } = await channels('/attach/ns/web/app?input=1&output=1&tty=1', 'v4.channel.k8s.io')
    socket.send(Buffer.from('\x04{"Width":71,"Height":31}'))
    await until(() => asked.length === 1, 'the start')
    assert.deepEqual(asked[0]!.options, { stdin: true, tty: true, size: { columns: 71, rows: 31 } })
    socket.send(Buffer.from('\x04{"Width":10,"Height":9}'))
    await until(() => sizes.some(({ columns }) => columns === 10), 'the next')
    const before = closed
    socket.terminate()
    await until(() => closed === before + 1, 'the end of the session of a client that is gone')
  })

  test('a message that is too large ends the connection', async () => {
    const { socket, over } = await channels('/exec/ns/web/app?command=cat&input=1&output=1', 'v4.channel.k8s.io')
    socket.on('error', () => {})
    socket.send(Buffer.alloc(5 << 20))
    assert.equal(await over, 1009)
  })
})

describe('a command over SPDY', () => {
  const path = '/exec/ns/web/app?command=cat&input=1&output=1&error=1'

  test('v4: four streams, and it begins when all are there', async () => {
    const { client } = await spdy(path, 'v4.channel.k8s.io')
    const error = await client.open({ streamtype: 'error' })
    const stdin = await client.open({ streamtype: 'stdin' })
    const stdout = await client.open({ streamtype: 'stdout' })
    await until(() => client.frames.length === 3, 'three replies')
    assert.deepEqual(asked, [])
    await client.open({ streamtype: 'stderr' })
    client.send(stdin, 'hello', true)
    await until(() => client.ended, 'the end')
    assert.equal(client.data(stdout).toString(), 'hello')
    assert.equal(JSON.parse(client.data(error).toString()).details.causes[0].message, '3')
  })

  test('streams nobody asked for are refused', async () => {
    const { client, socket } = await spdy(path, 'v4.channel.k8s.io')
    const odd = await client.open({ streamtype: 'resize' })
    const error = await client.open({ streamtype: 'error' })
    const twice = await client.open({ streamtype: 'error' })
    await until(() => client.wasReset(odd) && client.wasReset(twice), 'the refusals')
    assert.equal(client.wasReset(error), false)
    socket.destroy()
  })

  test('a client that goes ends its session', async () => {
    const { client, socket } = await spdy(path, 'v4.channel.k8s.io')
    for (const streamtype of ['error', 'stdin', 'stdout', 'stderr']) await client.open({ streamtype })
    await until(() => asked.length === 1, 'the start')
    const before = closed
    socket.destroy()
    await until(() => closed === before + 1, 'the end')
  })
})

describe('ports', () => {
  const portOf = (server: Server): number => (server.address() as AddressInfo).port

  async function pair(
    client: SpdyClient,
    port: number | string,
    requestid?: string,
  ): Promise<{ readonly error: number; readonly data: number }> {
    const common = { port: String(port), ...(requestid === undefined ? {} : { requestid }) }
    const error = await client.open({ streamtype: 'error', ...common }, true)
    return { error, data: await client.open({ streamtype: 'data', ...common }) }
  }

  for (const requestid of ['7', undefined])
    test(`over SPDY, pairs told apart ${requestid === undefined ? 'by their order' : 'by their number'}`, async () => {
      const { client, socket } = await spdy('/portForward/ns/web', 'portforward.k8s.io')
      const first = await pair(client, portOf(echo), requestid)
      const second = await pair(client, portOf(echo), requestid && `${requestid}8`)
      client.send(second.data, 'second', true)
      client.send(first.data, 'first', true)
      await until(
        () => [first.data, second.data, first.error, second.error].every((id) => client.hasEnded(id)),
        'the ends',
      )
      assert.deepEqual([client.data(first.data).toString(), client.data(second.data).toString()], ['first', 'second'])
      assert.equal(client.data(first.error).length, 0)
      socket.destroy()
    })

  test('what cannot be reached is told on the error stream, and the others go on', async () => {
    const gone = createServer().listen(0, ADDRESS)
    await once(gone, 'listening')
    const port = portOf(gone)
    gone.close()
    const { client, socket } = await spdy('/portForward/ns/web', 'portforward.k8s.io')
    const refused = await pair(client, port, '1')
    const odd = await pair(client, '99999', '2')
    await until(() => client.hasEnded(refused.error) && client.hasEnded(odd.error), 'the errors')
    assert.match(
      client.data(refused.error).toString(),
      /^error forwarding port \d+ to pod ns\/web: connect ECONNREFUSED/,
    )
    assert.match(client.data(odd.error).toString(), /"99999" is not a port/)
    const good = await pair(client, portOf(echo), '3')
    client.send(good.data, 'well', true)
    await until(() => client.hasEnded(good.data), 'the good one')
    socket.destroy()
  })

  test('a pod’s connection that breaks resets its stream', async () => {
    const breaking = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
    breaking.listen(0, ADDRESS)
    await once(breaking, 'listening')
    const { client, socket } = await spdy('/portForward/ns/web', 'portforward.k8s.io')
    const { data } = await pair(client, portOf(breaking), '1')
    client.send(data, 'x')
    await until(() => client.wasReset(data), 'the reset')
    socket.destroy()
    breaking.close()
  })

  test('over channels, each beginning with its port', async () => {
    const port = portOf(echo)
    const { socket, text, over } = await channels(`/portForward/ns/web?port=${port}`, 'v4.channel.k8s.io')
    const begin = Buffer.from([port & 255, port >> 8]).toString('latin1')
    await until(() => text(0) === begin && text(1) === begin, 'the ports')
    socket.send(Buffer.from('\0hello'))
    await until(() => text(0) === `${begin}hello`, 'the echo')
    socket.close()
    await over
  })
})
