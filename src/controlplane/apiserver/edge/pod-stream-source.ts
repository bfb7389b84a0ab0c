import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { Duplex } from 'node:stream'
import { StatusError } from '../../../api/status-error.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'
import { nodeEndpoint } from './node-endpoint.ts'
import { answeredUpgrade, askedUpgrade } from './upgrade-headers.ts'

export interface PodStream {
  /** For the client's 101. */
  readonly headers: Readonly<Record<string, string>>
  /** The connection to the agent, which has switched protocols; already read bytes stand in it. */
  readonly tunnel: Duplex
}

/**
 * Asks the agent on a node to switch a connection to the protocol that the client's `headers` ask for. `path` is
 * `/exec/…`, `/attach/…` or `/portForward/…`. Rejects with StatusError for any answer but a 101.
 */
export type PodStreamSource = (
  node: Node,
  path: string,
  headers: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
) => Promise<PodStream>

/** For the connection, the handshake and the head of the answer. */
const ANSWER_MS = 15_000
const MESSAGE_BYTES_MAX = 16 * 1024
/** Each may hold two connections and their buffers. */
const STREAMS_MAX = 1_000
const REASONS = { 400: 'BadRequest', 403: 'Forbidden', 404: 'NotFound', 503: 'ServiceUnavailable' } as const

function bad(message: string): StatusError {
  return new StatusError('InternalError', message, undefined, 502)
}

/** The agent's refusal as the client's. The connection is closed whatever it says, so nothing can be sent after it. */
async function refusalOf(response: IncomingMessage): Promise<StatusError> {
  const status = response.statusCode ?? 502
  if (status < 400) {
    response.destroy()
    return bad(`the node answered with ${status} instead of switching protocols`)
  }
  let text = ''
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString()
      if (text.length > MESSAGE_BYTES_MAX) break
    }
  } catch {
    // Cut off: what came of it has to do.
  }
  response.destroy()
  const reason = REASONS[status as keyof typeof REASONS]
  return new StatusError(reason ?? 'InternalError', text.slice(0, MESSAGE_BYTES_MAX).trim(), undefined, status)
}

/**
 * Streams over TLS with the API server's own client certificate, from nodes within the cluster's range only. Only after
 * a real 101 for the protocol that was asked for is the connection handed out; every other answer ends it, and
 * redirects are not followed.
 */
export function createPodStreamSource(options: {
  readonly clusterCidr: string
  readonly ca: string
  readonly cert: string
  readonly key: string
}): PodStreamSource {
  const { ca, cert, key } = options
  let open = 0
  return (node, path, given, signal) => {
    const { address, port, name } = nodeEndpoint(node, options.clusterCidr)
    if (open >= STREAMS_MAX)
      throw new StatusError('TooManyRequests', `there are ${open} streams already`, { retryAfterSeconds: 5 })
    const headers = askedUpgrade(given)
    return new Promise((resolve, reject) => {
      const call = request({
        // A connection of its own, never one that somebody else's request may come after.
        agent: false,
        ...{ ca, cert, key, host: address, port, servername: name },
        ...{ method: 'GET', path, headers, signal },
      })
      open += 1
      call.once('close', () => {
        if (!switched) open -= 1
      })
      let switched = false
      const timer = setTimeout(() => call.destroy(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS)
      call.once('upgrade', (response, socket, head) => {
        clearTimeout(timer)
        switched = true
        socket.once('close', () => {
          open -= 1
        })
        const isAsked = response.headers.upgrade?.toLowerCase() === headers.upgrade?.toLowerCase()
        if (response.statusCode !== 101 || !isAsked) {
          socket.destroy()
          return reject(bad('the node switched to another protocol than it was asked for'))
        }
        socket.setNoDelay(true)
        if (head.length > 0) socket.unshift(head)
        resolve({ headers: answeredUpgrade(response.headers as Record<string, string>), tunnel: socket })
      })
      call.once('response', (response) => {
        clearTimeout(timer)
        refusalOf(response).then(reject, reject)
      })
      call.once('error', (cause) => {
        clearTimeout(timer)
        reject(bad(`error dialing backend: ${cause.message}`))
      })
      call.end()
    })
  }
}
