import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/read-proxy-header.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { deadPort, get, ok, type Peer, post, startBackend, startProxy } from '../engine-fixture.ts'

/** Takes the header from the front of what has arrived, and says whose it is. */
async function takeHeader(peer: Peer): Promise<string> {
  return eventually(() => {
    const reading = readProxyHeader(Buffer.from(peer.text, 'latin1'))
    if (reading.kind !== 'read') return undefined
    peer.text = peer.text.slice(reading.bytes)
    const { ends } = reading
    return ends === undefined ? '-' : `${ends.source.address}:${ends.source.port} ${ends.destination.port}`
  })
}

for (const version of ['v1', 'v2'] as const) {
  test(`each connection to an endpoint says whose it is, and serves nobody else (${version})`, async (t) => {
    const backend = await startBackend(t)
    const { client, proxy } = await startProxy(t, [backend], {}, { proxyProtocol: version })
    const clients = [await client(), await client(), await client()]
    clients.forEach((peer, i) => {
      peer.send(get(`/${i}`))
    })
    const own = new Map<string, Peer>()
    for (let n = 0; n < clients.length; n++) {
      const upstream = await backend.peer(n)
      const whose = await takeHeader(upstream)
      assert.ok(whose.endsWith(` ${proxy.port}`), whose)
      own.set(whose.split(' ')[0]!, upstream)
      const target = /^GET \/(\d) /.exec(await upstream.until(/\r\n\r\n$/))![1]!
      assert.ok(own.has(`127.0.0.1:${clients[Number(target)]!.socket.localPort}`), 'the header names the client')
      upstream.send(ok(target))
    }
    for (const [i, peer] of clients.entries()) {
      await peer.until(new RegExp(`\r\n\r\n${i}$`))
      const upstream = own.get(`127.0.0.1:${peer.socket.localPort}`)!
      for (const request of [get('/again'), post('body'), get('/more')]) {
        peer.send(request)
        assert.match(await upstream.until(/^(GET|POST) [\s\S]*\r\n\r\n(body)?$/), /^(GET|POST)/, 'no second header')
        upstream.send(ok('again'))
        await peer.until(/again$/)
      }
    }
    assert.equal(backend.peers.length, clients.length)
    const left = own.get(`127.0.0.1:${clients[0]!.socket.localPort}`)!
    clients[0]!.socket.destroy()
    await left.ended()
    assert.equal(backend.peers.filter(({ isEnded }) => isEnded).length, 1, 'the other connections stay')
  })
}

test('another try says it again', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [await deadPort(), backend, await deadPort()], {}, { proxyProtocol: 'v2' })
  for (let n = 0; n < 4; n++) {
    const peer = await client()
    peer.send(get())
    const upstream = await backend.peer(n)
    assert.match(await takeHeader(upstream), new RegExp(`^127\\.0\\.0\\.1:${peer.socket.localPort} `))
    await upstream.until(/^GET /)
    upstream.send(ok('x'))
    await peer.until(/x$/)
  }
})

test('an upgraded connection begins with the header too', async (t) => {
  const backend = await startBackend(t)
  const { client, proxy } = await startProxy(t, [backend], {}, { proxyProtocol: 'v1' })
  const peer = await client()
  peer.send(get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  const upstream = await backend.peer(0)
  await takeHeader(upstream)
  await upstream.until(/^GET [\s\S]*\r\n\r\n$/)
  upstream.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
  await peer.until(/hello$/)
  peer.send('there')
  await upstream.until(/^there$/)
  peer.socket.end()
  await upstream.ended()
  upstream.socket.end()
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})
