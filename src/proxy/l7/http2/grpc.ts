import { ERRED, type Outcome, OVERLOADED, outcomeOfStatus, SUCCEEDED } from '../../balance/outcome.ts'
import { PROXY_ERRORS } from '../engine/proxy-error.ts'
import { bytesOf, equalsWord } from '../http1/field-values.ts'

const APPLICATION_GRPC = bytesOf('application/grpc')
const PLUS = 43
const SEMICOLON = 59
export const GRPC_STATUS = bytesOf('grpc-status')

/** Codes that say that the server failed, rather than that the caller asked for what cannot be. */
const UNKNOWN = 2
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
const DATA_LOSS = 15
const FAULTS = [UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS]
export const GRPC_CODE_MAX = 16

/** `application/grpc` with or without a message format; not gRPC-Web, which is an ordinary request. */
export function isGrpcContentType(b: Uint8Array, start: number, end: number): boolean {
  const nameEnd = start + APPLICATION_GRPC.length
  if (end < nameEnd || !equalsWord(b, start, nameEnd, APPLICATION_GRPC)) return false
  return end === nameEnd || b[nameEnd] === PLUS || b[nameEnd] === SEMICOLON
}

/** The code that stands for an answer of the proxy's own (gRPC's table of HTTP statuses, and what it leaves open). */
export function grpcCodeOf(status: number, code: string): number {
  // Nothing has been sent to anybody: the caller may try again.
  if (code === PROXY_ERRORS.connectTimeout.code) return UNAVAILABLE
  switch (status) {
    case 400:
      return INTERNAL
    case 401:
      return 16
    case 403:
      return 7
    case 404:
    case 405:
      return UNIMPLEMENTED
    case 413:
    case 431:
      return RESOURCE_EXHAUSTED
    case 408:
    case 504:
      return DEADLINE_EXCEEDED
    case 429:
    case 502:
    case 503:
      return UNAVAILABLE
    default:
      return UNKNOWN
  }
}

/** The code in `b[start, end)`; `UNKNOWN` for what is none. */
export function readGrpcCode(b: Uint8Array, start: number, end: number): number {
  let code = 0
  for (let p = start; p < end; p++) {
    const digit = b[p]! - 48
    if (digit < 0 || digit > 9 || p - start > 1) return UNKNOWN
    code = code * 10 + digit
  }
  return end > start && code <= GRPC_CODE_MAX ? code : UNKNOWN
}

/** What a response says of its endpoint. */
export function outcomeOfGrpc(status: number, code: number): Outcome {
  if (status !== 200) return outcomeOfStatus(status)
  if (code === RESOURCE_EXHAUSTED) return OVERLOADED
  return FAULTS.includes(code) ? ERRED : SUCCEEDED
}

/** The status that a response counts as, so that rates of success are right for gRPC too. */
export function statusOfGrpc(status: number, code: number): number {
  if (status !== 200 || code === 0) return status
  if (FAULTS.includes(code)) return 500
  return code === RESOURCE_EXHAUSTED ? 429 : 400
}
