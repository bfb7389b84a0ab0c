import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import { connectToPod, forwardError, joinStreams } from './forward-port.ts'
import { SpdySession } from './spdy-session.ts'
import type { SpdyStream } from './spdy-stream.ts'
import { parsePort } from './stream-request.ts'

export interface PortForwardOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** `namespace/name`, for messages. */
  readonly pod: string
  /** Where the pod is now; rejects when it is gone. */
  address(): Promise<string>
}

/** Two streams for each connection. */
const STREAMS_MAX = 1_000
/** As the kubelet's limit for the second stream of a pair. */
const PAIR_MS = 30_000

interface Pair {
  error: SpdyStream | undefined
  data: SpdyStream | undefined
  readonly timer: Timer
}

/** Which connection a stream belongs to. Clients that do not say open the data stream right after the error stream. */
function requestOf(stream: SpdyStream, type: string): string {
  return stream.headers.get('requestid') ?? `stream ${type === 'error' ? stream.id : stream.id - 2}`
}

/**
 * Forwards ports over SPDY/3.1: for each connection the client opens a stream for data and one for what goes wrong.
 * Resolves when the client is gone.
 */
export async function serveSpdyPortForward(connection: Duplex, options: PortForwardOptions): Promise<void> {
  const { clock, logger, pod } = options
  const pairs = new Map<string, Pair>()

  const forward = async (data: SpdyStream, error: SpdyStream): Promise<void> => {
    let port = 0
    try {
      port = parsePort(data.headers.get('port') ?? '')
      const socket = await connectToPod(await options.address(), port)
      if (data.destroyed) return void socket.destroy()
      await joinStreams(socket, data, data)
      error.end()
    } catch (cause) {
      error.end(forwardError(port, pod, cause))
      // The client reads why before it sees the end of the data.
      error.once('finish', () => data.end())
      data.resume()
    }
  }

  const session = new SpdySession(connection, {
    streamsMax: STREAMS_MAX,
    onStream(stream) {
      const type = stream.headers.get('streamtype')
      if (type !== 'error' && type !== 'data') return void stream.destroy()
      const request = requestOf(stream, type)
      let pair = pairs.get(request)
      if (pair === undefined) {
        const timer = clock.setTimer(PAIR_MS, () => {
          pairs.get(request)?.error?.destroy()
          pairs.get(request)?.data?.destroy()
          pairs.delete(request)
        })
        pair = { error: undefined, data: undefined, timer }
        pairs.set(request, pair)
      }
      if (pair[type] !== undefined) return void stream.destroy()
      pair[type] = stream
      if (type === 'error') stream.resume()
      if (pair.error === undefined || pair.data === undefined) return
      pair.timer.cancel()
      pairs.delete(request)
      void forward(pair.data, pair.error)
    },
  })
  await session.run().catch((error) => logger.debug({ err: error }, 'a client broke the SPDY protocol'))
  for (const { timer } of pairs.values()) timer.cancel()
}
