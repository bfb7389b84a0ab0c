import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { StatusError } from '../api/status-error.ts'
import { ApiServers } from './api-servers.ts'
import { statusErrorOf } from './create-client.ts'
import { jsonLines } from './json-lines.ts'
import type { RequestCounter } from './request-counter.ts'
import type { ApiRequest, ApiResponse, Transport, WatchEvent } from './transport.ts'

export interface HttpTransportOptions {
  /** `https://127.0.0.1:6443`, or several of which one is used at a time. */
  readonly server: string | ApiServers
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  readonly token?: string
  readonly userAgent?: string
  /** Told of every answer, and of every request that got none. */
  readonly counter?: RequestCounter
  /** How long a request may take in all, and a watch until the server accepts it; 30 s when left out. */
  readonly deadlineMs?: number
  /** How often the connection is tried, and how long an answer may take; 15 and 10 s when left out, 4 s each with several servers. */
  readonly pingEveryMs?: number
  readonly pingAnswerMs?: number
}

const DEADLINE_MS = 30_000
/** A connection that says nothing to a ping for this long is replaced; a cut wire sends no end. */
const PING_EVERY_MS = 15_000
const PING_ANSWER_MS = 10_000
/** Where there is another server to go to, a silent one is left sooner. */
const PING_SEVERAL_MS = 4_000
/** Several servers: how long one may answer 503 to everything before another one is asked. */
const REFUSES_MS = 5_000
const UNAVAILABLE = 503
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

interface Connection {
  readonly server: string
  readonly session: ClientHttp2Session
  /** True once the TLS handshake is over: before that no server has seen any request. */
  isConnected: boolean
  /** Since when every answer has been 503. */
  refusesSinceMs: number | undefined
}

/** A connection failed under a request. */
class ConnectionError extends Error {
  /** Whether the server may have carried the request out. */
  readonly maybeSeen: boolean

  constructor(message: string, maybeSeen: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ConnectionError'
    this.maybeSeen = maybeSeen
  }
}

/**
 * The API over HTTPS: all calls and watches of a process share one HTTP/2 connection, opened on first use and again
 * after it broke. With several servers, one that fails is left for the next: reads are asked there at once, writes only
 * when no server can have seen them. A rejected call may or may not have been carried out; callers read before they try
 * again.
 */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { deadlineMs = DEADLINE_MS } = options
  const servers = typeof options.server === 'string' ? new ApiServers([options.server]) : options.server
  let connection: Connection | undefined
  let closed = false

  const open = (): Connection => {
    if (connection !== undefined && !connection.session.closed && !connection.session.destroyed) return connection
    const server = servers.current
    const session = connect(server, {
      ca: options.ca,
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    })
    const next: Connection = { server, session, isConnected: false, refusesSinceMs: undefined }
    const forget = (): void => {
      if (connection === next) connection = undefined
    }
    session.once('connect', () => {
      next.isConnected = true
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
    // Every stream of the session gets the error, too.
    session.on('error', () => servers.moveOn(server))
    const several = servers.all.length > 1
    const answerMs = options.pingAnswerMs ?? (several ? PING_SEVERAL_MS : PING_ANSWER_MS)
    const pinger = setInterval(
      () => {
        const late = setTimeout(() => {
          servers.moveOn(server)
          session.destroy()
        }, answerMs)
        late.unref()
        if (!session.destroyed) session.ping(() => clearTimeout(late))
      },
      options.pingEveryMs ?? (several ? PING_SEVERAL_MS : PING_EVERY_MS),
    )
    pinger.unref()
    session.on('goaway', () => {
      // A server that ends, or one that closes what is idle: another is as good, and perhaps there longer.
      servers.moveOn(server)
      forget()
      session.close()
    })
    session.on('close', () => {
      clearInterval(pinger)
      // Cut off in the middle; the server may be gone.
      if (connection === next && !closed) servers.moveOn(server)
      forget()
    })
    connection = next
    return next
  }

  /** A server that can serve nothing for a while, as one that is cut off from its etcd, is left like one that is gone. */
  const judge = (used: Connection, status: number): void => {
    if (status !== UNAVAILABLE) used.refusesSinceMs = undefined
    else if (servers.all.length > 1) {
      used.refusesSinceMs ??= performance.now()
      if (performance.now() - used.refusesSinceMs < REFUSES_MS) return
      servers.moveOn(used.server)
      // After the answer that is being read.
      setImmediate(() => used.session.destroy())
    }
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
      const used = open()
      const { server } = used
      let stream: ClientHttp2Stream
      try {
        stream = used.session.request(headers, { endStream: body === undefined })
      } catch (error) {
        // The session is just ending.
        return reject(new ConnectionError(`${server}: ${(error as Error).message}`, false, error))
      }
      let isCounted = false
      const count = (code: number | undefined): void => {
        if (!isCounted) options.counter?.record(request.method, server, code)
        isCounted = true
      }
      const end = (why: Error): void => {
        reject(why)
        // Destroying hands the reason to whoever reads the body at this moment.
        stream.rstCode === constants.NGHTTP2_NO_ERROR && stream.close(constants.NGHTTP2_CANCEL)
        stream.destroy(why)
      }
      // REFUSED_STREAM says that the server has not looked at it (RFC 9113 §8.7).
      const maybeSeen = (): boolean => used.isConnected && stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM
      const timer = setTimeout(
        () => end(new StatusError('Timeout', `${server} did not answer within ${deadlineMs / 1000} s`)),
        deadlineMs,
      )
      const onAbort = (): void => end(new Error('the request was aborted'))
      signal?.addEventListener('abort', onAbort, { once: true })
      stream.on('response', (head) => {
        if (!whole) clearTimeout(timer)
        count(Number(head[':status']))
        judge(used, Number(head[':status']))
        const length = head['content-length']
        resolve({ status: Number(head[':status']), length: length === undefined ? undefined : Number(length), stream })
      })
      stream.on('error', (error) => reject(new ConnectionError(`${server}: ${error.message}`, maybeSeen(), error)))
      stream.on('close', () => {
        count(undefined)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        reject(new ConnectionError(`${server}: the connection closed before an answer`, maybeSeen()))
      })
      if (body !== undefined) stream.end(body)
    })
  }

  /** Asks one server after the other, each once, as long as their connections fail and asking again does no harm. */
  const inTurn = async <T>(request: ApiRequest, ask: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await ask()
      } catch (error) {
        const failed = error instanceof ConnectionError
        if (!failed || (request.method !== 'GET' && error.maybeSeen)) throw error
        if (closed || request.signal?.aborted === true || tries >= servers.all.length) throw error
      }
    }
  }

  return {
    request(request): Promise<ApiResponse> {
      return inTurn(request, async () => {
        const { status, length, stream } = await begin(request, true)
        try {
          return { status, body: await readAll(stream, length) }
        } catch (error) {
          if (error instanceof StatusError || request.signal?.aborted === true) throw error
          throw new ConnectionError((error as Error).message, true, error)
        }
      })
    },
    watch(request): Promise<AsyncIterable<WatchEvent>> {
      return inTurn(request, async () => {
        const { status, length, stream } = await begin(request, false)
        if (status >= 400) throw statusErrorOf(status, await readAll(stream, length))
        return eventsOf(stream, request.signal)
      })
    },
    async close() {
      closed = true
      connection?.session.destroy()
    },
  }
}
