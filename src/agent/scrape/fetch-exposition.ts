import { isIPv6 } from 'node:net'
import type { Dispatcher } from 'undici'
import { type Exposed, ExpositionError, ExpositionParser } from './exposition-parser.ts'
import type { ScrapeTarget } from './scrape-target.ts'

const BYTES_MAX = 4 * 1024 * 1024
const TIMEOUT_MS = 2_000
/** Prometheus' own, as far as this is read. */
const ACCEPT = 'text/plain;version=0.0.4;q=1,*/*;q=0.1'

/** A path as it goes into a request; whatever stands in it, it stays a path. */
function encoded(path: string): string {
  const url = new URL('http://pod/')
  const mark = path.indexOf('?')
  url.pathname = mark < 0 ? path : path.slice(0, mark)
  url.search = mark < 0 ? '' : path.slice(mark)
  return url.pathname + url.search
}

/**
 * Asks a pod for its metrics and reads them as they come. Certificates are not verified: a pod's numbers are believed
 * about that pod alone. Redirects are not followed. Rejects when the pod is away, slow, or serves too much or garbage.
 */
export async function fetchExposition(
  target: ScrapeTarget,
  wanted: ReadonlySet<string>,
  dispatcher: Dispatcher,
  closing: AbortSignal,
): Promise<Exposed> {
  const { scheme, address, port, path } = target
  const host = isIPv6(address) ? `[${address}]` : address
  const { statusCode, body } = await dispatcher.request({
    origin: `${scheme}://${host}:${port}`,
    path: encoded(path),
    method: 'GET',
    headers: { accept: ACCEPT, 'user-agent': 'wherry-agent' },
    signal: AbortSignal.any([closing, AbortSignal.timeout(TIMEOUT_MS)]),
  })
  try {
    if (statusCode !== 200) throw new ExpositionError(`it answered with status ${statusCode}`)
    const parser = new ExpositionParser(wanted)
    const decoder = new TextDecoder('utf-8')
    let bytes = 0
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > BYTES_MAX) throw new ExpositionError(`it serves more than ${BYTES_MAX} bytes`)
      parser.push(decoder.decode(chunk, { stream: true }))
    }
    return parser.end()
  } finally {
    body.destroy()
  }
}
