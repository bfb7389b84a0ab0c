import { Agent, request as httpRequest } from 'node:http'

export interface LoadReport {
  readonly ok: number
  readonly failures: readonly string[]
  /** How often each answer body came, to see the spread. */
  readonly bodies: ReadonlyMap<string, number>
}

function once(url: string, agent: Agent, method: 'GET' | 'POST'): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent, method, timeout: 10_000 }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      response.on('end', () =>
        response.statusCode === 200
          ? resolve(body)
          : reject(new Error(`status ${response.statusCode}: ${body.slice(0, 200)}`)),
      )
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')))
    request.on('error', reject)
    request.end(method === 'POST' ? 'an order' : undefined)
  })
}

/** A load that nobody stops, as after a failed assertion, ends by itself. */
const LOAD_MS_MAX = 300_000

/**
 * Sends requests from `clients` loops at once, spread over the URLs, until stopped: over kept connections or a new one
 * for each request. Nothing is retried: every failure counts.
 */
export function startHttpLoad(
  urls: readonly string[],
  options: {
    readonly clients: number
    readonly keepAlive: boolean
    readonly pauseMs?: number
    readonly method?: 'GET' | 'POST'
  },
): { stop(): Promise<LoadReport> } {
  let stopped = false
  const end = setTimeout(() => {
    stopped = true
  }, LOAD_MS_MAX)
  end.unref()
  let ok = 0
  const failures: string[] = []
  const bodies = new Map<string, number>()
  const agent = new Agent({ keepAlive: options.keepAlive, maxSockets: options.clients })
  const loop = async (first: number): Promise<void> => {
    for (let i = first; !stopped; i++) {
      try {
        const body = await once(urls[i % urls.length]!, agent, options.method ?? 'GET')
        ok += 1
        bodies.set(body, (bodies.get(body) ?? 0) + 1)
      } catch (error) {
        failures.push(`${new Date().toISOString()} ${error instanceof Error ? error.message : String(error)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs ?? 5))
    }
  }
  const loops = Array.from({ length: options.clients }, (_, i) => loop(i))
  return {
    async stop() {
      stopped = true
      clearTimeout(end)
      await Promise.all(loops)
      agent.destroy()
      return { ok, failures, bodies }
    },
  }
}
