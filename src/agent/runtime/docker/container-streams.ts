import { once } from 'node:events'
import { type Duplex, PassThrough, type Readable, Writable } from 'node:stream'
import { OutputFrames } from './output-frames.ts'

export interface ContainerStreams {
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable | undefined
  /** Resolves when all output has been handed on, or nobody takes it any more. Never rejects. */
  readonly ended: Promise<void>
  destroy(): void
}

/** Hands bytes on, and waits when the reader is behind. What is for a reader that is gone is dropped. */
async function hand(to: PassThrough, bytes: Buffer): Promise<void> {
  if (to.destroyed || to.write(bytes)) return
  const settled = new AbortController()
  const { signal } = settled
  await Promise.race([once(to, 'drain', { signal }), once(to, 'close', { signal })]).catch(() => {})
  settled.abort()
}

async function split(connection: Duplex, stdout: PassThrough, stderr: PassThrough | undefined): Promise<void> {
  const frames = new OutputFrames()
  try {
    for await (const chunk of connection as AsyncIterable<Buffer>) {
      if (stderr === undefined) {
        await hand(stdout, chunk)
        continue
      }
      for (const { stream, bytes } of frames.push(chunk)) await hand(stream === 'stderr' ? stderr : stdout, bytes)
    }
  } catch {
    // The connection broke: what came before it is all there is.
  }
  stdout.end()
  stderr?.end()
}

/** A container's input. `endsConnection`: to end it closes that direction of the connection; else it is left open. */
function inputOf(connection: Duplex, endsConnection: boolean): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      if (connection.destroyed || connection.writableEnded) return done()
      if (connection.write(chunk)) return done()
      const go = (): void => {
        connection.removeListener('drain', go)
        connection.removeListener('close', go)
        done()
      }
      connection.once('drain', go)
      connection.once('close', go)
    },
    final(done) {
      if (endsConnection) connection.end()
      done()
    },
  }).on('error', () => {})
}

/**
 * The streams that one hijacked connection carries; in a terminal all output is one, and bare. `endsInput`: the end of the
 * client's input is the program's, too. Where it is not, and in terminals, an engine that saw it would end the output.
 */
export function containerStreams(
  connection: Duplex,
  options: { readonly stdin: boolean; readonly tty: boolean; readonly endsInput: boolean },
): ContainerStreams {
  connection.on('error', () => {})
  const stdout = new PassThrough()
  const stderr = options.tty ? undefined : new PassThrough()
  for (const stream of [stdout, stderr]) stream?.on('error', () => {})
  const stdin = options.stdin ? inputOf(connection, options.endsInput && !options.tty) : undefined
  return {
    stdin,
    stdout,
    stderr,
    ended: split(connection, stdout, stderr),
    destroy() {
      connection.destroy()
      stdout.destroy()
      stderr?.destroy()
    },
  }
}
