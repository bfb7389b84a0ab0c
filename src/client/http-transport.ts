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
  /** How often the connection is tried, and how long an answer may take; 15 and 10 s when left out. */
  readonly pingEveryMs?: number
  readonly pingAnswerMs?: number
}

const DEADLINE_MS = 30_000
/** A connection that says nothing to a ping for this long is replaced; a cut wire sends no end. */
const PING_EVERY_MS = 15_000
const PING_ANSWER_MS = 10_000
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024

/** The whole answer. Rejects for one that is cut short: node ends the stream of a broken connection like any other. */
async function readAll(stream: ClientHttp2Stream, announced: number | undefined): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
  }
  if (announced !== undefined && length !== announced)
    throw new Error(`the answer broke off after ${length} of ${announced} bytes`)
  if (length === 0) return undefined
  const text = Buffer.concat(chunks, length).toString()
  try {
    return JSON.parse(text)
  } catch {
    // What is announced and whole, but no JSON, is a word of something in between, or of a server that is not ours.
    if (announced !== undefined) return text
    throw new Error('the answer broke off')
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

interface Begun {
  readonly status: number
  /** What the answer's head says of its length in bytes. */
  readonly length: number | undefined
  readonly stream: ClientHttp2Stream
}

/**
 * The API over HTTPS: all calls and watches of a process share one HTTP/2 connection, opened on first use and again
 * after it broke. A rejected call may or may not have been carried out; callers read before they try again.
 */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { server, deadlineMs = DEADLINE_MS, pingEveryMs = PING_EVERY_MS, pingAnswerMs = PING_ANSWER_MS } = options
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
      const late = setTimeout(() => next.destroy(), pingAnswerMs)
      late.unref()
      if (!next.destroyed) next.ping(() => clearTimeout(late))
    }, pingEveryMs)
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
  const begin = (request: ApiRequest, whole: boolean): Promise<Begun> => {
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
        const length = head['content-length']
        resolve({ status: Number(head[':status']), length: length === undefined ? undefined : Number(length), stream })
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
      const { status, length, stream } = await begin(request, true)
      return { status, body: await readAll(stream, length) }
    },
    async watch(request): Promise<AsyncIterable<WatchEvent>> {
      const { status, length, stream } = await begin(request, false)
      if (status >= 400) throw statusErrorOf(status, await readAll(stream, length))
      return eventsOf(stream, request.signal)
    },
    async close() {
      closed = true
      session?.destroy()
    },
  }
}
