import assert from 'node:assert/strict'
import { type Duplex, duplexPair } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { pingFrame } from '../../../../src/agent/kubelet/streaming/spdy-frame.ts'
import { SpdySession } from '../../../../src/agent/kubelet/streaming/spdy-session.ts'
import type { SpdyStream } from '../../../../src/agent/kubelet/streaming/spdy-stream.ts'
import { eventually } from '../../../harness/eventually.ts'
import { SpdyClient } from './spdy-client.ts'

interface Fixture {
  readonly client: SpdyClient
  readonly connection: Duplex
  readonly session: SpdySession
  readonly streams: SpdyStream[]
  readonly over: Promise<unknown>
}

function start(t: TestContext, streamsMax = 10): Fixture {
  const [near, far] = duplexPair()
  const streams: SpdyStream[] = []
  const session = new SpdySession(near, { streamsMax, onStream: (stream) => void streams.push(stream) })
  const over = session.run().then(
    () => undefined,
    (error: unknown) => error,
  )
  t.after(() => {
    near.destroy()
    far.destroy()
  })
  return { client: new SpdyClient(far), connection: far, session, streams, over }
}

const until = (check: () => boolean, what: string): Promise<true> =>
  eventually(() => (check() ? true : undefined), 5_000, what)

test('streams carry data both ways, each direction with an end of its own', async (t) => {
  const { client, streams } = start(t)
  const id = await client.open({ streamType: 'data', port: '80' })
  await until(() => streams.length === 1, 'the stream')
  const [stream] = streams
  assert.deepEqual(
    [...stream!.headers],
    [
      ['streamtype', 'data'],
      ['port', '80'],
    ],
  )
  stream!.end('from the server')
  await until(() => client.hasEnded(id), 'the end')
  assert.equal(client.data(id).toString(), 'from the server')
  client.send(id, 'still ')
  client.send(id, 'talking', true)
  let got = ''
  for await (const chunk of stream!) got += chunk
  assert.equal(got, 'still talking')
  assert.equal(client.wasReset(id), false)
})

test('a stream that is opened with its end, and one that the client resets', async (t) => {
  const { client, streams } = start(t)
  await client.open({ streamtype: 'error' }, true)
  const second = await client.open({ streamtype: 'data' })
  await until(() => streams.length === 2, 'the streams')
  for await (const _ of streams[0]!) assert.fail('there is nothing to read')
  client.write(Buffer.from(`800300030000000800000${String(second).padStart(3, '0')}00000005`, 'hex'))
  await until(() => streams[1]!.destroyed, 'the reset')
  assert.equal(client.wasReset(second), false, 'it is not answered')
})

test('to destroy a stream resets it, and the others go on', async (t) => {
  const { client, streams } = start(t)
  const first = await client.open({ streamtype: 'data' })
  const second = await client.open({ streamtype: 'data' })
  await until(() => streams.length === 2, 'the streams')
  streams[0]!.destroy()
  await until(() => client.wasReset(first), 'the reset')
  client.send(first, 'too late')
  streams[1]!.end('well')
  await until(() => client.hasEnded(second), 'the other one')
})

test('pings are answered', async (t) => {
  const { client } = start(t)
  client.write(pingFrame(3))
  client.write(pingFrame(4))
  client.write(pingFrame(5))
  await until(() => client.frames.length === 2, 'two answers')
  assert.deepEqual(client.frames, [
    { kind: 'ping', id: 3 },
    { kind: 'ping', id: 5 },
  ])
})

test('one stream too many is refused, and its headers do not confuse the next', async (t) => {
  const { client, streams } = start(t, 2)
  await client.open({ streamtype: 'error' })
  const second = await client.open({ streamtype: 'data' })
  const refused = await client.open({ streamtype: 'data', requestid: 'x' })
  await until(() => client.wasReset(refused), 'the refusal')
  streams[1]!.destroy()
  await until(() => client.wasReset(second), 'room')
  await client.open({ streamtype: 'data', requestid: 'y' })
  await until(() => streams.length === 3, 'the next')
  assert.equal(streams[2]!.headers.get('requestid'), 'y')
})

test('a stream nobody reads holds its client up instead of filling the memory', async (t) => {
  const { client, connection, streams } = start(t)
  const id = await client.open({ streamtype: 'stdin' })
  await until(() => streams.length === 1, 'the stream')
  const piece = Buffer.alloc(64 * 1024, 'x')
  let sent = 0
  while (sent < 64 << 20 && connection.writableLength < 1 << 20) {
    client.send(id, piece)
    sent += piece.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(sent < 4 << 20, `took ${sent} bytes`)
  assert.ok(streams[0]!.readableLength <= 512 * 1024)
  client.send(id, '', true)
  let read = 0
  for await (const chunk of streams[0]!) read += (chunk as Buffer).length
  assert.equal(read, sent, 'and nothing of it is lost')
})

test('close tells that all is well, after what was written before', async (t) => {
  const { client, session, streams } = start(t)
  const id = await client.open({ streamtype: 'stdout' })
  await until(() => streams.length === 1, 'the stream')
  streams[0]!.end('last words')
  session.close()
  await until(() => client.ended, 'the end')
  assert.equal(client.data(id).toString(), 'last words')
  assert.equal(client.frames.at(-1)?.kind, 'goAway')
})

test('the end of the connection breaks every stream off', async (t) => {
  const { client, connection, streams, over } = start(t)
  await client.open({ streamtype: 'data' })
  await until(() => streams.length === 1, 'the stream')
  connection.end()
  assert.equal(await over, undefined)
  assert.equal(streams[0]!.destroyed, true)
})

for (const [name, bytes] of [
  ['a frame of another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n\xff\xff', 'latin1').fill(0x90, 0, 1)],
  ['a stream with an even number', Buffer.from('8003000100000015000000020000000000007801000400fbff00000000', 'hex')],
] as const)
  test(`${name} ends the session with a word why`, async (t) => {
    const { client, over } = start(t)
    client.write(bytes)
    assert.equal(((await over) as Error).name, 'SpdyError')
    await until(() => client.ended, 'the end')
    assert.equal(client.frames.at(-1)?.kind, 'goAway')
  })
