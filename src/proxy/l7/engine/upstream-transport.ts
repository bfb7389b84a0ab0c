import type { ProxyProtocolVersion } from '../proxy-protocol/write-proxy-header.ts'
import { TlsConnector } from '../tls/tls-connector.ts'
import type { UpstreamTlsOptions } from '../tls/tls-options.ts'

/**
 * What an endpoint is spoken to in: HTTP/1.1; HTTP/2 without TLS, which it has to understand without being asked; HTTP/2
 * over TLS; or whichever of both it chooses over TLS, and HTTP/1.1 without.
 */
export const UPSTREAM_PROTOCOLS = ['http1', 'h2c', 'h2', 'auto'] as const
export type UpstreamProtocol = (typeof UPSTREAM_PROTOCOLS)[number]

/** What connections to an upstream's endpoints are made of. */
export interface UpstreamTransport {
  /** Each begins with such a header, and is used for one client's connection only. */
  readonly proxyProtocol: ProxyProtocolVersion | undefined
  /** undefined: they are not encrypted. */
  readonly tls: TlsConnector | undefined
  /** `h2` and `auto` only with TLS, `h2c` only without. */
  readonly protocol: UpstreamProtocol
}

/** Throws when the authorities' certificates are none, or the parts do not go together. */
export function upstreamTransport(
  proxyProtocol: ProxyProtocolVersion | undefined,
  tls: UpstreamTlsOptions | undefined,
  protocol: UpstreamProtocol = 'http1',
): UpstreamTransport {
  if (protocol === 'h2' && tls === undefined) throw new Error('protocol h2 needs tls; without it the protocol is h2c')
  if (protocol === 'h2c' && tls !== undefined)
    throw new Error('protocol h2c is without tls; with it the protocol is h2')
  if (proxyProtocol !== undefined && protocol !== 'http1' && protocol !== 'auto') {
    throw new Error(`a PROXY header is for one client only, protocol ${protocol} for many at once`)
  }
  const isHttp1 = tls === undefined && protocol === 'auto'
  return {
    proxyProtocol,
    tls: tls === undefined ? undefined : new TlsConnector(tls),
    protocol: isHttp1 || proxyProtocol !== undefined ? 'http1' : protocol,
  }
}
