import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { DEFAULT_ENGINE_SETTINGS, type EngineSettings } from '../../../../src/proxy/l7/engine/engine-settings.ts'
import type { UpstreamOptions } from '../../../../src/proxy/l7/engine/upstream.ts'
import { type HttpProxy, startHttpProxy } from '../../../../src/proxy/l7/standalone.ts'
import { eventually } from '../../../harness/eventually.ts'

const WITHIN_MS = 10_000

/** One connection whose bytes are looked at as text. */
export class Peer {
  readonly socket: Socket
  /** All that has arrived. */
  text = ''
  isEnded = false
  isClosed = false
  error: NodeJS.ErrnoException | undefined
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data) => {
      this.text += data.toString('latin1')
      this.#wake()
    })
    socket.on('end', () => {
      this.isEnded = true
    })
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits until the text so far fits, and takes it. */
  async until(pattern: RegExp, what = String(pattern)): Promise<string> {
    const untilMs = performance.now() + WITHIN_MS
    while (!pattern.test(this.text)) {
      const leftMs = untilMs - performance.now()
      if (leftMs <= 0 || this.isClosed)
        assert.fail(`${what} did not come; there was ${JSON.stringify(this.text.slice(0, 400))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const { text } = this
    this.text = ''
    return text
  }

  async ended(): Promise<string> {
    await eventually(() => (this.isEnded || this.isClosed ? true : undefined), WITHIN_MS, 'the end of a connection')
    return this.text
  }

  async closed(): Promise<void> {
    await eventually(() => (this.isClosed ? true : undefined), WITHIN_MS, 'a closed connection')
  }
}

/** A server that does with its connections what the test says. */
export class Backend {
  readonly server: Server
  readonly peers: Peer[] = []

  constructor(server: Server) {
    this.server = server
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** The `n`-th connection, from 0. */
  async peer(n: number): Promise<Peer> {
    return eventually(() => this.peers[n], WITHIN_MS, `connection ${n} to the backend`)
  }
}

export async function startBackend(t: TestContext, onPeer?: (peer: Peer) => void): Promise<Backend> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const backend = new Backend(server)
  server.on('connection', (socket) => {
    const peer = new Peer(socket)
    backend.peers.push(peer)
    onPeer?.(peer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const { socket } of backend.peers) socket.destroy()
  })
  return backend
}

/** Answers each bodiless request with what `answer` makes of its target; what arrives while `isHeld` stays in `text`. */
export function answering(
  answer: (target: string, head: string) => string,
  isHeld: (peer: Peer) => boolean = () => false,
): (peer: Peer) => void {
  return (peer) => {
    peer.socket.on('data', () => {
      if (isHeld(peer)) return
      for (;;) {
        const end = peer.text.indexOf('\r\n\r\n')
        if (end === -1) return
        const head = peer.text.slice(0, end)
        peer.text = peer.text.slice(end + 4)
        peer.send(answer(head.split(' ')[1]!, head))
      }
    })
  }
}

export const ok = (body: string, headers = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`
export const get = (target = '/', headers = ''): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`
export const post = (body: string, headers = `Content-Length: ${body.length}\r\n`): string =>
  `POST /p HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`

export interface ProxyFixture {
  readonly proxy: HttpProxy
  client(): Promise<Peer>
}

export async function startProxy(
  t: TestContext,
  backends: readonly (Backend | number)[],
  settings: Partial<EngineSettings> = {},
  upstream: Omit<UpstreamOptions, 'name' | 'endpoints'> = {},
): Promise<ProxyFixture> {
  const forward = { ...DEFAULT_ENGINE_SETTINGS.forward, createsRequestId: false, ...settings.forward }
  const proxy = await startHttpProxy({
    listen: { host: '127.0.0.1', port: 0 },
    endpoints: backends.map((backend) => ({
      address: '127.0.0.1',
      port: typeof backend === 'number' ? backend : backend.port,
    })),
    settings: { ...settings, forward },
    upstream,
  })
  t.after(() => proxy.close())
  return {
    proxy,
    async client() {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      const peer = new Peer(socket)
      t.after(() => socket.destroy())
      await once(socket, 'connect')
      return peer
    },
  }
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
