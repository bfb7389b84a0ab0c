import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { ProbeResult } from './probe-result.ts'

export interface HttpProbeTarget {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
  readonly path: string
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly timeoutMs: number
}

const BODY_BYTES_MAX = 10 * 1024
const REDIRECTS_MAX = 10

interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

/**
 * GET as the kubelet probes: 200–399 is success; redirects are followed while they stay on the same host and port
 * scheme, one that leaves it counts as success without being followed; certificates are not verified.
 */
export async function httpProbe(target: HttpProbeTarget): Promise<ProbeResult> {
  const authority = isIP(target.host) === 6 ? `[${target.host}]` : target.host
  let url = new URL(`${target.scheme}://${authority}:${target.port}/`)
  const [path, query] = splitQuery(target.path)
  url.pathname = path
  url.search = query
  const first = url.href
  const deadline = performance.now() + target.timeoutMs
  try {
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const answer = await ask(url, target, deadline - performance.now())
      if (answer.status >= 300 && answer.status < 400 && answer.location !== undefined) {
        const next = URL.parse(answer.location, url.href)
        if (next === null || next.hostname !== url.hostname || !/^https?:$/.test(next.protocol))
          return { ok: true, output: 'Probe terminated redirects' }
        url = next
        continue
      }
      if (answer.status >= 200 && answer.status < 400) return { ok: true, output: answer.body }
      return { ok: false, output: `HTTP probe failed with statuscode: ${answer.status}` }
    }
    return { ok: false, output: `Get "${first}": stopped after ${REDIRECTS_MAX} redirects` }
  } catch (error) {
    return {
      ok: false,
      output: `Get "${first}": ${connectionMessage(error, `${authority}:${url.port || target.port}`)}`,
    }
  }
}

function splitQuery(path: string): readonly [string, string] {
  const mark = path.indexOf('?')
  return mark < 0 ? [path, ''] : [path.slice(0, mark), path.slice(mark)]
}

function ask(url: URL, target: HttpProbeTarget, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | string[]> = {
      'user-agent': 'kube-probe/1.36',
      accept: '*/*',
      connection: 'close',
    }
    for (const { name, value } of target.headers) {
      const key = name.toLowerCase()
      // An empty value takes a default header away.
      if (value === '' && (key === 'user-agent' || key === 'accept')) delete headers[key]
      else headers[key] = value
    }
    const options = { method: 'GET', headers, agent: false as const, timeout: timeoutMs, rejectUnauthorized: false }
    const onAnswer = (response: IncomingMessage): void => {
      const parts: Buffer[] = []
      let length = 0
      const done = (): void => {
        clearTimeout(timer)
        const body = Buffer.concat(parts).toString()
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body })
        response.destroy()
      }
      response.on('data', (chunk: Buffer) => {
        parts.push(chunk.subarray(0, BODY_BYTES_MAX - length))
        length += chunk.length
        if (length >= BODY_BYTES_MAX) done()
      })
      response.on('end', done)
      response.on('error', reject)
    }
    const request =
      url.protocol === 'https:' ? requestHttps(url, options, onAnswer) : requestHttp(url, options, onAnswer)
    const timer = setTimeout(() => request.destroy(new TimeoutError()), Math.max(1, timeoutMs))
    request.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    request.end()
  })
}

class TimeoutError extends Error {}

/** Connection failures as Go words them, since that is what people search for. */
export function connectionMessage(error: unknown, address: string): string {
  if (error instanceof TimeoutError) return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ECONNREFUSED') return `dial tcp ${address}: connect: connection refused`
  if (code === 'ETIMEDOUT') return `dial tcp ${address}: i/o timeout`
  if (code === 'ECONNRESET') return `read tcp ${address}: connection reset by peer`
  return error instanceof Error ? error.message : String(error)
}
