import { FieldLines } from '../http1/field-lines.ts'
import type { HeadLimits } from '../http1/head-limits.ts'
import { RequestHead } from '../http1/request-head.ts'
import { ResponseHead } from '../http1/response-head.ts'
import { FieldBlock } from './field-block.ts'

const TEXT_EXTRA_BYTES = 1_024

/** What all HTTP/2 connections of one engine share, used from the start to the end of one call. */
export class Http2Memory {
  readonly block: FieldBlock
  /** A head as HTTP/1.1 has it. */
  readonly text: Uint8Array
  readonly trailerLines: FieldLines
  /** Of requests on their way to an endpoint, while the context's own still counts. */
  readonly requestHead: RequestHead
  readonly responseHead: ResponseHead

  constructor(limits: HeadLimits) {
    const { headBytesMax, headersMax } = limits
    this.block = new FieldBlock(headBytesMax, headersMax)
    // Merged cookies take no more than they did apart.
    this.text = new Uint8Array(2 * headBytesMax + TEXT_EXTRA_BYTES)
    this.trailerLines = new FieldLines(headersMax)
    // Rewritten heads are longer than those that came.
    const wide = { headBytesMax: 4 * headBytesMax, headersMax: 2 * headersMax, targetBytesMax: headBytesMax }
    this.requestHead = new RequestHead(wide)
    this.responseHead = new ResponseHead(wide)
  }
}
