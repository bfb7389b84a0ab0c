import type { Duplex } from 'node:stream'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { TerminalSize } from '../../runtime/runtime.ts'
import { outcomeText } from './command-outcome.ts'
import type { RemoteCommand } from './remote-command.ts'
import { SpdySession } from './spdy-session.ts'
import type { SpdyStream } from './spdy-stream.ts'
import type { StreamChoice } from './stream-request.ts'
import { TerminalSizes } from './terminal-sizes.ts'

/** As the kubelet's limit for a client to open the streams it asked for. */
const STREAMS_MS = 30_000
/** error, stdin, stdout, stderr, resize; and some that are refused by name. */
const STREAMS_MAX = 8

/**
 * Serves SPDY/3.1 on a connection and resolves when the client has opened every stream that it asked for; undefined when
 * it never does. `version` is that of the remote command protocol (1 to 4): the resize stream came with 3.
 */
export function acceptSpdyCommand(
  connection: Duplex,
  version: number,
  choice: StreamChoice,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<RemoteCommand | undefined> {
  const expected = new Set(['error'])
  if (choice.stdin) expected.add('stdin')
  if (choice.stdout) expected.add('stdout')
  if (choice.stderr) expected.add('stderr')
  if (choice.tty && version >= 3) expected.add('resize')
  const streams = new Map<string, SpdyStream>()
  const gone = new AbortController()

  return new Promise((resolve) => {
    const session = new SpdySession(connection, {
      streamsMax: STREAMS_MAX,
      onStream(stream) {
        const type = stream.headers.get('streamtype') ?? ''
        if (!expected.has(type) || streams.has(type)) return void stream.destroy()
        streams.set(type, stream)
        if (streams.size < expected.size) return
        timer.cancel()
        resolve(remoteCommand(session, streams, version, gone.signal))
      },
    })
    const timer = clock.setTimer(STREAMS_MS, () => {
      logger.debug({}, 'a client did not open the streams that it asked for')
      connection.destroy()
    })
    session
      .run()
      .catch((error) => logger.debug({ err: error }, 'a client broke the SPDY protocol'))
      .finally(() => {
        timer.cancel()
        gone.abort()
        resolve(undefined)
      })
  })
}

function remoteCommand(
  session: SpdySession,
  streams: ReadonlyMap<string, SpdyStream>,
  version: number,
  gone: AbortSignal,
): RemoteCommand {
  const error = streams.get('error')!
  const resize = streams.get('resize')
  const sizes = new TerminalSizes()
  let last: TerminalSize | undefined
  let onSize: (size: TerminalSize) => void = () => {}
  resize?.on('data', (bytes: Buffer) => {
    for (const size of sizes.push(bytes)) {
      last = size
      onSize(size)
    }
  })
  // What a client says where only we speak is dropped.
  for (const name of ['error', 'stdout', 'stderr']) streams.get(name)?.resume()
  return {
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    gone,
    onResize(callback) {
      onSize = callback
      if (last !== undefined) callback(last)
    },
    finish(outcome) {
      error.end(outcomeText(outcome, version))
      error.once('finish', () => session.close())
      error.once('close', () => session.close())
    },
  }
}
