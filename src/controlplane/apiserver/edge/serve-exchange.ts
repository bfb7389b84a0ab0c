import { StatusError } from '../../../api/status-error.ts'
import type { Logger } from '../../../base/logger.ts'
import type { RequestHandler, ServerResponse } from '../server-request.ts'
import type { User } from '../user.ts'
import type { Authenticate } from './authenticate.ts'
import { BodyTimeoutError, type Exchange } from './exchange.ts'

/** As kube-apiserver's limit on what it reads of a request. */
const BODY_BYTES_MAX = 3 * 1024 * 1024
/** A longer answer goes out in pieces of this size, so that it can be seen whether it is taken. */
const PIECE_BYTES = 256 * 1024
const NO_QUERY = new URLSearchParams()

export interface ServeOptions {
  readonly handler: RequestHandler
  readonly authenticate: Authenticate
  readonly logger: Logger
  readonly stalledMs: number
}

async function readBody(exchange: Exchange): Promise<Uint8Array> {
  try {
    const body = await exchange.readBody(BODY_BYTES_MAX)
    if (body !== undefined) return body
  } catch (error) {
    if (error instanceof BodyTimeoutError) throw new StatusError('Timeout', error.message, undefined, 408)
    // Nobody is left to read what this is answered with; but it is no fault of ours either.
    throw new StatusError('BadRequest', 'the body of the request was cut off')
  }
  throw new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${BODY_BYTES_MAX}`)
}

async function* pieces(body: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES)
}

/** Hands each exchange to the API server as a request, and its answer back. */
export function createServeExchange({ handler, authenticate, logger, stalledMs }: ServeOptions): {
  serve(exchange: Exchange): Promise<void>
  /** Ends what still runs, as if all clients had gone. */
  abortAll(): void
} {
  /** Of the requests that asked for their signal. */
  const running = new Set<AbortController>()

  const userOf = async (exchange: Exchange): Promise<User | undefined> => {
    try {
      return await authenticate(exchange.socket, exchange.headers)
    } catch (error) {
      if (error instanceof StatusError) return undefined
      throw error
    }
  }

  /** Cuts off a client that takes nothing for too long. */
  const whenTaken = async (exchange: Exchange): Promise<void> => {
    const timer = setTimeout(() => {
      logger.debug({ path: exchange.url.split('?')[0] }, 'a client takes nothing of its answer; cutting it off')
      exchange.destroy()
    }, stalledMs)
    await exchange.drained()
    clearTimeout(timer)
  }

  const stream = async (exchange: Exchange, body: AsyncIterable<Uint8Array>, isOver: () => boolean): Promise<void> => {
    try {
      for await (const chunk of body) {
        if (isOver()) return
        if (!exchange.write(chunk)) await whenTaken(exchange)
      }
      exchange.end()
    } catch (error) {
      // The head is out: all that can be told is that this is not the whole of it.
      if (!isOver()) logger.warn({ err: error, path: exchange.url.split('?')[0] }, 'a streamed answer broke off')
      exchange.destroy()
    }
  }

  const send = (exchange: Exchange, answer: ServerResponse, isOver: () => boolean): Promise<void> | undefined => {
    const { status, headers, body, tunnel } = answer
    if (tunnel !== undefined) {
      // Only a client that asked gets one.
      if (exchange.join === undefined || isOver()) tunnel.destroy()
      else exchange.join(headers, tunnel)
      return undefined
    }
    if (body === undefined || body instanceof Uint8Array) {
      if (body === undefined || body.length <= PIECE_BYTES || exchange.method === 'HEAD') {
        exchange.answer(status, headers, body)
        return undefined
      }
      exchange.begin(status, { ...headers, 'content-length': String(body.length) })
      return stream(exchange, pieces(body), isOver)
    }
    exchange.begin(status, headers)
    return stream(exchange, body, isOver)
  }

  return {
    async serve(exchange) {
      let over = false
      let abort: AbortController | undefined
      exchange.onClose((complete) => {
        over = true
        if (abort === undefined) return
        running.delete(abort)
        if (!complete) abort.abort()
      })
      const user = await userOf(exchange)
      const { url } = exchange
      const mark = url.indexOf('?')
      const answer = await handler.handle({
        method: exchange.method,
        path: mark < 0 ? url : url.slice(0, mark),
        query: mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1)),
        headers: exchange.headers,
        user,
        ...(exchange.socket.remoteAddress === undefined ? {} : { sourceIp: exchange.socket.remoteAddress }),
        canUpgrade: exchange.canUpgrade === true,
        readBody: () => readBody(exchange),
        gone: () => {
          if (abort === undefined) {
            abort = new AbortController()
            if (over) abort.abort()
            else running.add(abort)
          }
          return abort.signal
        },
      })
      await send(exchange, answer, () => over)
    },
    abortAll() {
      for (const abort of running) abort.abort()
    },
  }
}
