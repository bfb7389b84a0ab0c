import assert from 'node:assert/strict'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { etcdFailure } from '../../../src/controlplane/store/etcd/etcd-error.ts'
import { UnaryChannel } from '../../../src/controlplane/store/etcd/unary-channel.ts'

type Answer = (stream: ServerHttp2Stream, message: Buffer) => void

let server: Http2Server
let sessions: Set<ServerHttp2Session>
let connections = 0
let answer: Answer
let channel: UnaryChannel

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Sends these pieces and then the status. */
function respond(stream: ServerHttp2Stream, pieces: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  for (const piece of pieces) stream.write(piece)
  stream.end()
}

const echo: Answer = (stream, message) => respond(stream, [framed(message)], { 'grpc-status': '0' })

beforeEach(async () => {
  connections = 0
  answer = echo
  sessions = new Set()
  server = createServer()
  server.on('session', (session) => {
    connections += 1
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => answer(stream, Buffer.concat(chunks).subarray(5)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  channel = new UnaryChannel(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined)
})
afterEach(async () => {
  channel.close()
  for (const session of sessions) session.destroy()
  await new Promise((resolve) => server.close(resolve))
})

const call = (text: string, withinMs = 5_000): Promise<Buffer> =>
  channel.call({ path: '/etcdserverpb.KV/Txn', message: Buffer.from(text), deadline: Date.now() + withinMs })

/** What the failure of a call means for a write. */
const kindOf = (pending: Promise<unknown>): Promise<string> =>
  pending.then(
    () => 'answered',
    (error) => etcdFailure(error).kind,
  )

test('calls share a connection, and each gets its own answer', async () => {
  const texts = Array.from({ length: 50 }, (_, i) => `message ${i}`)
  const answers = await Promise.all(texts.map((text) => call(text)))
  assert.deepEqual(answers.map(String), texts)
  assert.equal(connections, 1)
})

test('an answer in any pieces is one answer, also an empty one and a large one', async () => {
  answer = (stream, message) => {
    const whole = framed(message)
    const pieces = Array.from({ length: Math.min(whole.length, 40) }, (_, i) => whole.subarray(i, i + 1))
    respond(stream, [...pieces, whole.subarray(pieces.length)], { 'grpc-status': '0' })
  }
  assert.equal(String(await call('in pieces')), 'in pieces')
  assert.equal((await call('')).length, 0)
  const large = 'x'.repeat(20 * 1024 * 1024)
  assert.equal((await call(large, 30_000)).length, large.length)
})

test('what etcd refuses comes with its words', async () => {
  answer = (stream) =>
    respond(stream, [], { 'grpc-status': '8', 'grpc-message': 'etcdserver: mvcc: database space%20exceeded' })
  await assert.rejects(call('x'), /8 ERROR: etcdserver: mvcc: database space exceeded/)
  // Without any message the status may stand in the head.
  answer = (stream) =>
    stream.respond(
      { ':status': 200, 'grpc-status': '11', 'grpc-message': 'required revision has been compacted' },
      { endStream: true },
    )
  assert.equal(await kindOf(call('x')), 'compacted')
})

test('no answer, half an answer and an answer without a status leave it open what happened', async () => {
  answer = () => {}
  assert.equal(await kindOf(call('x', 50)), 'unclear')
  answer = (stream, message) => respond(stream, [framed(message).subarray(0, 6)], { 'grpc-status': '0' })
  assert.equal(await kindOf(call('long enough')), 'unclear')
  answer = (stream, message) => respond(stream, [framed(message)], {})
  assert.equal(await kindOf(call('x')), 'unclear')
  answer = (stream) => stream.session?.destroy()
  assert.equal(await kindOf(call('x')), 'unclear')
})

test('what was never sent may be tried elsewhere', async () => {
  await call('warm')
  answer = (stream) => stream.close(7)
  assert.equal(await kindOf(call('refused')), 'again')
  await new Promise((resolve) => {
    for (const session of sessions) session.destroy()
    server.close(resolve)
  })
  // The first may have met the end of the connection, the next one finds nobody.
  await kindOf(call('cut'))
  assert.equal(await kindOf(call('nobody')), 'again')
  channel.close()
  assert.equal(await kindOf(call('closed')), 'again')
})

test('a connection that has gone silent is left, one that is only slow is kept', async () => {
  await call('warm')
  answer = () => {}
  assert.equal(await kindOf(call('silent', 50)), 'unclear')
  answer = echo
  await call('anew')
  assert.equal(connections, 2)
  // Others are answered meanwhile: the connection is well.
  answer = (stream, message) => (message.toString() === 'slow' ? undefined : echo(stream, message))
  const slow = kindOf(call('slow', 200))
  await new Promise((resolve) => setTimeout(resolve, 20))
  await call('quick')
  assert.equal(await slow, 'unclear')
  await call('again')
  assert.equal(connections, 2)
})

test('a server that goes lets what is under way end, and is connected to anew', async () => {
  await call('warm')
  const held: (() => void)[] = []
  answer = (stream, message) => held.push(() => echo(stream, message))
  const under = call('under way')
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
  for (const session of sessions) session.goaway(0)
  held[0]!()
  assert.equal(String(await under), 'under way')
  answer = echo
  assert.equal(String(await call('after')), 'after')
  assert.equal(connections, 2)
})
