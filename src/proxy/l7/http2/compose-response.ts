import { appendBytes } from '../http1/copy-bytes.ts'
import { bytesOf } from '../http1/field-values.ts'
import { REFUSAL } from '../http1/refusal.ts'
import type { FieldBlock } from './field-block.ts'
import { AUTHORITY, METHOD, PATH, PROTOCOL, SCHEME, STATUS } from './field-rules.ts'

const VERSION = bytesOf('HTTP/1.1 ')
const LINE_END = bytesOf(' \r\n')
const CRLF = bytesOf('\r\n')
const CHUNKED = bytesOf('Transfer-Encoding: chunked\r\n')
const NO_CONTENT = bytesOf('Content-Length: 0\r\n')

/**
 * Writes the response in `block` to `out` as HTTP/1.1 has it and returns its length, or a refusal as a negative number;
 * see `composeRequest`. `isLast`: there is no body. `toHead`: the request was HEAD.
 */
export function composeResponse(block: FieldBlock, isLast: boolean, toHead: boolean, out: Uint8Array): number {
  if (block.isTooLarge) return -REFUSAL['head-too-large']
  if (block.refusal !== 0) return -block.refusal
  if (!block.has(STATUS)) return -REFUSAL['bad-pseudo-header']
  for (const pseudo of [METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL]) {
    if (block.has(pseudo)) return -REFUSAL['bad-pseudo-header']
  }
  const status = statusOf(block)
  // There is no 101 in HTTP/2 (RFC 9113 §8.6), and no interim response is the last word.
  if (status < 100 || status === 101 || (status < 200 && isLast)) return -REFUSAL['bad-status']
  let p = appendBytes(VERSION, out, 0)
  p = block.copyPseudo(STATUS, out, p)
  p = appendBytes(LINE_END, out, p)
  p = block.copyLines(out, p)
  const mayHaveBody = status >= 200 && status !== 204 && status !== 304 && !toHead
  if (mayHaveBody && block.contentLengthStart === -1) p = appendBytes(isLast ? NO_CONTENT : CHUNKED, out, p)
  return appendBytes(CRLF, out, p)
}

/** -1: three digits it is not. */
function statusOf({ bytes: b, pseudoStart, pseudoEnd }: FieldBlock): number {
  const start = pseudoStart[STATUS]!
  if (pseudoEnd[STATUS]! - start !== 3) return -1
  let status = 0
  for (let p = start; p < start + 3; p++) {
    const digit = b[p]! - 48
    if (digit < 0 || digit > 9) return -1
    status = status * 10 + digit
  }
  return status
}
