import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { AttemptDirectory } from './attempt-directory.ts'

const FILE_BYTES_MAX = 4096
const LOG_BYTES_MAX = 2048
const LOG_LINES_MAX = 80

/** What an ended container says of its end: its termination message, or with the fallback policy the end of its log. */
export function terminationMessage(
  directory: AttemptDirectory,
  policy: 'File' | 'FallbackToLogsOnError',
  exitCode: number,
): string {
  const message = readEdge(directory.terminationMessage, FILE_BYTES_MAX, 'start')
  if (message !== '' || policy === 'File' || exitCode === 0) return message
  const log = readEdge(directory.log, LOG_BYTES_MAX, 'end')
  return log.split('\n').slice(-LOG_LINES_MAX).join('\n')
}

function readEdge(file: string, bytesMax: number, edge: 'start' | 'end'): string {
  let descriptor: number
  try {
    // A container that puts a pipe or a link in the file's place is neither waited for nor followed.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return ''
  }
  try {
    const from = edge === 'start' ? 0 : Math.max(0, fstatSync(descriptor).size - bytesMax)
    const buffer = Buffer.alloc(bytesMax)
    return buffer.subarray(0, readSync(descriptor, buffer, 0, bytesMax, from)).toString()
  } catch {
    return ''
  } finally {
    closeSync(descriptor)
  }
}
