import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { ACTIVE, FAILED } from '../../../src/proxy/l4/service-port.ts'
import type { Endpoint, Listener } from '../../../src/proxy/table/routing-table.ts'
import { IP, type Lab, listenerOf, POD, startLab, until } from './proxy-fixture.ts'

async function bound(t: TestContext, address: string, port = 0): Promise<Socket> {
  const socket = createSocket('udp4')
  t.after(() => {
    try {
      socket.close()
    } catch {
      // The test has closed it.
    }
  })
  socket.bind(port, address)
  await once(socket, 'listening')
  return socket
}

interface UdpBackend {
  readonly endpoint: Endpoint
  readonly socket: Socket
}

/** Answers every datagram with its name and what it got, and from whom. */
async function udpBackend(t: TestContext, address: string, name: string): Promise<UdpBackend> {
  const socket = await bound(t, address)
  socket.on('message', (message, from) => socket.send(`${name} ${message} ${from.address}`, from.port, from.address))
  return { endpoint: { address, port: (socket.address() as AddressInfo).port, nodeName: undefined }, socket }
}

function udpListener(port: number, endpoints: readonly Endpoint[], more: Partial<Listener> = {}): Listener {
  return listenerOf(port, endpoints, { protocol: 'UDP', ...more })
}

async function say(lab: Lab, client: Socket, text: string): Promise<string> {
  client.send(text, lab.port, IP)
  const [answer, from] = (await once(client, 'message')) as [Buffer, AddressInfo]
  assert.deepEqual([from.address, from.port], [IP, lab.port], 'answers come from where the client sent to')
  return String(answer).split(' ').slice(0, 2).join(' ')
}

test('each client stays with one endpoint, clients take turns, answers come back', async (t) => {
  const lab = await startLab(t)
  const a = await udpBackend(t, POD(1), 'a')
  const b = await udpBackend(t, POD(2), 'b')
  await lab.go([udpListener(lab.port, [a.endpoint, b.endpoint])])
  const clients = [await bound(t, '127.0.0.1'), await bound(t, '127.0.0.1')]
  const first = [await say(lab, clients[0]!, '1'), await say(lab, clients[1]!, '1')]
  assert.deepEqual([...first].sort(), ['a 1', 'b 1'])
  for (const [i, client] of clients.entries()) assert.equal(await say(lab, client, '2'), first[i]!.replace('1', '2'))
  assert.equal(lab.counts()[ACTIVE], 2)
})

// kubernetes #19029: flows to endpoints that are gone went on into nothing.
test('a flow whose endpoint goes is dropped at once, and goes on with another', async (t) => {
  const lab = await startLab(t)
  const a = await udpBackend(t, POD(1), 'a')
  const b = await udpBackend(t, POD(2), 'b')
  await lab.go([udpListener(lab.port, [a.endpoint])])
  const client = await bound(t, '127.0.0.1')
  assert.equal(await say(lab, client, '1'), 'a 1')
  await lab.go([udpListener(lab.port, [b.endpoint])])
  assert.equal(lab.counts()[ACTIVE], 0)
  assert.equal(await say(lab, client, '2'), 'b 2')
})

test('flows of endpoints that stay are not touched by changes beside them', async (t) => {
  const lab = await startLab(t)
  const a = await udpBackend(t, POD(1), 'a')
  const b = await udpBackend(t, POD(2), 'b')
  await lab.go([udpListener(lab.port, [a.endpoint])])
  const client = await bound(t, '127.0.0.1')
  assert.equal(await say(lab, client, '1'), 'a 1')
  await lab.go([udpListener(lab.port, [b.endpoint, { ...a.endpoint, nodeName: 'test-1' }])])
  assert.equal(lab.counts()[ACTIVE], 1)
  assert.equal(await say(lab, client, '2'), 'a 2')
})

test('what an endpoint that is not there did not get goes to another one', async (t) => {
  const lab = await startLab(t)
  const a = await udpBackend(t, POD(1), 'a')
  await lab.go([udpListener(lab.port, [await lab.nobody(POD(2)), a.endpoint, await lab.nobody(POD(3))])])
  for (let i = 0; i < 6; i++) assert.equal(await say(lab, await bound(t, '127.0.0.1'), String(i)), `a ${i}`)
  assert.ok(lab.counts()[FAILED]! > 0)
})

