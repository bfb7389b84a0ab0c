import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { PlainSocket, type PlainSocketListener } from '../../../../src/proxy/l7/engine/plain-socket.ts'
import { eventually } from '../../../harness/eventually.ts'

const WITHIN_MS = 10_000

/** Keeps what a socket says. */
class Log implements PlainSocketListener {
  readonly events: string[] = []
  text = ''
  takesMore = true
  buffer: Uint8Array = new Uint8Array(1_024)

  nextBuffer(): Uint8Array {
    return this.buffer
  }

  socketRead(count: number, buffer: Uint8Array): boolean {
    this.text += Buffer.from(buffer.subarray(0, count)).toString('latin1')
    return this.takesMore
  }

  socketDrained(): void {
    this.events.push('drained')
  }

  socketEnded(): void {
    this.events.push('end')
  }

  socketClosed(): void {
    this.events.push('close')
  }

  async until(event: string): Promise<void> {
    await eventually(() => (this.events.includes(event) ? true : undefined), WITHIN_MS, event)
  }
}

async function listen(t: TestContext): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

/** A socket on an accepted handle, and its client. */
async function accepted(
  t: TestContext,
): Promise<{ socket: PlainSocket; log: Log; client: Socket; received: string[] }> {
  const { server, port } = await listen(t)
  const log = new Log()
  const socket = new Promise<PlainSocket>((resolve) => {
    const { _handle: handle } = server as unknown as { _handle: { onconnection(error: number, h: object): void } }
    handle.onconnection = (_error, h) =>
      resolve(new PlainSocket(log, h as ConstructorParameters<typeof PlainSocket>[1]))
  })
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const isConnected = once(client, 'connect')
  client.on('error', (error: NodeJS.ErrnoException) => received.push(error.code ?? 'error'))
  const received: string[] = []
  client.on('data', (b) => received.push(b.toString('latin1')))
  client.on('end', () => received.push('END'))
  t.after(() => client.destroy())
  await isConnected
  return { socket: await socket, log, client, received }
}

test('reads into the buffer it is given, and into another one from the next read on', async (t) => {
  const { socket, log, client } = await accepted(t)
  socket.resume()
  client.write('one')
  await eventually(() => (log.text === 'one' ? true : undefined), WITHIN_MS, 'the first read')
  const first = log.buffer
  log.buffer = new Uint8Array(16)
  client.write('two')
  await eventually(() => (log.text === 'onetwo' ? true : undefined), WITHIN_MS, 'the second read')
  client.write('six')
  await eventually(() => (log.text === 'onetwosix' ? true : undefined), WITHIN_MS, 'the third read')
  assert.equal(Buffer.from(first.subarray(0, 3)).toString(), 'two')
  assert.equal(Buffer.from(log.buffer.subarray(0, 3)).toString(), 'six')
  socket.destroy()
  await log.until('close')
})

test('who takes no more is read to no further until it says so', async (t) => {
  const { socket, log, client } = await accepted(t)
  log.takesMore = false
  socket.resume()
  client.write('a')
  await eventually(() => (log.text === 'a' ? true : undefined), WITHIN_MS, 'a read')
  client.end('b')
  // The other direction still moves, so a read would have come before this.
  socket.write(Buffer.from('x'))
  await once(client, 'data')
  assert.equal(log.text, 'a')
  assert.deepEqual(log.events, [])
  log.takesMore = true
  socket.resume()
  await log.until('end')
  assert.equal(log.text, 'ab')
  socket.end()
  await log.until('close')
})

test('sides end by themselves, and when both have the socket closes', async (t) => {
  const { socket, log, client, received } = await accepted(t)
  socket.resume()
  socket.write(Buffer.from('last'))
  socket.end()
  await eventually(() => (received.includes('END') ? true : undefined), WITHIN_MS, 'the end')
  client.write('still')
  await eventually(() => (log.text === 'still' ? true : undefined), WITHIN_MS, 'a read after the end')
  assert.equal(socket.destroyed, false)
  client.end()
  await log.until('close')
  assert.deepEqual(log.events, ['end', 'close'])
  assert.equal(received[0], 'last')
})

