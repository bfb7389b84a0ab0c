import { FieldLines } from '../http1/field-lines.ts'
import type { HeadLimits } from '../http1/head-limits.ts'
import { RequestHead } from '../http1/request-head.ts'
import { FieldBlock } from './field-block.ts'
import { greeting } from './greeting.ts'
import type { Http2Settings } from './http2-settings.ts'

const TEXT_EXTRA_BYTES = 1_024

/** What all HTTP/2 connections of one engine share, used from the start to the end of one call. */
export class Http2Memory {
  readonly block: FieldBlock
  /** A head as HTTP/1.1 has it. */
  readonly text: Uint8Array
  readonly trailerLines: FieldLines
  /** Of requests on their way to an endpoint, while the context's own still counts. */
  readonly requestHead: RequestHead

  /** What each connection begins with, on the clients' side and to endpoints. */
  readonly serverGreeting: Uint8Array
  readonly clientGreeting: Uint8Array

  constructor(limits: HeadLimits, settings: Http2Settings) {
    const { headBytesMax, headersMax } = limits
    this.block = new FieldBlock(headBytesMax, headersMax)
    // Merged cookies take no more than they did apart.
    this.text = new Uint8Array(2 * headBytesMax + TEXT_EXTRA_BYTES)
    this.trailerLines = new FieldLines(headersMax)
    // Rewritten heads are longer than those that came.
    const wide = { headBytesMax: 4 * headBytesMax, headersMax: 2 * headersMax, targetBytesMax: headBytesMax }
    this.requestHead = new RequestHead(wide)
    this.serverGreeting = greeting(true, settings, headBytesMax)
    this.clientGreeting = greeting(false, settings, headBytesMax)
  }
}
