import type { RequestHead } from '../http1/request-head.ts'
import { TARGET_LENGTH_MAX } from './request-observer.ts'

/** What must be kept of a request's head, whose bytes are gone when the response ends. */
export interface RequestNote {
  readonly method: string
  readonly host: string
  readonly target: string
}

export const UNREADABLE: RequestNote = { method: '', host: '', target: '' }

/** `head`'s offsets point into `b`. */
export function noteRequest(head: RequestHead, b: Uint8Array): RequestNote {
  const bytes = Buffer.from(b.buffer, b.byteOffset, b.byteLength)
  const targetEnd = Math.min(head.targetEnd, head.targetStart + TARGET_LENGTH_MAX)
  return {
    method: bytes.toString('latin1', head.start, head.methodEnd),
    host: bytes.toString('latin1', head.hostStart, head.hostEnd),
    target: bytes.toString('latin1', head.targetStart, targetEnd),
  }
}
