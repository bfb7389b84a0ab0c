import { BalancedEndpoint } from '../../../src/proxy/balance/balanced-endpoint.ts'
import type { Balancer } from '../../../src/proxy/balance/balancer.ts'
import { reportLoad } from '../../../src/proxy/balance/client-side-wrr.ts'
import { EndpointGroup, type EndpointGroupOptions } from '../../../src/proxy/balance/endpoint-group.ts'
import { ERRED, SUCCEEDED, TIMED_OUT } from '../../../src/proxy/balance/outcome.ts'
import { CircuitBreaker, type CircuitLimits, REQUESTS } from '../../../src/proxy/resilience/circuit-breaker.ts'
import { Backend, type BackendSpec } from './backend.ts'
import { EventQueue } from './event-queue.ts'
import { exponential, seededRandom } from './seeded-random.ts'

export interface Scenario {
  readonly name: string
  readonly backends: readonly BackendSpec[]
  /** Proxies, each of which sees only its own requests. */
  readonly proxies: number
  readonly requestsPerSecond: number
  readonly durationMs: number
  /** Requests before that are not counted. */
  readonly warmUpMs: number
  readonly timeoutMs: number
  /** One request's work in milliseconds. */
  work(random: () => number): number
  /** Of each proxy; what is beyond them fails at once. Default: none. */
  readonly limits?: CircuitLimits
  /** When each backend joins; default: before the start. */
  readonly joinsAtMs?: readonly number[]
}

/** What an algorithm may use: `ask` sends a probe whose answer comes back over the network. */
export interface Probing {
  ask(endpoint: BalancedEndpoint, answer: (inFlight: number, latencyMs: number, nowMs: number) => void): void
}

export interface Contender {
  readonly name: string
  balancer(random: () => number, probing: Probing): Balancer
  /** Slow start, health policy and so on; one call for each proxy. */
  group?(random: () => number): Partial<EndpointGroupOptions>
}

export interface Result {
  readonly requests: number
  readonly succeeded: number
  /** Of all requests, ascending; one that failed took as long as its client waited. */
  readonly latenciesMs: Float64Array
  /** Requests that each backend got, by second. */
  readonly received: readonly (readonly number[])[]
}

const NETWORK_MS = 0.25
const REPORT_MS = 1_000

/** One run on virtual time. The same seed gives every contender the same arrivals and the same work. */
export function simulate(scenario: Scenario, contender: Contender, seed: number): Result {
  const queue = new EventQueue()
  const backends = scenario.backends.map((spec) => new Backend(spec, queue))
  const arrivals = seededRandom(seed)
  const latencies: number[] = []
  let succeeded = 0

  const proxies = Array.from({ length: scenario.proxies }, (_, i) => {
    const random = seededRandom(seed * 1_000 + i)
    const endpoints = backends.map(
      (_, k) => new BalancedEndpoint({ address: `10.0.0.${k + 1}`, port: 80, readySinceMs: scenario.joinsAtMs?.[k] }),
    )
    // They have been reporting for a while, so that client-side WRR is past its blackout.
    for (const endpoint of endpoints) reportLoad(endpoint, -10_000, Number.NaN, Number.NaN, Number.NaN)
    const backendOf = new Map(endpoints.map((endpoint, k) => [endpoint, backends[k]!]))
    const probing: Probing = {
      ask: (endpoint, answer) =>
        queue.after(NETWORK_MS, () => {
          const { signal } = backendOf.get(endpoint)!
          const inFlight = signal.inFlight()
          const latencyMs = signal.latencyMs()
          queue.after(NETWORK_MS, () => answer(inFlight, latencyMs, queue.nowMs()))
        }),
    }
    const group = new EndpointGroup({
      createBalancer: () => contender.balancer(random, probing),
      random,
      ...contender.group?.(random),
    })
    const join = (): void => group.replace(endpoints.filter(({ readySinceMs }) => readySinceMs <= queue.nowMs()))
    join()
    for (const atMs of new Set(scenario.joinsAtMs)) queue.after(atMs, join)
    const breaker = scenario.limits === undefined ? undefined : new CircuitBreaker(scenario.limits)
    return { group, endpoints, backendOf, breaker }
  })

  const count = (startedMs: number, success: boolean): void => {
    if (startedMs < scenario.warmUpMs) return
    latencies.push(queue.nowMs() - startedMs)
    if (success) succeeded += 1
  }

  const send = ({ group, backendOf, breaker }: (typeof proxies)[number]): void => {
    const startedMs = queue.nowMs()
    const workMs = scenario.work(arrivals)
    if (breaker?.acquire(REQUESTS) === false) {
      count(startedMs, false)
      return
    }
    const endpoint = group.pick(0, startedMs)
    if (endpoint === undefined) throw new Error('there is always an endpoint')
    const backend = backendOf.get(endpoint)!
    let over = false
    const end = (outcome: typeof SUCCEEDED | typeof ERRED | typeof TIMED_OUT): void => {
      if (over) return
      over = true
      const latencyMs = queue.nowMs() - startedMs
      group.finished(endpoint, queue.nowMs(), latencyMs, outcome)
      breaker?.release(REQUESTS)
      count(startedMs, outcome === SUCCEEDED)
    }
    group.started(endpoint, startedMs)
    queue.after(scenario.timeoutMs, () => end(TIMED_OUT))
    queue.after(NETWORK_MS, () =>
      backend.receive(workMs, (ok) => queue.after(NETWORK_MS, () => end(ok ? SUCCEEDED : ERRED))),
    )
  }

  const gap = 1_000 / scenario.requestsPerSecond
  const arrive = (): void => {
    if (queue.nowMs() >= scenario.durationMs) return
    send(proxies[Math.floor(arrivals() * proxies.length)]!)
    queue.after(exponential(arrivals, gap), arrive)
  }
  queue.after(0, arrive)

  const report = (): void => {
    if (queue.nowMs() >= scenario.durationMs) return
    for (const [k, backend] of backends.entries()) {
      const { workedMs, answered, errors } = backend.takeUsage()
      const utilization = workedMs / (REPORT_MS * backend.spec.workers)
      const seconds = REPORT_MS / 1_000
      for (const { endpoints } of proxies)
        reportLoad(endpoints[k]!, queue.nowMs(), utilization, answered / seconds, errors / seconds)
    }
    queue.after(REPORT_MS, report)
  }
  queue.after(REPORT_MS, report)

  queue.run()
  return {
    requests: latencies.length,
    succeeded,
    latenciesMs: Float64Array.from(latencies).sort(),
    received: backends.map((backend) => backend.received),
  }
}

export function percentile({ latenciesMs }: Result, part: number): number {
  return latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * part))]!
}
