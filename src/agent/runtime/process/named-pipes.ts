import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'

/**
 * Makes named pipes. Programs get these instead of what Node calls pipes, which are sockets: `/dev/stdin` and
 * `/dev/stderr` of a socket cannot be opened, so `echo oops >/dev/stderr` would fail in a shell.
 */
export function makePipes(paths: readonly string[], mode: '600' | '666'): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('mkfifo', ['-m', mode, '--', ...paths], (error) => (error === null ? resolve() : reject(error)))
  })
}

/** One end for a program to be started with (its parent closes it after that), one for us. */
export interface PipeEnds<Own> {
  readonly child: number
  readonly own: Own
}

/** A stream that writes to a named pipe somebody reads; to end it closes it. Throws when nobody does. */
export function writeToPipe(path: string): Writable {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  const stream = new Socket({ fd: descriptor, readable: false, writable: true })
  stream.once('finish', () => stream.destroy())
  return stream
}

/** The reading end of a pipe for a program. It stays open for reading with nobody on the other side. */
export function readingEnd(path: string): number {
  // Opened both ways first, or opening it for reading would wait for a writer.
  const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  try {
    return openSync(path, constants.O_RDONLY)
  } finally {
    closeSync(both)
  }
}

/** The input of a program. */
export function inputPipe(path: string): PipeEnds<Writable> {
  const child = readingEnd(path)
  return { child, own: writeToPipe(path) }
}

/** An output of a program. */
export function outputPipe(path: string): PipeEnds<Socket> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const child = openSync(path, constants.O_WRONLY)
  return { child, own: new Socket({ fd: descriptor, readable: true, writable: false }) }
}
