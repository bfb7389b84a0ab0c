/**
 * An HTTP proxy in a process of its own, before the endpoints `PORT …` of 127.0.0.1, that says what it holds when it is
 * asked. Needs `--expose-gc`.
 */
import { readdirSync } from 'node:fs'
import { startHttpProxy } from '../../../src/proxy/l7/standalone.ts'

export interface Holdings {
  readonly heapBytes: number
  readonly descriptors: number
  readonly connections: number
  readonly inFlight: number
  readonly endpointInFlight: number
  readonly retries: number
}

const proxy = await startHttpProxy({
  listen: { host: '127.0.0.1', port: 0 },
  endpoints: process.argv.slice(2).map((port) => ({ address: '127.0.0.1', port: Number(port) })),
  upstream: {
    retry: { triesMax: 12, backoff: { baseMs: 5, maxMs: 100 } },
    budget: { ratio: 1, minimumPerSecond: 10_000 },
  },
})

process.on('message', () => {
  globalThis.gc?.()
  const upstream = proxy.engine.upstreams[0]!
  const holdings: Holdings = {
    heapBytes: process.memoryUsage().heapUsed,
    descriptors: readdirSync('/proc/self/fd').length,
    connections: proxy.engine.connections,
    inFlight: upstream.metrics.inFlight,
    endpointInFlight: [...upstream.endpoints()].reduce((sum, { balanced }) => sum + balanced.inFlight, 0),
    retries: upstream.metrics.retries,
  }
  process.send?.(holdings)
})
process.send?.(proxy.port)
