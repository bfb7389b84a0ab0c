import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Client, Dispatcher } from 'undici'
import type { Clock } from '../../../base/clock.ts'
import type { BalancedEndpoint } from '../../balance/balanced-endpoint.ts'
import type { Balancer } from '../../balance/balancer.ts'
import { Prequal } from '../../balance/prequal.ts'
import type { UpstreamProtocol, UpstreamTransport } from '../engine/upstream-transport.ts'
import { writeProxyHeader } from '../proxy-protocol/write-proxy-header.ts'
import { LOAD_ANSWER_BYTES_MAX, parseLoadAnswer } from './load-answer.ts'
import { ProbeSchedule } from './probe-schedule.ts'

export interface LoadProberOptions {
  /** Where endpoints answer (`load-answer.ts`), such as `/load`. */
  readonly path: string
  /** Probes for each request, on average. Default 3 (NSDI '24). */
  readonly perRequest?: number
  /** At most so many together. Default 1,000. */
  readonly perSecond?: number
  /** Default 100. */
  readonly timeoutMs?: number
  readonly clock: Clock
  readonly random: () => number
  /** Endpoints have begun to answer, or ceased to: why. Once per change. */
  onChange(why: string | undefined): void
}

/** What TLS connections offer. */
const ALPN: Readonly<Record<UpstreamProtocol, readonly string[]>> = {
  http1: ['http/1.1'],
  h2c: ['http/1.1'],
  h2: ['h2'],
  auto: ['h2', 'http/1.1'],
}

type Connector = NonNullable<Client.Options['connect']>

/**
 * Prequal's probes: small requests to the endpoints of one backend, each on a connection of its own that is kept. They
 * are sent while requests are balanced and never wait for them; what comes back decides later requests. Where endpoints
 * do not answer, the proxy goes by what it sees itself until they do.
 */
export class LoadProber {
  readonly #options: LoadProberOptions
  readonly #schedule: ProbeSchedule
  readonly #timeoutMs: number
  readonly #balancers: Prequal[] = []
  readonly #clients = new Map<string, Client>()
  #transport: UpstreamTransport | undefined
  #undici: typeof import('undici') | undefined
  #wasPassive = false
  #isClosed = false

  constructor(options: LoadProberOptions) {
    this.#options = options
    this.#schedule = new ProbeSchedule(options.perSecond ?? 1_000)
    this.#timeoutMs = options.timeoutMs ?? 100
  }

  /** A balancer that goes by the answers. */
  createBalancer(): Balancer {
    const { random, perRequest } = this.#options
    const balancer = new Prequal({
      random,
      probe: (endpoint, nowMs) => this.#probe(endpoint, nowMs),
      isPassive: () => this.#schedule.isPassive,
      ...(perRequest === undefined ? {} : { probesPerQuery: perRequest }),
    })
    this.#balancers.push(balancer)
    return balancer
  }

  /** From here on there are probes, over connections of this kind. */
  async begin(transport: UpstreamTransport): Promise<void> {
    // Heavy, and seldom needed.
    this.#undici = await import('undici')
    this.#transport = transport
  }

  /** Ends what concerns other endpoints. */
  keep(endpoints: readonly { readonly address: string; readonly port: number }[]): void {
    const names = new Set(endpoints.map(({ address, port }) => `${address}:${port}`))
    this.#schedule.keep(names)
    for (const [name, client] of this.#clients) {
      if (names.has(name)) continue
      this.#clients.delete(name)
      void client.destroy()
    }
  }

  close(): void {
    this.#isClosed = true
    this.keep([])
  }

  #probe(endpoint: BalancedEndpoint, nowMs: number): void {
    if (this.#isClosed || this.#transport === undefined || !this.#schedule.take(endpoint.name, nowMs)) return
    void this.#ask(endpoint).then(
      () => {
        this.#schedule.answered(endpoint.name)
        this.#tell(undefined)
      },
      (error: Error) => {
        this.#schedule.failed(endpoint.name, this.#options.clock.monotonic())
        this.#tell(`${endpoint.name}: ${error.message}`)
      },
    )
  }

  /** Rejects when there is no answer that says anything. */
  async #ask(endpoint: BalancedEndpoint): Promise<void> {
    const { path, clock } = this.#options
    const gone = new AbortController()
    const timer = clock.setTimer(this.#timeoutMs, () => gone.abort(new Error(`no answer within ${this.#timeoutMs} ms`)))
    try {
      const answer = await this.#clientOf(endpoint).request({ method: 'GET', path, signal: gone.signal })
      const text = await readBounded(answer.body)
      if (answer.statusCode !== 200) throw new Error(`GET ${path} is answered with ${answer.statusCode}`)
      const load = parseLoadAnswer(text)
      if (load === undefined) throw new Error(`GET ${path} is answered with something else than a load`)
      const nowMs = clock.monotonic()
      for (const balancer of this.#balancers) {
        balancer.probed(endpoint, load.requestsInFlight, load.latencyMs, nowMs)
      }
    } finally {
      timer.cancel()
    }
  }

  #clientOf({ name, address, port }: BalancedEndpoint): Client {
    let client = this.#clients.get(name)
    if (client === undefined) {
      const host = address.includes(':') ? `[${address}]` : address
      client = new this.#undici!.Client(`http://${host}:${port}`, {
        connect: connectorTo(address, port, this.#transport!, this.#timeoutMs),
        keepAliveTimeout: 60_000,
        // As requests are: an endpoint may understand nothing else.
        allowH2: this.#transport!.protocol !== 'http1',
      })
      this.#clients.set(name, client)
    }
    return client
  }

  #tell(why: string | undefined): void {
    const { isPassive } = this.#schedule
    if (isPassive === this.#wasPassive || this.#isClosed) return
    this.#wasPassive = isPassive
    this.#options.onChange(why)
  }
}

/** Connections as requests have them: encrypted where those are, and with a PROXY header that says nothing. */
function connectorTo(
  address: string,
  port: number,
  { tls, proxyProtocol, protocol }: UpstreamTransport,
  timeoutMs: number,
): Connector {
  const preface = proxyProtocol === undefined ? undefined : writeProxyHeader(proxyProtocol, undefined)
  return (_, callback) => {
    const give = (socket: Socket | TLSSocket, ready: string): void => {
      const onError = (error: Error): void => callback(error, null)
      socket.setTimeout(timeoutMs * 10, () => socket.destroy(new Error('no connection in time')))
      socket.once('error', onError)
      socket.once(ready, () => {
        socket.setTimeout(0)
        socket.off('error', onError)
        callback(null, socket)
      })
    }
    if (tls !== undefined) {
      give(tls.connect(address, port, preface, ALPN[protocol]).encrypted, 'secureConnect')
      return
    }
    const socket = connect({ host: address, port, noDelay: true })
    // Where it stands for a TLS connection, undici goes by what was agreed on.
    if (protocol === 'h2c') Object.assign(socket, { alpnProtocol: 'h2' })
    if (preface !== undefined) socket.write(preface)
    give(socket, 'connect')
  }
}

async function readBounded(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = ''
  for await (const part of body.setEncoding('utf8')) {
    text += part as string
    if (text.length > LOAD_ANSWER_BYTES_MAX) throw new Error(`its answer is longer than ${LOAD_ANSWER_BYTES_MAX} bytes`)
  }
  return text
}
