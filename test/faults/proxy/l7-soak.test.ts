import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../harness/eventually.ts'
import { readRequests, readResponses } from '../../unit/proxy/l7/read-all.ts'
import type { Holdings } from './l7-soak.fixture.ts'

/** `WHERRY_SOAK_ANSWERS=1000000` for a long one. */
const ANSWERS = Number(process.env.WHERRY_SOAK_ANSWERS ?? 12_000)
/** At the slowest rate that is let pass. */
const ANSWERS_PER_SECOND_MIN = 100
const CLIENTS = 32
const BACKENDS = 3
const BIG_BYTES = 100_000
const HEAP_GROWTH_BYTES_MAX = 6 * 2 ** 20
const SEED = Number(process.env.WHERRY_SEED ?? 1)

/** The same throws for the same seed; what the kernel makes of them differs all the same. */
function dice(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * n)
  }
}

/** A server that answers with the nonce it was asked with, and that dies and comes back on its port. */
class Backend {
  readonly port: number
  readonly #roll: (n: number) => number
  #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, roll: (n: number) => number) {
    this.#server = server
    this.#roll = roll
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => this.#accept(socket))
  }

  static async start(roll: (n: number) => number): Promise<Backend> {
    return new Backend(await listen(0), roll)
  }

  /** All connections are reset, and nobody listens for a while. */
  async restart(downMs: number): Promise<void> {
    this.stop()
    await new Promise((resolve) => setTimeout(resolve, downMs))
    this.#server = await listen(this.port)
    this.#server.on('connection', (socket) => this.#accept(socket))
  }

  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    let text = ''
    let isBusy = false
    const next = (): void => {
      if (isBusy) return
      const [request] = readRequests(text).messages
      if (request === undefined) return
      text = text.slice(request.end)
      isBusy = true
      const [, kind, nonce] = request.startLine.split(' ')[1]!.split('/')
      const body = `<${nonce}>${request.content}`
      if (kind === 'slow') setTimeout(() => done(plain(body)), this.#roll(30))
      else if (kind === 'chunked') {
        done(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)
      } else if (kind === 'big') done(plain(body.padEnd(BIG_BYTES, '.')))
      else if (kind === 'last') {
        done(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
        socket.end()
      } else if (kind === 'reset' && this.#roll(4) === 0) socket.resetAndDestroy()
      else done(plain(body))
    }
    const done = (response: string): void => {
      if (socket.destroyed) return
      const at = this.#roll(response.length)
      socket.write(response.slice(0, at), 'latin1')
      socket.write(response.slice(at), 'latin1')
      isBusy = false
      next()
    }
    socket.on('data', (data) => {
      text += data.toString('latin1')
      next()
    })
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

const plain = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

async function listen(port: number): Promise<Server> {
  const server = createServer({ noDelay: true }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const KINDS = ['plain', 'plain', 'plain', 'plain', 'chunked', 'slow', 'big', 'last', 'reset', 'post'] as const

interface Wanted {
  readonly kind: (typeof KINDS)[number]
  readonly nonce: string
}

interface Tally {
  answers: number
  /** Answers of the proxy's own. */
  refused: number
  /** Responses that had begun and broke off, with what was asked behind them. */
  cut: number
  readonly wrong: string[]
}

/** One client's connection. */
class Client {
  readonly #socket: Socket
  text = ''
  isGone = false
  #wake: () => void = () => {}

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (data) => {
      this.text += data.toString('latin1')
      this.#wake()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.isGone = true
      this.#wake()
    })
  }

  /** Asks for all at once and waits until all are answered, or the connection has gone. */
  async ask(wanted: readonly Wanted[], pauseMs: number): Promise<readonly { startLine: string; content: string }[]> {
    this.text = ''
    this.#socket.write(wanted.map(request).join(''), 'latin1')
    if (pauseMs > 0) {
      this.#socket.pause()
      setTimeout(() => this.#socket.resume(), pauseMs)
    }
    for (;;) {
      const { messages } = readResponses(this.text)
      if (messages.length >= wanted.length || this.isGone) return messages
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  send(wanted: readonly Wanted[]): void {
    this.#socket.write(wanted.map(request).join(''), 'latin1')
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }
}

const content = ({ kind, nonce }: Wanted): string => (kind === 'post' ? `body of ${nonce}` : '')

function request(wanted: Wanted): string {
  const { kind, nonce } = wanted
  const target = `/${kind}/${nonce}`
  if (kind !== 'post') return `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
  const body = content(wanted)
  return `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** Bursts of requests, slow reading, sudden ends, until there are enough answers. */
async function live(id: number, port: number, roll: (n: number) => number, tally: Tally, until: number): Promise<void> {
  let client = new Client(port)
  for (let round = 0; tally.answers < until; round++) {
    if (client.isGone) client = new Client(port)
    const wanted = Array.from({ length: 1 + roll(3) }, (_, i): Wanted => {
      return { kind: KINDS[roll(KINDS.length)]!, nonce: `${id}-${round}-${i}-${until}` }
    })
    const fate = roll(40)
    if (fate === 0) {
      client.send(wanted)
      if (roll(2) === 0) await new Promise((resolve) => setTimeout(resolve, roll(20)))
      client.reset()
      client = new Client(port)
      continue
    }
    const answers = await client.ask(wanted, fate === 1 ? 30 : 0)
    for (const [i, { startLine, content: body }] of answers.entries()) check(wanted[i]!, startLine, body, tally)
    const missing = wanted.slice(answers.length)
    if (missing.length === 0) continue
    // Only what had begun may break off; and what the proxy says is its last, nothing follows.
    const begun = client.text.slice(readResponses(client.text).messages.at(-1)?.end ?? 0)
    const wasLast = /\r\nConnection: close\r\n/.test(client.text)
    if (begun.length > 0 || wasLast) tally.cut += missing.length
    else tally.wrong.push(`no answer to ${missing[0]!.kind} ${missing[0]!.nonce}`)
  }
  client.reset()
}

function check(wanted: Wanted, startLine: string, body: string, tally: Tally): void {
  const { kind, nonce } = wanted
  if (!startLine.includes(' 200 ')) {
    tally.refused++
    // What is not idempotent may have been acted on when its connection broke; all else is tried again.
    if (kind !== 'post') tally.wrong.push(`${kind} ${nonce} was refused: ${startLine} ${body}`)
    return
  }
  tally.answers++
  const want = `<${nonce}>${content(wanted)}`
  if (body !== (kind === 'big' ? want.padEnd(BIG_BYTES, '.') : want)) {
    tally.wrong.push(`${kind} ${nonce} was answered with ${body.slice(0, 80)}`)
  }
}

async function startProxy(t: TestContext, ports: readonly number[]): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(new URL('l7-soak.fixture.ts', import.meta.url), ports.map(String), {
    execArgv: ['--expose-gc'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number]
  return { child, port }
}

async function holdings(child: ChildProcess): Promise<Holdings> {
  const answer = once(child, 'message')
  child.send('holdings')
  const [said] = (await answer) as [Holdings]
  return said
}

/** When nothing is under way any more. */
async function settled(child: ChildProcess): Promise<Holdings> {
  return eventually(
    async () => {
      const said = await holdings(child)
      return said.connections === 0 && said.inFlight === 0 && said.endpointInFlight === 0 ? said : undefined
    },
    20_000,
    'a proxy that holds no request',
  )
}

test('aborts, slow readers, resets and restarting endpoints: no answer is mixed up or lost, and nothing is left over', {
  timeout: 60_000 + (ANSWERS / ANSWERS_PER_SECOND_MIN) * 1_000,
}, async (t) => {
  t.diagnostic(`${ANSWERS} answers, seed ${SEED}`)
  const roll = dice(SEED)
  const backends: Backend[] = []
  while (backends.length < BACKENDS) backends.push(await Backend.start(roll))
  t.after(() => {
    for (const backend of backends) backend.stop()
  })
  const { child, port } = await startProxy(
    t,
    backends.map((backend) => backend.port),
  )
  const start = await holdings(child)
  const tally: Tally = { answers: 0, refused: 0, cut: 0, wrong: [] }
  let isOver = false
  const restarts = (async () => {
    for (let i = 0; !isOver; i++) {
      await backends[i % BACKENDS]!.restart(20 + roll(100))
      await new Promise((resolve) => setTimeout(resolve, 100 + roll(200)))
    }
    return true
  })()
  const run = async (until: number): Promise<Holdings> => {
    await Promise.all(Array.from({ length: CLIENTS }, (_, id) => live(id, port, roll, tally, until)))
    return settled(child)
  }
  const warm = await run(ANSWERS / 3)
  const end = await run(ANSWERS)
  isOver = true
  await restarts
  t.diagnostic(`${JSON.stringify({ ...tally, wrong: tally.wrong.length })}; ${JSON.stringify(end)}`)
  assert.deepEqual(tally.wrong.slice(0, 5), [])
  assert.ok(tally.answers >= ANSWERS)
  assert.ok(end.retries > 0, 'nothing ever had to be tried again')
  const grownBytes = end.heapBytes - warm.heapBytes
  assert.ok(grownBytes < HEAP_GROWTH_BYTES_MAX, `the heap has grown by ${grownBytes} bytes`)
  for (const backend of backends) backend.stop()
  await eventually(
    async () => ((await holdings(child)).descriptors <= start.descriptors ? true : undefined),
    20_000,
    'as many descriptors as at first',
  )
})
