import type { ConnectionEnds } from './connection-ends.ts'

/** Why a connection's first bytes are no PROXY protocol header. */
export const PROXY_HEADER_REFUSALS = [
  'no-proxy-header',
  'proxy-header-too-long',
  'bad-proxy-protocol',
  'bad-proxy-address',
  'bad-proxy-port',
  'bad-proxy-command',
  'bad-proxy-family',
  'bad-proxy-length',
  'bad-proxy-tlv',
] as const
export type ProxyHeaderRefusal = (typeof PROXY_HEADER_REFUSALS)[number]

export type ProxyHeaderReading =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly reason: ProxyHeaderRefusal }
  /** `ends` is undefined when the header names none: the connection's own ends are meant. */
  | { readonly kind: 'read'; readonly bytes: number; readonly ends: ConnectionEnds | undefined }

export const INCOMPLETE: ProxyHeaderReading = { kind: 'incomplete' }

export function refused(reason: ProxyHeaderRefusal): ProxyHeaderReading {
  return { kind: 'refused', reason }
}

/** More is refused: addresses take 232 bytes at most, the rest is for TLVs, which may hold a client's certificate. */
export const PROXY_HEADER_BYTES_MAX = 16 * 1024
