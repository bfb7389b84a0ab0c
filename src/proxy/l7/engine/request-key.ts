import { hashBytes } from '../../balance/hash-key.ts'
import { CookieSearch } from '../../balance/session-cookie.ts'
import { bytesOf } from '../http1/field-values.ts'
import { findLine } from '../http1/find-line.ts'
import { HEADER } from '../http1/header-ids.ts'
import type { RequestHead } from '../http1/request-head.ts'

/** What requests stick together by: those with the same value go to the same endpoint under a hashing algorithm. */
export type KeySource =
  | { readonly from: 'address' }
  | { readonly from: 'header'; readonly name: string }
  | { readonly from: 'cookie'; readonly name: string }

/** The 32-bit key of a request; where it does not have what the key is of, one at random, so that such requests spread. */
export class RequestKey {
  readonly #header: Uint8Array | undefined
  readonly #cookie: CookieSearch | undefined
  readonly #random: () => number

  constructor(source: KeySource, random: () => number) {
    this.#header = source.from === 'header' ? bytesOf(source.name.toLowerCase()) : undefined
    this.#cookie = source.from === 'cookie' ? new CookieSearch(source.name) : undefined
    this.#random = random
  }

  /** `head`'s offsets point into `b`; `address`: the client's, as text. Allocates nothing. */
  of(head: RequestHead, b: Uint8Array, address: Uint8Array): number {
    const { lines } = head
    if (this.#header !== undefined) {
      const line = findLine(lines, b, this.#header)
      return line === -1 ? this.#anyKey() : hashBytes(b, lines.valueStart[line]!, lines.valueEnd[line]!)
    }
    const cookie = this.#cookie
    if (cookie === undefined) return hashBytes(address, 0, address.length)
    for (let i = 0; i < lines.count; i++) {
      if (lines.ids[i] !== HEADER.cookie) continue
      if (cookie.find(b, lines.valueStart[i]!, lines.valueEnd[i]!)) return hashBytes(b, cookie.start, cookie.end)
    }
    return this.#anyKey()
  }

  /** Of a connection whose requests nobody here reads: by its client's address, or else by the server it asks for. */
  ofConnection(address: string, serverName: string | undefined): number {
    const isByAddress = (this.#header === undefined && this.#cookie === undefined) || serverName === undefined
    const bytes = bytesOf(isByAddress ? address : serverName)
    return hashBytes(bytes, 0, bytes.length)
  }

  #anyKey(): number {
    return Math.floor(this.#random() * 0x1_0000_0000)
  }
}
