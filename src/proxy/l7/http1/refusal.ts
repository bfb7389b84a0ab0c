/**
 * Why a message was refused. On the hot path a refusal is its place in this table (a small integer, 0: none); name and
 * status are read only when an answer is written. The names are stable: they are sent as `x-wherry-error` and counted.
 */
const TABLE = [
  ['none', 0],
  ['bad-request-line', 400],
  ['bad-target', 400],
  ['target-too-long', 414],
  ['unsupported-version', 505],
  ['head-too-large', 431],
  ['too-many-headers', 431],
  ['bad-header-name', 400],
  ['bad-header-value', 400],
  ['bad-line-end', 400],
  ['obs-fold', 400],
  ['bad-content-length', 400],
  ['duplicate-content-length', 400],
  ['bad-transfer-encoding', 400],
  ['length-and-encoding', 400],
  ['encoding-in-http10', 400],
  ['missing-host', 400],
  ['duplicate-host', 400],
  ['bad-host', 400],
  ['expectation-failed', 417],
  ['bad-connection', 400],
  ['bad-upgrade', 400],
  ['method-not-allowed', 405],
  ['ambiguous-header-name', 400],
  ['bad-chunk-size', 400],
  ['bad-chunk-extension', 400],
  ['bad-chunk-end', 400],
  ['bad-trailer', 400],
  ['forbidden-trailer', 400],
  ['trailers-too-large', 400],
  ['body-too-large', 413],
  ['loop-detected', 508],
  ['ambiguous-path', 400],
  ['bad-status-line', 502],
  ['bad-status', 502],
  ['unexpected-body', 502],
  ['too-many-interim-responses', 502],
  // HTTP/2 only.
  ['bad-pseudo-header', 400],
  ['connection-header', 400],
  ['host-mismatch', 400],
  ['body-length-mismatch', 400],
] as const

export type RefusalName = (typeof TABLE)[number][0]

/** The place of each name in the table. */
export const REFUSAL = Object.fromEntries(TABLE.map(([name], i) => [name, i])) as Readonly<Record<RefusalName, number>>

export function refusalName(refusal: number): RefusalName {
  return TABLE[refusal]?.[0] ?? 'none'
}

/** The status that a client is answered with when its request is refused so. */
export function refusalStatus(refusal: number): number {
  return TABLE[refusal]?.[1] ?? 400
}
