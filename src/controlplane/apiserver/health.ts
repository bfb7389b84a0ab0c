import { pathNotFound } from './refusals.ts'
import type { ServerResponse } from './server-request.ts'

type Checks = Readonly<Record<string, () => boolean>>

const ALIVE: Checks = { ping: () => true }

function text(status: number, body: string): ServerResponse {
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-cache, private',
      'x-content-type-options': 'nosniff',
    },
    body: Buffer.from(body),
  }
}

/**
 * `/healthz`, `/livez`, `/readyz`, each also `?verbose`, `?exclude=<check>` and `/<check>`, as kube-apiserver words them.
 * Undefined for any other path. Only `/readyz` asks `readiness`: a server that is not ready yet is not to be killed.
 */
export function health(path: string, query: URLSearchParams, readiness: Checks): ServerResponse | undefined {
  const match = /^\/(readyz|livez|healthz)(?:\/(.*))?$/.exec(path)
  if (match === null) return undefined
  const [, endpoint, single = ''] = match
  const checks: Checks = endpoint === 'readyz' ? { ...ALIVE, ...readiness } : ALIVE
  if (single !== '') {
    if (!Object.hasOwn(checks, single)) throw pathNotFound()
    return checks[single]!() ? text(200, 'ok') : text(500, `internal server error: ${single} is not ready\n`)
  }
  const excluded = query.getAll('exclude')
  const results = Object.entries(checks).map(([name, check]) => {
    const left = excluded.includes(name)
    return { name, left, good: left || check() }
  })
  const lines = results.map(({ name, left, good }) =>
    left ? `[+]${name} excluded: ok\n` : good ? `[+]${name} ok\n` : `[-]${name} failed: reason withheld\n`,
  )
  // What is asked to be left out and does not exist is a mistake somewhere else, told but not fatal.
  const unknown = excluded.filter((name) => !Object.hasOwn(checks, name))
  if (unknown.length > 0)
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${unknown.map((n) => `"${n}"`).join(',')}\n`,
    )
  if (!results.every(({ good }) => good)) return text(500, `${lines.join('')}${endpoint} check failed\n`)
  return query.has('verbose') ? text(200, `${lines.join('')}${endpoint} check passed\n`) : text(200, 'ok')
}
