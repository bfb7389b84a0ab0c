import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../harness/eventually.ts'
import { type Backend, get, ok, type Peer, startBackend, startProxy } from './engine-fixture.ts'
import { readRequests, readResponses } from './read-all.ts'

const CLIENTS = 24
const ROUNDS = 25
const BIG = 150_000

/** Small and repeatable: a failure prints the seed. */
function dice(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * n)
  }
}

/** Does what a request's target says, well or badly; requests of one connection one after another. */
function misbehaving(roll: (n: number) => number): (peer: Peer) => void {
  return (peer) => {
    let isBusy = false
    const next = (): void => {
      if (isBusy) return
      const [request] = readRequests(peer.text).messages
      if (request === undefined) return
      peer.text = peer.text.slice(request.end)
      isBusy = true
      const [, target] = request.startLine.split(' ')
      const [, kind, nonce] = target!.split('/')
      const body = `<${nonce}>${request.content}`
      const done = (text: string, ends = false): void => {
        // In two pieces, so that borders fall anywhere.
        const at = roll(text.length)
        peer.send(text.slice(0, at))
        peer.send(text.slice(at))
        isBusy = false
        if (ends) peer.socket.end()
        else next()
      }
      if (kind === 'chunked') {
        done(
          `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)};x=y\r\n${body}\r\n0\r\nT: x\r\n\r\n`,
        )
      } else if (kind === 'slow') setTimeout(() => done(ok(body)), roll(30))
      else if (kind === 'close') done(ok(body, 'Connection: close\r\n'), true)
      else if (kind === 'eof') done(`HTTP/1.1 200 OK\r\n\r\n${body}`, true)
      else if (kind === 'big') done(ok(body.padEnd(BIG, '.')))
      else if (kind === 'die' && roll(2) === 0) peer.socket.resetAndDestroy()
      else if (kind === 'half') {
        peer.send(ok(body.padEnd(1_000, '.')).slice(0, 300))
        peer.socket.end()
      } else if (kind === 'hint') done(`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${ok(body)}`)
      else done(ok(body))
    }
    peer.socket.on('data', next)
  }
}

const KINDS = [
  'plain',
  'plain',
  'plain',
  'chunked',
  'slow',
  'close',
  'eof',
  'big',
  'die',
  'half',
  'hint',
  'post',
  'long-post',
]

function request(kind: string, nonce: string): string {
  if (!kind.endsWith('post')) return get(`/${kind}/${nonce}`)
  const body = (kind === 'post' ? 'p' : 'P'.repeat(BIG)) + nonce
  return `POST /${kind}/${nonce} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** One client's life: bursts of requests, slow reading, sudden ends; every answer is its own request's. */
async function live(
  id: number,
  client: () => Promise<Peer>,
  roll: (n: number) => number,
  seen: { answers: number; errors: number },
): Promise<void> {
  let peer = await client()
  for (let round = 0; round < ROUNDS; round++) {
    if (peer.isEnded || peer.isClosed) peer = await client()
    peer.text = ''
    const wanted = Array.from({ length: 1 + roll(3) }, (_, i) => ({
      kind: KINDS[roll(KINDS.length)]!,
      nonce: `${id}-${round}-${i}`,
    }))
    peer.send(wanted.map(({ kind, nonce }) => request(kind, nonce)).join(''))
    const fate = roll(12)
    if (fate === 0) {
      peer.socket.resetAndDestroy()
      continue
    }
    if (fate === 1) {
      peer.socket.pause()
      setTimeout(() => peer.socket.resume(), 30)
    }
    await eventually(() => {
      const complete = readResponses(peer.text).messages.length
      return complete >= wanted.length || peer.isEnded || peer.isClosed ? true : undefined
    })
    const { messages } = readResponses(peer.text)
    for (const [i, { startLine, content }] of messages.entries()) {
      const { kind, nonce } = wanted[i]!
      if (startLine.includes(' 200 ')) {
        seen.answers++
        const want = kind.endsWith('post')
          ? `<${nonce}>${kind === 'post' ? 'p' : 'P'.repeat(BIG)}${nonce}`
          : `<${nonce}>`
        assert.equal(kind === 'big' ? content.replace(/\.+$/, '') : content, want)
        if (kind === 'big') assert.equal(content.length, BIG)
      } else {
        seen.errors++
        assert.match(startLine, / 50[234] /)
        assert.ok(kind === 'die' || kind === 'half' || kind.endsWith('post'), `${kind}: ${startLine} ${content}`)
      }
    }
  }
  peer.socket.resetAndDestroy()
}

for (const [name, depthMax] of [
  ['shared', 64],
  ['alone', 1],
] as const) {
  test(`whatever clients and endpoints do, each answer is its own request's and nothing is left over: connections ${name}`, async (t) => {
    const seed = Math.floor(Math.random() * 0x1_0000_0000)
    t.diagnostic(`seed ${seed}`)
    const roll = dice(seed)
    const backends: Backend[] = []
    for (let i = 0; i < 3; i++) backends.push(await startBackend(t, misbehaving(roll)))
    const pipelining = {
      depthMax,
      fastMs: 1_000,
      renewMs: 500,
      waitMs: 1_000,
      stallMs: 10,
      pauseMs: 20,
      pauseMaxMs: 50,
    }
    const health = {
      started: () => false,
      finished: () => false,
      sweep: () => false,
      nextSweepAtMs: () => Number.POSITIVE_INFINITY,
    }
    const { client, proxy } = await startProxy(t, backends, { pipelining }, { health })
    const seen = { answers: 0, errors: 0 }
    await Promise.all(Array.from({ length: CLIENTS }, (_, id) => live(id, client, roll, seen)))
    assert.ok(seen.answers > CLIENTS * ROUNDS * 0.5, `${seen.answers} answers, ${seen.errors} errors`)
    const upstream = proxy.engine.upstreams[0]!
    await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
    await eventually(() => (upstream.metrics.inFlight === 0 && upstream.breaker.count(2) === 0 ? true : undefined))
    for (const { balanced } of upstream.endpoints()) assert.equal(balanced.inFlight, 0)
    upstream.destroy()
    await eventually(() => (upstream.breaker.count(0) === 0 ? true : undefined))
  })
}