test('what the kernel does not take is pending, goes out in order, and the end after it', async (t) => {
  const { socket, log, client } = await accepted(t)
  client.pause()
  let size = 0
  const part = Buffer.alloc(256 * 1024, 'p')
  while (!socket.isPending) {
    socket.write(part)
    size += part.length
  }
  socket.write(Buffer.from('tail'))
  socket.end()
  const chunks: Buffer[] = []
  client.removeAllListeners('data')
  client.on('data', (b) => chunks.push(b))
  client.resume()
  await once(client, 'end')
  const all = Buffer.concat(chunks)
  assert.equal(all.length, size + 4)
  assert.equal(all.subarray(-4).toString(), 'tail')
  assert.ok(log.events.includes('drained'))
  assert.equal(socket.isPending, false)
  client.end()
  socket.resume()
  await log.until('close')
})

test('a reset is seen as one, also with writes pending, and leaves no handle behind after an end', async (t) => {
  for (const before of ['nothing', 'pending', 'ended'] as const) {
    const { socket, log, client, received } = await accepted(t)
    socket.resume()
    client.pause()
    if (before === 'pending') while (!socket.isPending) socket.write(Buffer.alloc(256 * 1024))
    if (before === 'ended') socket.end()
    socket.resetAndDestroy()
    await log.until('close')
    client.resume()
    await eventually(
      () => (received.includes(before === 'ended' ? 'END' : 'ECONNRESET') ? true : undefined),
      WITHIN_MS,
      `a reset after ${before}`,
    )
  }
})

test('who closes once all has gone loses nothing', async (t) => {
  const { socket, log, client } = await accepted(t)
  client.pause()
  let size = 0
  while (!socket.isPending) {
    socket.write(Buffer.alloc(256 * 1024))
    size += 256 * 1024
  }
  socket.destroySoon()
  assert.equal(socket.destroyed, false)
  let received = 0
  client.removeAllListeners('data')
  client.on('data', (b) => {
    received += b.length
  })
  client.resume()
  await once(client, 'end')
  await log.until('close')
  assert.equal(received, size)
})

test('connects, sends what was written before that, and ends if that was asked for', async (t) => {
  const { server, port } = await listen(t)
  const log = new Log()
  const socket = new PlainSocket(log, undefined)
  let isConnected = false
  socket.connect('127.0.0.1', port, () => {
    isConnected = true
    assert.equal(log.events.length, 0)
  })
  socket.write(Buffer.from('early '))
  socket.write(Buffer.from('bird'))
  socket.end()
  assert.equal(socket.isPending, true)
  const [peer] = (await once(server, 'connection')) as [Socket]
  let text = ''
  peer.on('data', (b) => {
    text += b.toString()
  })
  await once(peer, 'end')
  assert.equal(text, 'early bird')
  assert.ok(isConnected)
  peer.end('answer')
  await log.until('close')
  assert.equal(log.text, 'answer')
  assert.deepEqual(log.events, ['drained', 'end', 'close'])
})

test('closes when nobody listens, and when it is given up before it is connected', async (t) => {
  const { server, port } = await listen(t)
  const given = new Log()
  const up = new PlainSocket(given, undefined)
  up.connect('127.0.0.1', port, () => assert.fail('connected'))
  up.destroy()
  await given.until('close')
  server.close()
  await once(server, 'close')
  const log = new Log()
  const socket = new PlainSocket(log, undefined)
  socket.connect('127.0.0.1', port, () => assert.fail('connected'))
  await log.until('close')
  assert.deepEqual(log.events, ['close'])
  assert.equal(socket.destroyed, true)
})

test('becomes a socket of Node, with what was read put back', async (t) => {
  const { socket, log, client, received } = await accepted(t)
  log.takesMore = false
  socket.resume()
  client.write('hello ')
  await eventually(() => (log.text === 'hello ' ? true : undefined), WITHIN_MS, 'a read')
  const released = socket.release(Buffer.from('hello '))
  assert.ok(released instanceof Socket)
  t.after(() => released.destroy())
  assert.equal(released.read()?.toString(), 'hello ')
  released.write('back')
  await eventually(() => (received.includes('back') ? true : undefined), WITHIN_MS, 'an answer')
  assert.deepEqual(log.events, [])
})

test('says who is at the other end, until it is closed', async (t) => {
  const { socket, log, client } = await accepted(t)
  assert.equal(socket.remoteAddress, '127.0.0.1')
  assert.equal(socket.remotePort, client.localPort)
  assert.equal(socket.localPort, client.remotePort)
  socket.destroy()
  await log.until('close')
  assert.equal(socket.localPort, undefined)
  assert.equal(socket.remotePort, client.localPort)
})
