import type { ProxyProtocolVersion } from '../proxy-protocol/write-proxy-header.ts'
import { TlsConnector } from '../tls/tls-connector.ts'
import type { UpstreamTlsOptions } from '../tls/tls-options.ts'

/** What connections to an upstream's endpoints are made of. */
export interface UpstreamTransport {
  /** Each begins with such a header, and is used for one client's connection only. */
  readonly proxyProtocol: ProxyProtocolVersion | undefined
  /** undefined: they are not encrypted. */
  readonly tls: TlsConnector | undefined
}

/** Throws when the authorities' certificates are none. */
export function upstreamTransport(
  proxyProtocol: ProxyProtocolVersion | undefined,
  tls: UpstreamTlsOptions | undefined,
): UpstreamTransport {
  return { proxyProtocol, tls: tls === undefined ? undefined : new TlsConnector(tls) }
}