test('datagrams that come while a session is set up are kept in order', async (t) => {
  const lab = await startLab(t)
  const got: string[] = []
  const server = await bound(t, POD(1))
  server.on('message', (message) => got.push(String(message)))
  const endpoint = { address: POD(1), port: (server.address() as AddressInfo).port, nodeName: undefined }
  await lab.go([udpListener(lab.port, [endpoint])])
  const client = await bound(t, '127.0.0.1')
  const sent = Array.from({ length: 20 }, (_, i) => String(i))
  for (const text of sent) client.send(text, lab.port, IP)
  await until(() => got.length >= sent.length, 'all have come')
  assert.deepEqual(got, sent)
})

test('sessions end when they are idle', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const a = await udpBackend(t, POD(1), 'a')
  await lab.go([udpListener(lab.port, [a.endpoint])])
  const client = await bound(t, '127.0.0.1')
  await say(lab, client, '1')
  await clock.advance(59_000)
  await say(lab, client, '2')
  await clock.advance(59_000)
  assert.equal(lab.counts()[ACTIVE], 1)
  await clock.advance(6_001)
  assert.equal(lab.counts()[ACTIVE], 0)
  assert.equal(await say(lab, client, '3'), 'a 3')
})

test('endpoints see the client itself where its address is to be kept', async (t) => {
  const lab = await startLab(t)
  const a = await udpBackend(t, POD(1), 'a')
  await lab.go([udpListener(lab.port, [a.endpoint], { keepSource: true })])
  const client = await bound(t, '127.127.130.9')
  client.send('x', lab.port, IP)
  assert.equal(String((await once(client, 'message'))[0]), 'a x 127.127.130.9')
})

test('a client stays with its endpoint over sessions where the Service asks for it', async (t) => {
  const lab = await startLab(t)
  const backends = await Promise.all(['a', 'b', 'c'].map((name, i) => udpBackend(t, POD(i + 1), name)))
  const endpoints = backends.map(({ endpoint }) => endpoint)
  await lab.go([udpListener(lab.port, endpoints, { affinityMs: 60_000 })])
  const first = await say(lab, await bound(t, '127.0.0.1'), 'x')
  for (let i = 0; i < 4; i++) assert.equal(await say(lab, await bound(t, '127.0.0.1'), 'x'), first)
})

test('when there are too many sessions, the one that was silent longest makes room', async (t) => {
  const lab = await startLab(t, { connectionsMax: 2 })
  const a = await udpBackend(t, POD(1), 'a')
  await lab.go([udpListener(lab.port, [a.endpoint])])
  const clients = await Promise.all(Array.from({ length: 5 }, () => bound(t, '127.0.0.1')))
  for (const client of clients) {
    assert.equal(await say(lab, client, 'x'), 'a x')
    assert.ok(lab.counts()[ACTIVE]! <= 4)
  }
  assert.equal(lab.counts()[ACTIVE], 4)
})

test('a port without endpoints is not listened on, so that clients are told', async (t) => {
  const lab = await startLab(t)
  const a = await udpBackend(t, POD(1), 'a')
  await lab.go([udpListener(lab.port, [])])
  const client = createSocket('udp4')
  t.after(() => client.close())
  client.connect(lab.port, IP)
  await once(client, 'connect')
  const refused = once(client, 'error')
  client.send('x')
  await assert.rejects(async () => {
    throw (await refused)[0]
  })
  await lab.go([udpListener(lab.port, [a.endpoint])])
  client.send('y')
  assert.match(String((await once(client, 'message'))[0]), /^a y/)
})

test('a port that is taken is tried again until it is free', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const a = await udpBackend(t, POD(1), 'a')
  const other = await bound(t, IP, lab.port)
  await lab.go([udpListener(lab.port, [a.endpoint])])
  const { binding } = lab.bindings[0]!
  assert.ok(binding.state === 'failed' && binding.code === 'EADDRINUSE')
  other.close()
  await once(other, 'close')
  await clock.advance(2_000)
  await until(() => lab.bindings.length === 2, 'it is bound')
  assert.equal(await say(lab, await bound(t, '127.0.0.1'), 'x'), 'a x')
})
