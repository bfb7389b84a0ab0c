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
  /** How long a request may take in all, and a watch until the server accepts it; 30 s when left out. */
  readonly deadlineMs?: number
}

const DEADLINE_MS = 30_000
/** A connection that says nothing to a ping for this long is replaced; a cut wire sends no end. */
const PING_EVERY_MS = 15_000
const PING_ANSWER_MS = 10_000
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024

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

/** Ends without an error when the caller's signal is what ended the stream. */
async function* eventsOf(stream: ClientHttp2Stream, signal: AbortSignal | undefined): AsyncGenerator<WatchEvent> {
  try {
    for await (const event of jsonLines(stream)) {
      if (signal?.aborted === true) return
      yield event as WatchEvent
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error
  }
}

/**
 * The API over HTTPS: all calls and watches of a process share one HTTP/2 connection, opened on first use and again
 * after it broke. A rejected call may or may not have been carried out; callers read before they try again.
 */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { server, deadlineMs = DEADLINE_MS } = options
  let session: ClientHttp2Session | undefined
  let closed = false

  const open = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session
    const next = connect(server, {
      ca: options.ca,
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    })
    next.once('connect', () => next.setLocalWindowSize(CONNECTION_WINDOW_BYTES))
    // Every stream of the session gets the error, too.
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

  /**
   * Sends a request and resolves with its stream once the answer's head is there. The deadline is for the head, or
   * with `whole` for all of the answer.
   */
  const begin = (request: ApiRequest, whole: boolean): Promise<{ status: number; stream: ClientHttp2Stream }> => {
    if (closed) return Promise.reject(new Error('the client is closed'))
    const { signal } = request
    if (signal?.aborted === true) return Promise.reject(new Error('the request was aborted'))
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
      const end = (why: Error): void => {
        reject(why)
        // Destroying hands the reason to whoever reads the body at this moment.
        stream.rstCode === constants.NGHTTP2_NO_ERROR && stream.close(constants.NGHTTP2_CANCEL)
        stream.destroy(why)
      }
      const timer = setTimeout(
        () => end(new StatusError('Timeout', `${server} did not answer within ${deadlineMs / 1000} s`)),
        deadlineMs,
      )
      const onAbort = (): void => end(new Error('the request was aborted'))
      signal?.addEventListener('abort', onAbort, { once: true })
      stream.on('response', (head) => {
        if (!whole) clearTimeout(timer)
        resolve({ status: Number(head[':status']), stream })
      })
      stream.on('error', (error) => reject(new Error(`${server}: ${error.message}`, { cause: error })))
      stream.on('close', () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        reject(new Error(`${server}: the connection closed before an answer`))
      })
      if (body !== undefined) stream.end(body)
    })
  }

  return {
    async request(request): Promise<ApiResponse> {
      const { status, stream } = await begin(request, true)
      return { status, body: parseBody(await readAll(stream)) }
    },
    async watch(request): Promise<AsyncIterable<WatchEvent>> {
      const { status, stream } = await begin(request, false)
      if (status >= 400) throw statusErrorOf(status, parseBody(await readAll(stream)))
      return eventsOf(stream, request.signal)
    },
    async close() {
      closed = true
      session?.destroy()
    },
  }
}
