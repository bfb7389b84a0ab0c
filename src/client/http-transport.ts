import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { StatusError } from '../api/status-error.ts'
import { statusErrorOf } from './create-client.ts'
import { jsonLines } from './json-lines.ts'
import type { ApiRequest, ApiResponse, Transport, WatchEvent } from './transport.ts'

export interface HttpTransportOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  readonly token?: string
  readonly userAgent?: string
}

/** No answer's head within this means that the server or the way to it is gone. */
const ANSWER_MS = 30_000
/** A connection that says nothing to a ping for this long is replaced; a cut wire sends no end. */
const PING_EVERY_MS = 15_000
const PING_ANSWER_MS = 10_000

async function readAll(stream: ClientHttp2Stream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function parseBody(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The API over HTTPS: all calls and watches of a process share one HTTP/2 connection, opened on first use and again
 * after it broke. A rejected call may or may not have been carried out; callers read before they try again.
 */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  let session: ClientHttp2Session | undefined
  let closed = false

  const open = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session
    const next = connect(options.server, {
      ca: options.ca,
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
      settings: { initialWindowSize: 4 * 1024 * 1024, enablePush: false },
    })
    next.setLocalWindowSize?.(16 * 1024 * 1024)
    next.on('error', () => {})
    const pinger = setInterval(() => {
      const late = setTimeout(() => next.destroy(), PING_ANSWER_MS)
      late.unref()
      if (!next.destroyed) next.ping(() => clearTimeout(late))
    }, PING_EVERY_MS)
    pinger.unref()
    next.on('goaway', () => {
      if (session === next) session = undefined
      next.close()
    })
    next.on('close', () => {
      clearInterval(pinger)
      if (session === next) session = undefined
    })
    session = next
    return next
  }

  /** Sends a request and resolves with its stream once the answer's head is there. */
  const begin = (request: ApiRequest): Promise<{ status: number; stream: ClientHttp2Stream }> => {
    if (closed) return Promise.reject(new Error('the client is closed'))
    const query = new URLSearchParams(request.query).toString()
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const headers: Record<string, string> = {
      ':method': request.method,
      ':path': query === '' ? request.path : `${request.path}?${query}`,
      accept: 'application/json',
      'user-agent': options.userAgent ?? 'wherry',
    }
    if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`
    if (body !== undefined) headers['content-type'] = request.contentType ?? 'application/json'
    return new Promise((resolve, reject) => {
      const stream = open().request(headers, { endStream: body === undefined })
      const timer = setTimeout(() => {
        stream.close(constants.NGHTTP2_CANCEL)
        reject(new StatusError('Timeout', `${options.server} did not answer within ${ANSWER_MS / 1000} s`))
      }, ANSWER_MS)
      const onAbort = (): void => {
        stream.close(constants.NGHTTP2_CANCEL)
        reject(new Error('the request was aborted'))
      }
      if (request.signal?.aborted === true) onAbort()
      request.signal?.addEventListener('abort', onAbort, { once: true })
      stream.on('response', (head) => {
        clearTimeout(timer)
        resolve({ status: Number(head[':status']), stream })
      })
      stream.on('error', (error) => {
        clearTimeout(timer)
        reject(new Error(`${options.server}: ${error.message}`, { cause: error }))
      })
      stream.on('close', () => {
        clearTimeout(timer)
        request.signal?.removeEventListener('abort', onAbort)
        reject(new Error(`${options.server}: the connection closed before an answer`))
      })
      if (body !== undefined) stream.end(body)
    })
  }

  return {
    async request(request): Promise<ApiResponse> {
      const { status, stream } = await begin(request)
      return { status, body: parseBody(await readAll(stream)) }
    },
    async watch(request): Promise<AsyncIterable<WatchEvent>> {
      const { status, stream } = await begin(request)
      if (status >= 400) throw statusErrorOf(status, parseBody(await readAll(stream)))
      return jsonLines(stream) as AsyncIterable<WatchEvent>
    },
    async close() {
      closed = true
      session?.destroy()
    },
  }
}
